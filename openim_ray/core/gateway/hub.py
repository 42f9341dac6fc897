"""
The hub: a gateway's sessions, its requests under way, and what to do when an actor behind it dies.

Promises: a request is repeated until it is answered or its deadline is over, also across restarts of the actor that
answers it; after every break of a link all sessions behind it register again and are repaired, so that an idle client of a restarted shard
does not stay silent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core import items
from openim_ray.core.call_numbers import first_number
from openim_ray.core.failures import INTERNAL_ERROR, Failures
from openim_ray.core.gateway.registrations import Registrations
from openim_ray.core.gateway.session import CHECK_SECONDS, Run, Session, Verdict
from openim_ray.core.gateway.watches import Known, ShowPresence, StatusChanged, Watches
from openim_ray.core.repair import REPAIR_MARGIN_MS, REPEAT_BYTES_AT_ONCE, REPEATS_AT_ONCE
from openim_ray.core.sizes import Room, first_within, size_of
from openim_ray.domain import errors
from openim_ray.domain.conversation import home_key
from openim_ray.protocol.identifiers import Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openim_ray.core.placement import Placement
    from openim_ray.domain.message import StoredMessage

HEARTBEAT_SECONDS = 1.0
SYNC_WATCH_SECONDS = 6.0
NOTHING_MISSED_MS = 1 << 60
STALL_SECONDS = 8.0
"""After this process stood still for so long its clients may have given syncs up, which they don't begin again on the same connection."""


Request = (
    items.Submit
    | items.MarkRead
    | items.SetPosition
    | items.Register
    | items.AskStates
    | items.ForceLogout
    | items.AskPresence
    | items.Subscribe
    | items.ApplyEffects
    | items.ForgetReceiver
    | items.SaveTokens
)


class Push(NamedTuple):
    """
    Write a message to these connections as a 2001.
    """

    conversation_id: str
    operation_id: str
    body: bytes
    connections: list[int]


class KickOut(NamedTuple):
    """
    Write a 2002 and drop the connection.
    """

    connection: int


class Close(NamedTuple):
    """
    Close a connection so that its client comes back and syncs.
    """

    connection: int
    reason: str


class ReadRun(NamedTuple):
    """
    Read a run from the log; answered by `Hub.run_read` or `Hub.run_failed`.
    """

    run: Run


class Completed(NamedTuple):
    """
    A request is over: its reply, or the error it ended with.
    """

    context: object
    reply: items.Accepted | items.Reply | None
    error: errors.OpenIMError | None


Effect = Push | KickOut | Close | ReadRun | Completed | ShowPresence | StatusChanged | Known


class Device(NamedTuple):
    """
    What a hub must know of a connection to register it.
    """

    platform_id: int
    token_digest: str
    token_expires_at: int
    accepted_ms: int
    background: bool = False

    @property
    def quiet(self) -> bool:
        """Tell whether nothing may be pushed to it: an iOS app in the background (OpenIM wire, §1.7)."""
        return self.background and self.platform_id == Platform.IOS


class _Pending:
    __slots__ = ("connection", "context", "deadline", "item", "peer", "size", "unhandled")

    def __init__(self, item: Request, peer: str, context: object, deadline: float, connection: int) -> None:
        self.item = item
        self.size = size_of(item)
        self.peer = peer
        self.context = context
        self.deadline = deadline
        self.connection = connection
        self.unhandled = False
        """Nobody has handled it for certain: it was refused as moved, or has not left yet."""


