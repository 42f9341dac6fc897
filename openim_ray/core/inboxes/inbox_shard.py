"""
The inboxes of a shard: activation, registrations, deliveries to devices, read positions.

Promises: a set position is answered when it is durable; a session that registers again is told the max seqs it may have missed; what is
delivered while an inbox is loaded is counted; who was kicked does not come back with the same token, whatever was lost.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from openim_ray.core import items
from openim_ray.core.inboxes.ended_tokens import EndedTokens
from openim_ray.core.inboxes.inbox import HANDSHAKE_SECONDS_MAX, SYNC_PAUSE_MS, DeviceSession, Inbox, RowCut
from openim_ray.core.inboxes.members import Members, SaidMeanwhile
from openim_ray.core.inboxes.presence import SETTLE_SECONDS, Presence
from openim_ray.core.placement import user_partition
from openim_ray.core.receipts import receipt_draft
from openim_ray.core.row_changes import rows_changed
from openim_ray.core.shard_loads import LoadInbox, LoadToken
from openim_ray.core.shard_saves import StateSaves
from openim_ray.core.sizes import Room, size_of
from openim_ray.domain import errors
from openim_ray.domain.conversation import group_chat_id, is_single_chat, notification_stream_id, self_stream_id
from openim_ray.domain.ids import GroupID
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.token_state import KICKED
from openim_ray.protocol.messages import with_position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from openim_ray.core.shard_outbox import Outbox
    from openim_ray.core.shard_settings import ShardSettings
    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StreamHead


Request = items.Register | items.SetPosition | items.AskStates | items.ForceLogout | items.Subscribe

LOOKED_AT_ONCE = 1_000
"""So many inboxes are looked at each time whether they are idle, in turn: with more of them an idle one stays a little longer."""

_encode = msgspec.msgpack.Encoder().encode


class InboxShard:
    """
    Owner of the inboxes of some partitions.

    Limits: `waiting_max` requests with `waiting_bytes_max` bytes wait for inboxes to be loaded (beyond it they are refused as
    temporary); an inbox without sessions is given back after `idle_seconds`, at the latest when all others have been looked at.
    """

    def __init__(
        self,
        name: str,
        outbox: Outbox,
        epochs: Mapping[str, int],
        persistence: Sequence[str],
        settings: ShardSettings,
        now: float,
    ) -> None:
        self._name = name
        self._outbox = outbox
        self._epochs = dict(epochs)
        self._settings = settings
        self._started = now
        self._inboxes: OrderedDict[str, Inbox] = OrderedDict()
        self.presence = Presence(outbox, self._sessions_of, now)
        self._members = Members()
        self._said = SaidMeanwhile()
        self._gateways: dict[str, None] = {}
        self._partition_of: dict[str, str] = {}
        self._given_out: dict[str, int] = {}
        self._waiting: dict[str, deque[tuple[str, Request]]] = {}
        self._waiting_room = Room(settings.waiting_max, settings.waiting_bytes_max)
        self._repairs: dict[str, int] = {}
        self._saves = StateSaves(
            outbox, persistence, retry_seconds=settings.retry_seconds, repeats_at_once=settings.repeats_at_once
        )
        self._ended = EndedTokens()
        self._to_refresh: dict[str, None] = {}
        self._reloads: list[tuple[float, LoadInbox | LoadToken]] = []
        self._after_saves: set[str] = set()
        """Users who came back before what they had left to be saved was: read earlier, their positions would go backwards."""
        self._loading: dict[str, bool] = {}
        """User -> whether what is being read is out of date already and must be read again."""

    def add_epochs(self, epochs: Mapping[str, int], now: float) -> None:
        """Learn epochs of partitions that were given to this shard."""
        self._epochs.update(epochs)
        if epochs:
            # Who connected and synced a moment ago, only the former owner knows.
            self._started = now
            self.presence.unsettle(epochs, now)

    def saving(self) -> Iterable[str]:
        """Return the users of whom something is not durable yet."""
        return self._saves.users()

    def active(self) -> Iterable[Inbox]:
        """Return the inboxes in memory."""
        return self._inboxes.values()

    def find(self, user_id: str) -> Inbox | None:
        """Return an inbox if it is active."""
        return self._inboxes.get(user_id)

    def activate(self, user_id: str, partition: str, now: float) -> Inbox:
        """Return a user's inbox; on first use it is made and its load asked for."""
        inbox = self._inboxes.get(user_id)
        if inbox is None:
            own = user_partition(user_id)
            partition = own if own in self._epochs else partition
            first = self._given_out.get(partition, 0)
            epoch = self._epochs.get(partition, 0)
            inbox = Inbox(user_id, epoch, first, buffer_max=self._settings.buffer_deliveries)
            self._inboxes[user_id] = inbox
            self._partition_of[user_id] = partition
            self._load(user_id)
        inbox.last_used = now
        return inbox

    # --- requests

    def request(self, peer: str, item: Request, partition: str, now: float, wall_ms: int) -> None:
        """Handle a request to an inbox, as soon as it is loaded."""
        inbox = self.activate(item.user_id, partition, now)
        if isinstance(item, items.Register):
            self._gateways[peer] = None
        if inbox.loaded:
            self._handle(inbox, peer, item, now, wall_ms)
            return
        if isinstance(item, items.Register):
            # Known before the load, so that what is delivered meanwhile reaches the device.
            inbox.sessions.setdefault((peer, item.connection), _session(peer, item))
            self.presence.changed(item.user_id)
        if not self._waiting_room.enter(size_of(item)):
            refusal = errors.Overloaded("too many requests wait for the stores")
            self._outbox.send(peer, items.Reply(item.call, refusal.code, refusal.detail))
            return
        self._waiting.setdefault(item.user_id, deque()).append((peer, item))

    def unregister(self, gateway: str, item: items.Unregister, now: float) -> None:
        """Forget a session; also a registration that still waits."""
        inbox = self._inboxes.get(item.user_id)
        if inbox is None:
            return
        inbox.last_used = now
        address = (gateway, item.connection)
        if item.unsynced and (session := inbox.sessions.get(address)) is not None:
            inbox.note_closed_unsynced(session.platform_id)
        inbox.unregister(address)
        self.presence.changed(item.user_id)
        self._stop_waiting(item.user_id, lambda peer, connection: (peer, connection) == address)

    def inbox_loaded(
        self,
        user_id: str,
        conversation_ids: Iterable[str],
        positions: Mapping[ConversationID, ReadPosition],
        heads: Mapping[ConversationID, StreamHead],
        now: float,
        wall_ms: int,
        cuts: Mapping[ConversationID, RowCut] | None = None,
    ) -> None:
        """Take what the stores know and go on with the requests that waited. `cuts` are those of the rows that have one."""
        out_of_date = self._loading.pop(user_id, False)
        inbox = self._inboxes.get(user_id)
        if inbox is not None and out_of_date:
            self._load(user_id)
        elif inbox is not None:
            groups = set(inbox.groups)
            inbox.load(conversation_ids, positions, heads, wall_ms, cuts)
            self._members.change(user_id, groups - inbox.groups, inbox.groups - groups)
            self._hear(inbox, wall_ms)
            self._go_on(inbox, now, wall_ms)
        if not self._loading:
            self._said.clear()

    def _hear(self, inbox: Inbox, wall_ms: int) -> None:
        """Tell an inbox what its groups said while it was being read."""
        for group_id in inbox.groups:
            chat = group_chat_id(GroupID(group_id))
            for conversation_id in (chat, notification_stream_id(chat)):
                said = self._said.of(conversation_id)
                if said is not None:
                    sent_seq = said.sent.get(inbox.user_id, 0)
                    inbox.merge_head(conversation_id, said.seq, said.time, sent_seq, wall_ms)

    def _go_on(self, inbox: Inbox, now: float, wall_ms: int) -> None:
        user_id = inbox.user_id
        waiting = self._waiting.pop(user_id, deque())
        for peer, item in waiting:
            self._waiting_room.leave(size_of(item))
            if not self._outbox.failures.attempt(type(item).__name__, self._handle, inbox, peer, item, now, wall_ms):
                self._outbox.refuse_failed(peer, item.call)
        if user_id in self._to_refresh:
            # This was read before the break; what it may have missed is looked for later.
            return
        since_ms = self._repairs.pop(user_id, None)
        if since_ms is not None:
            for session in inbox.sessions.values():
                self._repair(inbox, session, since_ms)

    def token_read(self, load: LoadToken, state: int | None) -> None:
        """Take the state of a token with which a connection was registered; one that has ended is kicked (again)."""
        inbox = self._inboxes.get(load.user_id)
        session = inbox.sessions.get((load.gateway, load.connection)) if inbox is not None else None
        if inbox is None or session is None or session.token_digest != load.digest or state != KICKED:
            return
        inbox.unregister(session.address)
        self.presence.changed(load.user_id)
        self._kick([session])

    def load_failed(self, load: LoadInbox | LoadToken, now: float) -> None:
        """Read again a little later."""
        self._reloads.append((now + self._settings.retry_seconds, load))

    def _handle(self, inbox: Inbox, peer: str, item: Request, now: float, wall_ms: int) -> None:
        if isinstance(item, items.Register):
            self._register(inbox, peer, item, now, wall_ms)
            self.presence.changed(inbox.user_id)
        elif isinstance(item, items.AskStates):
            self._tell_states(inbox, peer, item, wall_ms)
        elif isinstance(item, items.SetPosition):
            self._set_position(inbox, peer, item, wall_ms)
        elif isinstance(item, items.Subscribe):
            for gateway, connections in _by_gateway(inbox.sessions.values()).items():
                self._outbox.send(gateway, items.Subscribed(connections, item.subscribe, item.unsubscribe))
            self._outbox.send(peer, items.Reply(item.call))
        else:
            self._kick(inbox.log_out(item.platform_id, now))
            self.presence.changed(inbox.user_id)
            self._outbox.send(peer, items.Reply(item.call))

    # --- sessions

    def _register(self, inbox: Inbox, peer: str, item: items.Register, now: float, wall_ms: int) -> None:
        session = _session(peer, item)
        if item.token_digest in self._ended:
            self._refuse_ended(inbox, session, item)
            return
        kicked = inbox.register(session, self._settings.multi_login_policy)
        self._kick(kicked)
        self._save_kicked(inbox.user_id, kicked)
        self._check_token(inbox, session, item, now)
        young = (now - self._started) * 1000 < SYNC_PAUSE_MS
        sync_due = not item.again and (young or inbox.synced_lately(item.platform_id, wall_ms))
        if not item.again:
            inbox.note_connect(item.platform_id, wall_ms)
        # Before the answer: who has that needs no other repair.
        if item.again and session.address in inbox.sessions:
            self._repair(inbox, session, item.since_ms)
        value = _encode(items.Registered(sync_due))
        self._outbox.send(peer, items.Reply(item.call, value=value))

    def _check_token(self, inbox: Inbox, session: DeviceSession, item: items.Register, now: float) -> None:
        """
        Have the token's state read, if the connection may be one that has been kicked.

        It is registered meanwhile, so that a logout that comes before the answer finds it.
        """
        is_new_here = now - self._started <= HANDSHAKE_SECONDS_MAX
        suspect = item.again or is_new_here or inbox.logged_out_lately(item.platform_id, now)
        if suspect and session.address in inbox.sessions:
            self._outbox.load(
                LoadToken(inbox.user_id, item.platform_id, item.token_digest, session.gateway, session.connection)
            )

    def _refuse_ended(self, inbox: Inbox, session: DeviceSession, item: items.Register) -> None:
        """Kick who was kicked before, but whose gateway did not hear of it; let nobody new in."""
        inbox.unregister(session.address)
        self._kick([session])
        # To who registers again an error would mean: try again.
        code = 0 if item.again else errors.TokenKicked.code
        self._outbox.send(session.gateway, items.Reply(item.call, code, value=_encode(items.Registered())))

    def _kick(self, kicked: Iterable[DeviceSession]) -> None:
        kicked = list(kicked)
        self._ended.add(one.token_digest for one in kicked)
        for gateway, connections in _by_gateway(kicked).items():
            self._outbox.send(gateway, items.Kick(connections))

    def _save_kicked(self, user_id: str, kicked: Sequence[DeviceSession]) -> None:
        if not kicked:
            return
        records = [(one.token_digest, user_id, one.platform_id, KICKED, one.token_expires_at) for one in kicked]
        # At most one for each valid token of the user: an ended one is not registered again.
        self._saves.save(user_id, lambda call: items.SaveTokens(call, records), lambda: None, must=True)

    def _repair(self, inbox: Inbox, session: DeviceSession, since_ms: int) -> None:
        maxima = inbox.maxima_since(since_ms)
        if maxima:
            self._send_repair(inbox, session, maxima)

    def _send_repair(self, inbox: Inbox, session: DeviceSession, maxima: dict[str, int]) -> None:
        repair = items.Repair(session.connection, maxima, inbox.minima(maxima), inbox.beginnings(maxima))
        self._outbox.send(session.gateway, repair)

    def watch(self, gateway: str, users: Sequence[tuple[str, list[int] | None]], now: float) -> None:
        """Let a gateway watch the presence of users of this shard."""
        self._gateways[gateway] = None
        self.presence.watch(gateway, users, now)

    def drop_sessions_of(self, gateway: str) -> bool:
        """Forget sessions and watched users of a gateway process, and what was about to be registered; True if there were any."""
        if gateway not in self._gateways:
            return False
        del self._gateways[gateway]
        found = self.presence.drop_gateway(gateway)
        for inbox in self._inboxes.values():
            for address in [one for one in inbox.sessions if one[0] == gateway]:
                inbox.unregister(address)
                # If it lives it registers them again in a moment.
                self.presence.changed(inbox.user_id, SETTLE_SECONDS)
                found = True
        for user_id in list(self._waiting):
            self._stop_waiting(user_id, lambda peer, _connection: peer == gateway)
        return found

    def gateways(self) -> list[str]:
        """Return the gateways that have registered sessions, since they were last dropped."""
        return list(self._gateways)

    def refresh_all(self, since_ms: int, now: float) -> None:
        """Look at the stores again: deliveries from other shards may be lost. Idle inboxes are given back instead."""
        for user_id, inbox in list(self._inboxes.items()):
            if self._is_idle(inbox, now - SYNC_PAUSE_MS / 1000):
                self._give_back(inbox)
                continue
            self._look_again(user_id, since_ms)
        self._refresh_some()

    def refresh(self, user_ids: Iterable[str], since_ms: int) -> None:
        """Look at the stores again for some users: a delivery may be lost."""
        for user_id in user_ids:
            if user_id in self._inboxes:
                self._look_again(user_id, since_ms)

    def _look_again(self, user_id: str, since_ms: int) -> None:
        self._repairs[user_id] = min(since_ms, self._repairs.get(user_id, since_ms))
        self._to_refresh[user_id] = None

    def _refresh_some(self) -> None:
        for user_id in list(islice(self._to_refresh, self._settings.repeats_at_once)):
            del self._to_refresh[user_id]
            if user_id in self._inboxes:
                self._load(user_id)

    # --- deliveries

    def deliver(self, fanout: items.Fanout, user_ids: Iterable[str], now: float, wall_ms: int) -> None:
        """Count a message into those inboxes that are active, and send it to their devices: one frame per gateway."""
        by_gateway: dict[str, list[int]] = {}
        for user_id in user_ids:
            inbox = self._inboxes.get(user_id)
            if inbox is None:
                continue
            inbox.last_used = now
            if fanout.seq:
                self._count(inbox, fanout, wall_ms)
            if user_id == fanout.sender_id and not fanout.sender_sync:
                continue
            if fanout.seq and inbox.has_cleared(fanout.conversation_id, fanout.seq):
                continue
            for session in inbox.sessions.values():
                if not session.quiet:
                    by_gateway.setdefault(session.gateway, []).append(session.connection)
        for gateway, connections in by_gateway.items():
            self._outbox.send(gateway, _delivery(fanout, connections))

    def deliver_to_group(self, fanout: items.GroupFanout, now: float, wall_ms: int) -> None:
        """
        Count a group's message into the inboxes of its members that are active, and send it to their devices: one frame per gateway.

        Who may have missed that she came or went is looked after first: her devices get it with the repair that follows.
        """
        if fanout.seq and self._loading and not self._said.note(fanout):
            self._loading = dict.fromkeys(self._loading, True)
        by_gateway: dict[str, list[int]] = {}
        beginning: dict[tuple[str, int, bool], list[int]] = {}
        for user_id in self._members.of(fanout.group_id):
            inbox = self._inboxes[user_id]
            if not self._is_for(inbox, fanout):
                continue
            inbox.last_used = now
            begins, hides = 0, False
            pushes = user_id != fanout.sender_id or fanout.sender_sync
            if fanout.seq:
                self._count(inbox, fanout, wall_ms)
                if not inbox.loaded or user_id in self._repairs:
                    self._repairs[user_id] = min(wall_ms, self._repairs.get(user_id, wall_ms))
                    continue
                begins = inbox.tell(fanout.conversation_id, fanout.seq, pushes=pushes)
                hides = bool(begins) and inbox.hides_before(fanout.conversation_id, begins)
            if not pushes:
                continue
            for session in inbox.sessions.values():
                if begins:  # also to who is quiet: it is held there
                    beginning.setdefault((session.gateway, begins, hides), []).append(session.connection)
                elif not session.quiet:
                    by_gateway.setdefault(session.gateway, []).append(session.connection)
        self._add_also(fanout, by_gateway)
        for gateway, connections in by_gateway.items():
            self._outbox.send(gateway, _delivery(fanout, connections))
        for (gateway, begins, hides), connections in beginning.items():
            self._outbox.send(gateway, _delivery(fanout, connections, begins, hides=hides))

    def _is_for(self, inbox: Inbox, fanout: items.GroupFanout) -> bool:
        """Tell whether a group's message is for somebody who is a member, or was one until its last message for her."""
        if fanout.seq and fanout.conversation_id == group_chat_id(GroupID(fanout.group_id)):
            if inbox.may_see(fanout.conversation_id, fanout.seq):
                return True
            if inbox.has_left(fanout.group_id):
                inbox.groups.discard(fanout.group_id)
                self._members.remove(fanout.group_id, inbox.user_id)
            return False
        return not inbox.has_left(fanout.group_id)

    def _add_also(self, fanout: items.GroupFanout, by_gateway: dict[str, list[int]]) -> None:
        for user_id in fanout.also:
            inbox = self._inboxes.get(user_id)
            if inbox is not None and inbox.has_left(fanout.group_id):
                for session in inbox.sessions.values():
                    if not session.quiet:
                        by_gateway.setdefault(session.gateway, []).append(session.connection)

    def change_members(self, change: items.Membership, wall_ms: int) -> None:
        """Let users who are active come to and go from a group."""
        if change.is_over:
            for user_id in self._members.of(change.group_id):
                self._inboxes[user_id].leave(change.group_id, change.last)
            return
        for user_id in change.left:
            if (inbox := self._changing(user_id)) is not None:
                if inbox.leave(change.group_id, change.last) and change.last < change.seq:
                    # No message follows at which she and her devices would notice what they lack.
                    for session in inbox.sessions.values():
                        self._send_repair(inbox, session, {group_chat_id(GroupID(change.group_id)): change.last})
                    self._look_again(user_id, wall_ms)
                self._members.put(change.group_id, user_id)
        for user_id in change.joined:
            if (inbox := self._changing(user_id)) is not None:
                self._join(inbox, change, wall_ms)

    def _changing(self, user_id: str) -> Inbox | None:
        """Return an inbox if it is active; what is being read for it may be older than the change."""
        if user_id in self._loading:
            self._loading[user_id] = True
        return self._inboxes.get(user_id)

    def _join(self, inbox: Inbox, change: items.Membership, wall_ms: int) -> None:
        group_id, user_id = change.group_id, inbox.user_id
        inbox.join(group_id, change.seq - 1, change.first, change.sent.get(user_id, 0))
        if change.stream_seq:
            stream_id = notification_stream_id(group_chat_id(GroupID(group_id)))
            inbox.merge_head(stream_id, change.stream_seq, change.stream_time, 0, 0)
        self._members.put(group_id, user_id)
        if change.is_late or self._settings.origin:
            self._look_again(user_id, wall_ms)

    def tell_rows_changed(self, change: items.RowsChanged, wall_ms: int) -> None:
        """Send a 1300 to the devices of each user who is active; who cleared sees no more what she has cleared, nor do they."""
        for user_id in change.user_ids:
            if change.first:
                self._clear(user_id, change)
            inbox = self._inboxes.get(user_id)
            if inbox is not None and inbox.sessions:
                self.deliver(rows_changed(user_id, change, wall_ms), [user_id], inbox.last_used, wall_ms)

    def _clear(self, user_id: str, change: items.RowsChanged) -> None:
        inbox = self._changing(user_id)
        if inbox is None:
            return
        if not inbox.clear(change.conversation_id, change.first):
            self._load(user_id)
        place = {change.conversation_id: change.first}
        hidden = {change.conversation_id: change.first - 1}
        for session in inbox.sessions.values():  # what is held for one, or being read, is not written any more
            self._outbox.send(session.gateway, items.Repair(session.connection, hidden, place, place))

    def _count(self, inbox: Inbox, fanout: items.Fanout | items.GroupFanout, wall_ms: int) -> None:
        if inbox.loaded and not inbox.continues(fanout.conversation_id, fanout.seq):
            # Something was lost: it says nothing before it has looked.
            inbox.loaded = False
            self._load(inbox.user_id)
        inbox.deliver(fanout, wall_ms)

    # --- states and positions

    def _tell_states(self, inbox: Inbox, peer: str, item: items.AskStates, wall_ms: int) -> None:
        if item.sync_platform:
            inbox.note_sync(item.sync_platform, wall_ms)
        self._outbox.send(peer, items.Reply(item.call, value=_encode(inbox.states(item.conversation_ids))))

    def _set_position(self, inbox: Inbox, peer: str, item: items.SetPosition, wall_ms: int) -> None:
        refusal = _position_refusal(inbox, item)
        if refusal is not None:
            self._outbox.send(peer, items.Reply(item.call, refusal.code, refusal.detail))
            return
        position = inbox.stage_position(item.conversation_id, item.has_read_seq, exact=item.exact)
        if position is None:
            self._outbox.send(peer, items.Reply(item.call))
            return

        def on_saved() -> None:
            inbox.position_stored(item.conversation_id, position)
            self._outbox.send(peer, items.Reply(item.call))
            if item.notify:
                self._notify_position(inbox, item, wall_ms)

        positions: dict[str, tuple[int, int, int]] = {item.conversation_id: position}
        if not self._saves.save(
            inbox.user_id, lambda call: items.SavePositions(call, inbox.user_id, positions), on_saved
        ):
            refusal = errors.Overloaded("too many positions wait to be saved")
            self._outbox.send(peer, items.Reply(item.call, refusal.code, refusal.detail))

    def _notify_position(self, inbox: Inbox, item: items.SetPosition, wall_ms: int) -> None:
        """Tell the user's own devices: an unstored 2200 to herself (OpenIM wire, §7.7)."""
        command_id = f"{inbox.position.epoch:x}-{item.call:x}-{wall_ms:x}"
        mark = items.MarkRead(
            0, item.user_id, item.conversation_id, item.has_read_seq, [], item.operation_id, command_id
        )
        draft = receipt_draft(mark, item.user_id, [], wall_ms, stored=False)
        fanout = items.Fanout(
            [item.user_id],
            self_stream_id(item.user_id),
            0,
            item.user_id,
            command_id,
            item.operation_id,
            wall_ms,
            with_position(draft.body, 0, wall_ms),
        )
        self.deliver(fanout, [item.user_id], inbox.last_used, wall_ms)

    # --- saving

    def saved(self, item: items.Reply, now: float) -> None:
        """Take a persistence actor's answer to a save."""
        user_id = self._saves.saved(item, now)
        if user_id in self._after_saves and not self._saves.concerns(user_id):
            self._after_saves.discard(user_id)
            self._load(user_id)

    def repeat_saves(self, persistence: str) -> None:
        """Say again what a persistence actor hasn't answered."""
        self._saves.repeat(persistence)

    # --- time

    def tick(self, now: float) -> None:
        """Repeat what a store could not take or give."""
        self._saves.tick(now)
        self.presence.tick(now)
        if self._to_refresh:
            self._refresh_some()
        if self._reloads:
            self._load_again(now)

    def _load_again(self, now: float) -> None:
        due = [load for at, load in self._reloads if at <= now]
        self._reloads = [(at, load) for at, load in self._reloads if at > now]
        for load in due:
            if isinstance(load, LoadInbox):
                self._loading[load.user_id] = False
            self._outbox.load(load)

    def give_back_idle(self, now: float) -> None:
        """Look at some inboxes, and give those back without sessions that were not used for a while; a later use loads them again."""
        # Not before a Go SDK that has synced here syncs anew for certain.
        idle_since = now - max(self._settings.idle_seconds, SYNC_PAUSE_MS / 1000)
        for user_id in list(islice(self._inboxes, LOOKED_AT_ONCE)):
            inbox = self._inboxes[user_id]
            self._inboxes.move_to_end(user_id)
            if self._is_idle(inbox, idle_since):
                self._give_back(inbox)

    def _is_idle(self, inbox: Inbox, since: float) -> bool:
        unused = inbox.last_used <= since and not inbox.sessions
        return unused and inbox.loaded and not self._saves.concerns(inbox.user_id)

    def drop_foreign(self, owned: Callable[[str], bool], placement_epoch: int, wall_ms: int) -> None:
        """Forget inboxes that are placed elsewhere now; their sessions are to be registered there."""
        foreign = [one for one in self._inboxes.values() if not owned(one.user_id)]
        sessions = [session for inbox in foreign for session in inbox.sessions.values()]
        for gateway, connections in _by_gateway(sessions).items():
            self._outbox.send(gateway, items.Expired(wall_ms, connections, placement_epoch))
        self.presence.drop_foreign(owned, placement_epoch)
        for inbox in foreign:
            self._give_back(inbox)
            for peer, item in self._waiting.pop(inbox.user_id, ()):
                self._waiting_room.leave(size_of(item))
                self._outbox.send(peer, items.Moved(item.call, placement_epoch))

    def _give_back(self, inbox: Inbox) -> None:
        partition = self._partition_of.pop(inbox.user_id)
        self._given_out[partition] = max(self._given_out.get(partition, 0), inbox.position.seq)
        del self._inboxes[inbox.user_id]
        self._members.change(inbox.user_id, inbox.groups, ())
        self._repairs.pop(inbox.user_id, None)
        self._to_refresh.pop(inbox.user_id, None)
        self._after_saves.discard(inbox.user_id)

    def _sessions_of(self, user_id: str) -> Iterable[DeviceSession]:
        inbox = self._inboxes.get(user_id)
        return inbox.sessions.values() if inbox is not None else ()

    def _load(self, user_id: str) -> None:
        if user_id in self._loading:
            self._loading[user_id] = True
            return
        if not self._inboxes[user_id].positions_known and self._saves.concerns(user_id):
            self._after_saves.add(user_id)
            return
        self._loading[user_id] = False
        self._outbox.load(LoadInbox(user_id))

    def _stop_waiting(self, user_id: str, concerns: Callable[[str, int], bool]) -> None:
        """Forget registrations that wait; `concerns` is asked about gateway and connection."""
        waiting = self._waiting.get(user_id)
        if not waiting:
            return
        kept: deque[tuple[str, Request]] = deque()
        for peer, item in waiting:
            if _registers(peer, item, concerns):
                self._waiting_room.leave(size_of(item))
            else:
                kept.append((peer, item))
        self._waiting[user_id] = kept