class Hub:
    """
    State of one gateway.

    Limit: `pending_max` requests with `pending_bytes_max` bytes under way; a further one ends at once as temporary.
    """

    def __init__(
        self,
        placement: Placement,
        persistence: Sequence[str],
        incarnation: str,
        *,
        pending_max: int = 50_000,
        pending_bytes_max: int = 256 << 20,
        repeats_at_once: int = REPEATS_AT_ONCE,
    ) -> None:
        self.placement = placement
        self.sessions: dict[int, Session] = {}
        self.placement_wanted = 0
        self.origin = 0
        """Behind which seq new streams begin (`ports.MessageReader.origin`); set before the first session."""
        self.failures = Failures()
        self._devices: dict[int, Device] = {}
        self._persistence = tuple(persistence)
        self._room = Room(pending_max, pending_bytes_max)
        self._repeats_at_once = repeats_at_once
        self._pending: dict[int, _Pending] = {}
        self._call = first_number(incarnation)
        self._connection = first_number(incarnation)
        self._orders: dict[int, int] = {}
        self._order = 0
        self._items: list[tuple[str, items.AnyItem]] = []
        self._effects: list[Effect] = []
        self._runs: dict[Run, list[int]] = {}
        self._registrations = Registrations()
        self.watches = Watches(self._inbox_of, self._send, self._emit)
        self._quiet_since_ms: dict[int, int] = {}
        self._watched: dict[int, Session] = {}
        self._to_repeat: dict[int, None] = {}
        self._moved: dict[int, None] = {}
        self._heard_ms: dict[str, int] = {}
        self._ticked_at: float | None = None
        self._next_heartbeat = 0.0
        self._next_check = 0.0

    # --- what is to be done

    def take_items(self) -> list[tuple[str, items.AnyItem]]:
        """Return and forget what is to be sent, in order."""
        taken, self._items = self._items, []
        return taken

    def take_effects(self) -> list[Effect]:
        """Return and forget what is to be done, in order."""
        taken, self._effects = self._effects, []
        return taken

    # --- requests

    @property
    def busy(self) -> bool:
        """Tell whether requests are under way."""
        return bool(self._pending)

    def ask_inbox(self, user_id: str, make: Callable[[int], Request], context: object, deadline: float) -> None:
        """Send a request to a user's inbox; ends in a Completed with this context."""
        self._ask(self.placement.inbox_of(user_id), make, context, deadline)

    def ask_actor(self, peer: str, make: Callable[[int], Request], context: object, deadline: float) -> None:
        """Send a request to an actor, whatever it hosts; ends in a Completed with this context."""
        self._ask(peer, make, context, deadline)

    def ask_log(self, home_key: str, make: Callable[[int], Request], context: object, deadline: float) -> None:
        """Send a request to a log; ends in a Completed with this context."""
        self._ask(self.placement.log_of(home_key), make, context, deadline)

    def ask_persistence(self, number: int, make: Callable[[int], Request], context: object, deadline: float) -> None:
        """Send a request to a persistence actor (chosen by `number`); ends in a Completed with this context."""
        self._ask(self._persistence[number % len(self._persistence)], make, context, deadline)

    def send(self, connection: int, make: Callable[[int], items.Submit], context: object, deadline: float) -> None:
        """
        Send a message of a connection to its log; ends in a Completed with this context, which writes the answer.

        Effects are performed in order: the echo's Push comes after the Completed.
        """
        item = make(self._call + 1)
        session = self.sessions.get(connection)
        if session is not None:
            session.sending(item.client_id)
        peer = self.placement.log_of(home_key(item.conversation_id))
        self._ask(peer, lambda _: item, context, deadline, connection)

    def _ask(
        self, peer: str, make: Callable[[int], Request], context: object, deadline: float, connection: int = 0
    ) -> None:
        item = make(self._call + 1)
        pending = _Pending(item, peer, context, deadline, connection)
        if not self._room.enter(pending.size):
            self._end(pending, None, errors.Overloaded("too many requests"))
            return
        self._call += 1
        self._pending[self._call] = pending
        if self._to_repeat or self._moved:
            # Behind those that are to be said again: messages of one connection stay in order.
            pending.unhandled = True
            self._to_repeat[self._call] = None
        else:
            self._items.append((peer, item))

    # --- sessions

    def open(self, session: Session, device: Device, context: object, deadline: float) -> None:
        """Take a new connection and register it with its user's inbox; ends in a Completed."""
        self.sessions[session.connection] = self._watched[session.connection] = session
        self._devices[session.connection] = device
        self._order += 1
        self._orders[session.connection] = self._order
        if device.quiet:
            self._fall_quiet(session, device.accepted_ms)
        self.ask_inbox(session.user_id, lambda call: self._register(call, session), context, deadline)

    def close(self, connection: int) -> None:
        """Forget a connection."""
        session = self.sessions.pop(connection, None)
        if session is None:
            return
        del self._devices[connection]
        del self._orders[connection]
        self._watched.pop(connection, None)
        self._quiet_since_ms.pop(connection, None)
        self._registrations.forget(connection)
        self.watches.drop(connection)
        home = self.placement.inbox_of(session.user_id)
        unsynced = session.unsynced and not session.asked_newest
        self._items.append((home, items.Unregister(session.user_id, connection, unsynced)))

    def set_background(self, connection: int, wall_ms: int, *, background: bool) -> None:
        """
        Note whether the app of a connection is in the background.

        Its inbox learns it as it learns of the connection, so that no break loses it; an iOS app that comes back is repaired from the
        moment it went.
        """
        session = self.sessions.get(connection)
        if session is None or self._devices[connection].background == background:
            return
        device = self._devices[connection] = self._devices[connection]._replace(background=background)
        since_ms = self._quiet_since_ms.pop(connection, None)
        self._registrations.need(connection, NOTHING_MISSED_MS if since_ms is None else since_ms - REPAIR_MARGIN_MS)
        self._catch_up()
        if device.quiet:
            self._fall_quiet(session, wall_ms)
            return
        self.watches.resume(connection)
        for run in session.wake():
            self._read(session, run)

    def watch(self, connection: int, subscribe: Iterable[str], unsubscribe: Iterable[str]) -> None:
        """Let a connection watch users' presence, or no more; see `Watches.change` for what is refused."""
        if connection in self.sessions:
            self.watches.change(connection, subscribe, unsubscribe)
            self.watches.send_due(self._repeats_at_once)

    def next_connection(self) -> int:
        """Return a number for a connection; no other incarnation of this gateway has given it out or will."""
        self._connection += 1
        return self._connection

    # --- what happens to a gateway

    def receive(self, peer: str, batch: Sequence[items.AnyItem], wall_ms: int) -> None:
        """
        Handle items of a peer, in order.

        A fault in the handling of one leaves the others alone: who waits for its answer hears of an internal error, who misses a push is
        closed and syncs.
        """
        self._heard_ms[peer] = wall_ms
        for item in batch:
            if not self.failures.attempt(type(item).__name__, self._handle, peer, item):
                self._failed(item)

    def _handle(self, peer: str, item: items.AnyItem) -> None:
        if isinstance(item, items.Delivery):
            self._deliver(item)
        elif isinstance(item, items.Accepted | items.Reply):
            self._complete(item)
        elif isinstance(item, items.Kick):
            self._effects.extend(KickOut(connection) for connection in item.connections)
        elif isinstance(item, items.Repair):
            self._repair(item)
        elif isinstance(item, items.Moved):
            self._on_moved(item)
        elif isinstance(item, items.Expired):
            self._on_expired(peer, item)
        elif isinstance(item, items.Presences):
            self.watches.heard(peer, item)
        elif isinstance(item, items.Subscribed):
            self._subscribed(item)
        elif isinstance(item, items.WatchEnded):
            self.placement_wanted = max(self.placement_wanted, item.placement_epoch)
            self.watches.ended(item)

    def _failed(self, item: items.AnyItem) -> None:
        if isinstance(item, items.Accepted | items.Reply) and item.call in self._pending:
            self._end_pending(item.call, None, errors.OpenIMError(INTERNAL_ERROR))
        elif isinstance(item, items.Delivery):
            self._effects.extend(Close(connection, INTERNAL_ERROR) for connection in item.connections)
        elif isinstance(item, items.Repair):
            self._effects.append(Close(item.connection, INTERNAL_ERROR))

    def link_reset(self, peer: str, wall_ms: int) -> None:
        """Go on after the link with a peer began anew: register again there, and repeat what is unanswered."""
        attempt = self.failures.attempt
        attempt("sessions after a link reset", self._register_all, peer, wall_ms)
        attempt("watches after a link reset", self.watches.lost, peer)
        calls = [call for call, pending in self._pending.items() if pending.peer == peer]
        attempt("requests after a link reset", self._repeat_later, calls)
        attempt("repetitions after a link reset", self._catch_up)

    def place(self, placement: Placement, wall_ms: int) -> None:
        """Take over a newer placement: what moved is registered and asked again at its new home."""
        if placement.epoch <= self.placement.epoch:
            return
        old, self.placement = self.placement, placement
        for session in self.sessions.values():
            old_home = old.inbox_of(session.user_id)
            if placement.inbox_of(session.user_id) != old_home:
                self._register_again(session, old_home, wall_ms)
        self.watches.placed(old, placement)
        calls = list(self._moved)
        self._moved.clear()
        for call, pending in self._pending.items():
            peer = self._home_of(pending.item) or pending.peer
            if peer != pending.peer:
                pending.peer = peer
                calls.append(call)
        self._repeat_later(calls)
        self._catch_up()

    def tick(self, now: float) -> None:
        """Do what is due: deadlines, heartbeats, the ends of first syncs."""
        if self._ticked_at is not None and now - self._ticked_at > STALL_SECONDS:
            self._effects.extend(Close(connection, "gateway stood still") for connection in self.sessions)
        self._ticked_at = now
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            beat = items.Heartbeat()
            # Also to who is idle: a link that is never used does not show that its other end has died.
            self._items.extend((peer, beat) for peer in (*self.placement.actors(), *self._persistence))
        self._catch_up()
        if now >= self._next_check:
            self._next_check = now + CHECK_SECONDS
            self._check(now)

    def _check(self, now: float) -> None:
        self._registrations.retry()
        self.watches.retry(now)
        # Refused by an actor that does not know the newest placement yet: said again until it does.
        if self._moved:
            self._repeat_later(self._moved)
            self._moved.clear()
        for call in [call for call, pending in self._pending.items() if pending.deadline <= now]:
            self._end_pending(call, None, errors.Unavailable("no answer in time"))
        for session in list(self._watched.values()):
            self._watch(session, now)

    def _watch(self, session: Session, now: float) -> None:
        """Look after the beginning of a session: what it holds until its client has synced, and whether it syncs at all."""
        for run in session.release():
            self._read(session, run)
        age = session.age(now)
        if session.sync_overdue(age):
            session.must_sync, session.unsynced = False, True
            self._effects.append(Close(session.connection, "must sync"))
        if age > SYNC_WATCH_SECONDS and not session.holding and not session.must_sync:
            self._watched.pop(session.connection, None)

    def run_read(self, run: Run, rows: list[StoredMessage]) -> None:
        """Write a run to the sessions that lack it."""
        for connection in self._runs.pop(run, ()):
            session = self.sessions.get(connection)
            if session is None:
                continue
            for row in session.fill(run, rows):
                self._effects.append(Push(row.conversation_id, row.operation_id, row.body, [connection]))
            if (rest := session.next_run(run.conversation_id)) is not None:
                self._read(session, rest)

    def run_failed(self, run: Run) -> None:
        """Close the sessions whose missing run can't be read: their clients' own syncs repair them."""
        for connection in self._runs.pop(run, ()):
            if connection in self.sessions:
                self._effects.append(Close(connection, "history not readable"))

    # --- parts

    def _deliver(self, item: items.Delivery) -> None:
        ready: list[int] = []
        for connection in item.connections:
            session = self.sessions.get(connection)
            if session is None:
                continue
            if item.begins:
                session.begin(item.conversation_id, item.begins, hides=item.hides)
            verdict = session.deliver(item.conversation_id, item.seq, item.sender_id, item.client_id)
            if verdict is Verdict.WRITE:
                ready.append(connection)
            elif verdict is Verdict.READ and (run := session.next_run(item.conversation_id)) is not None:
                self._read(session, run)
        if ready:
            self._effects.append(Push(item.conversation_id, item.operation_id, item.body, ready))

    def _complete(self, item: items.Accepted | items.Reply) -> None:
        if item.call not in self._pending:
            self._registrations.answered(item.call, success=isinstance(item, items.Reply) and not item.code)
            return
        error = None
        if isinstance(item, items.Reply) and item.code:
            error = errors.error_from_code(item.code, item.detail)
        self._end_pending(item.call, item, error)

    def _end_pending(
        self, call: int, reply: items.Accepted | items.Reply | None, error: errors.OpenIMError | None
    ) -> None:
        pending = self._pending.pop(call)
        # What nobody waits for any more must not take the turn of what somebody does.
        self._to_repeat.pop(call, None)
        self._moved.pop(call, None)
        self._room.leave(pending.size)
        self._end(pending, reply, error)

    def _end(
        self, pending: _Pending, reply: items.Accepted | items.Reply | None, error: errors.OpenIMError | None
    ) -> None:
        self._effects.append(Completed(pending.context, reply, error))
        item = pending.item
        if isinstance(item, items.Register):
            if error is None:
                self._registered(item)
        elif isinstance(item, items.Submit) and (session := self.sessions.get(pending.connection)) is not None:
            run = session.answered(item.conversation_id, item.client_id)
            if run is not None:
                self._read(session, run)

    def _registered(self, item: items.Register) -> None:
        session = self.sessions.get(item.connection)
        if session is not None:
            session.registered()
        else:
            # It was said again after the connection was gone.
            home = self.placement.inbox_of(item.user_id)
            self._items.append((home, items.Unregister(item.user_id, item.connection)))

    def _repair(self, item: items.Repair) -> None:
        session = self.sessions.get(item.connection)
        if session is not None:
            for conversation_id, came_at in item.begins.items():
                session.begin(conversation_id, came_at, hides=item.minima.get(conversation_id) == came_at)
            for run in session.repair(item.maxima, item.minima):
                self._read(session, run)

    def _read(self, session: Session, run: Run) -> None:
        if run.too_long:
            self._effects.append(Close(session.connection, "too far behind"))
            return
        waiting = self._runs.get(run)
        if waiting is None:
            self._runs[run] = [session.connection]
            self._effects.append(ReadRun(run))
        else:
            waiting.append(session.connection)

    def _on_moved(self, item: items.Moved) -> None:
        # With an older placement than ours the other one has to learn; this is said again meanwhile.
        self.placement_wanted = max(self.placement_wanted, item.placement_epoch)
        if (pending := self._pending.get(item.call)) is not None:
            pending.unhandled = True
            self._moved[item.call] = None
        else:
            self._registrations.answered(item.call, success=False)

    def _on_expired(self, peer: str, item: items.Expired) -> None:
        self.placement_wanted = max(self.placement_wanted, item.placement_epoch)
        if item.connections is None:
            self._register_all(peer, item.since_ms)
            self.watches.lost(peer)
            return
        for connection in item.connections:
            if (session := self.sessions.get(connection)) is not None:
                self._register_again(session, peer, item.since_ms)

    def _register_all(self, peer: str, since_ms: int) -> None:
        for session in self.sessions.values():
            if self.placement.inbox_of(session.user_id) == peer:
                self._register_again(session, peer, since_ms)

    def _register_again(self, session: Session, home: str, since_ms: int) -> None:
        """
        Let a session be registered: it may have missed what is younger than the last word from its home.

        Also if it waits for the answer to its first registration: that may be on its way, and the registration gone.
        """
        accepted_ms = self._devices[session.connection].accepted_ms
        heard_ms = max(self._heard_ms.get(home, 0), accepted_ms)
        self._registrations.need(session.connection, min(heard_ms, since_ms) - REPAIR_MARGIN_MS)

    def _repeat_later(self, calls: Iterable[int]) -> None:
        """Let requests be said again in the order in which they were made."""
        self._to_repeat = dict.fromkeys(sorted({*self._to_repeat, *calls}))

    def _catch_up(self) -> None:
        """Say again what a break made necessary, in order, a bounded part at once."""
        for connection, since_ms in self._registrations.take(self._repeats_at_once):
            session = self.sessions[connection]
            self._call += 1
            self._registrations.sent(connection, self._call)
            item = self._register(self._call, session, again=True, since_ms=since_ms)
            self._items.append((self.placement.inbox_of(session.user_id), item))
        self.watches.send_due(self._repeats_at_once)
        if self._to_repeat:
            self._repeat_some()

    def _repeat_some(self) -> None:
        sized = ((call, self._pending[call].size) for call in self._to_repeat)
        for call in first_within(sized, self._repeats_at_once, REPEAT_BYTES_AT_ONCE):
            del self._to_repeat[call]
            self._repeat(self._pending[call])

    def _repeat(self, pending: _Pending) -> None:
        if isinstance(pending.item, items.Submit) and not pending.item.stored and not pending.unhandled:
            # Not remembered by the log, so a repetition could be seen twice: the sender decides.
            self._end_pending(
                pending.item.call, None, errors.Unavailable("interrupted; whether it was delivered is unknown")
            )
            return
        pending.unhandled = False
        self._items.append((pending.peer, pending.item))

    def _register(self, call: int, session: Session, *, again: bool = False, since_ms: int = 0) -> items.Register:
        device = self._devices[session.connection]
        return items.Register(
            call,
            session.user_id,
            session.connection,
            device.platform_id,
            device.token_digest,
            device.token_expires_at,
            session.kind.value,
            device.accepted_ms,
            self._orders[session.connection],
            again,
            since_ms,
            device.background,
        )

    def _subscribed(self, item: items.Subscribed) -> None:
        for connection in item.connections:
            if connection in self.sessions:
                self.watches.subscribe(connection, item.subscribe, item.unsubscribe)
        self.watches.send_due(self._repeats_at_once)

    def _inbox_of(self, user_id: str) -> str:
        return self.placement.inbox_of(user_id)

    def _send(self, peer: str, item: items.AnyItem) -> None:
        self._items.append((peer, item))

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _fall_quiet(self, session: Session, wall_ms: int) -> None:
        session.fall_quiet()
        self._quiet_since_ms[session.connection] = wall_ms
        self.watches.pause(session.connection)

    def _home_of(self, item: Request) -> str | None:
        if isinstance(item, items.Submit | items.MarkRead):
            return self.placement.log_of(home_key(item.conversation_id))
        if isinstance(item, items.ApplyEffects):
            return self.placement.log_of(item.home_key)
        if isinstance(item, items.SaveTokens | items.AskPresence | items.ForgetReceiver):
            return None
        return self.placement.inbox_of(item.user_id)