def _session(peer: str, item: items.Register) -> DeviceSession:
    return DeviceSession(
        gateway=peer,
        connection=item.connection,
        platform_id=item.platform_id,
        token_digest=item.token_digest,
        token_expires_at=item.token_expires_at,
        client=item.client,
        accepted_ms=item.accepted_ms,
        order=item.order,
        background=item.background,
    )


def _by_gateway(sessions: Iterable[DeviceSession]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for session in sessions:
        found.setdefault(session.gateway, []).append(session.connection)
    return found


def _registers(peer: str, item: Request, concerns: Callable[[str, int], bool]) -> bool:
    return isinstance(item, items.Register) and concerns(peer, item.connection)


def _delivery(
    fanout: items.Fanout | items.GroupFanout, connections: list[int], begins: int = 0, *, hides: bool = False
) -> items.Delivery:
    return items.Delivery(
        fanout.conversation_id,
        fanout.seq,
        fanout.sender_id,
        fanout.client_id,
        fanout.operation_id,
        fanout.body,
        connections,
        begins,
        hides,
    )


def _position_refusal(inbox: Inbox, item: items.SetPosition) -> errors.OpenIMError | None:
    if not inbox.has(item.conversation_id):
        return errors.RecordNotFound("conversationID: no such conversation")
    is_checked = item.exact or not is_single_chat(item.conversation_id)  # else the log has done so
    if is_checked and item.has_read_seq > inbox.max_seq(item.conversation_id):
        return errors.ArgsError("hasReadSeq, or the highest of seqs, is above the newest message")
    return None
