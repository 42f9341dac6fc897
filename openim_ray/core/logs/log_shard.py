"""
The conversation logs of a shard: admission, group commit, and what happens when a message is durable.

Promises: an `Accepted` with a seq, and a delivery, leave only after the store confirmed the message; a write is repeated until its outcome is
known; a superseded owner answers nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.logs.admission import Facts, FactsCache, log_of, receiver_of, refusal_of
from openim_ray.core.logs.conversation_log import Committed, Confirmed, ConversationLog, Waiter
from openim_ray.core.logs.effects import EFFECTS, Effects
from openim_ray.core.logs.mentions import Mentions
from openim_ray.core.logs.passing_on import PassingOn, ToInboxes, of_message
from openim_ray.core.placement import log_partition
from openim_ray.core.receipts import receipt_draft, receipt_seqs
from openim_ray.core.repair import REPEAT_BYTES_AT_ONCE
from openim_ray.core.shard_loads import EnsureRows, FindEffects, LoadFacts, LoadLog, LogLoad, MarkMentions
from openim_ray.core.sizes import ENTRY_BYTES, Room, first_within, size_of, size_of_parts
from openim_ray.domain import errors
from openim_ray.domain.conversation import home_key, is_group_chat, is_notification_chat, is_single_chat
from openim_ray.domain.group import GroupChatFacts
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID, partition_of
from openim_ray.domain.message import Draft, LogState, LogWrite, MessageRef, Outcome, WriteResult
from openim_ray.protocol.messages import with_position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.core.shard_outbox import Outbox
    from openim_ray.core.shard_settings import ShardSettings
    from openim_ray.domain.sequence import ConversationSeq

Request = items.Submit | items.MarkRead

IN_USE_MAX = 1_000
"""The look for logs to give back passes over so many that are in use; with more it goes on at the next tick."""


class LogShard:
    """
    Owner of the logs of some partitions.

    Limits: `logs_max` logs in memory (the least recently used idle ones are given back), `waiting_max` requests with
    `waiting_bytes_max` bytes wait for loads (beyond it they are refused as temporary), `log_queue_max` drafts with
    `log_queue_bytes_max` bytes wait per log (likewise).
    """

    def __init__(
        self,
        outbox: Outbox,
        epochs: Mapping[str, int],
        persistence: Sequence[str],
        settings: ShardSettings,
        pass_on: Callable[[ToInboxes], None],
    ) -> None:
        self._outbox = outbox
        self._epochs = dict(epochs)
        self._persistence = tuple(persistence)
        self._settings = settings
        self._passing_on = PassingOn(pass_on)
        self.effects = Effects(outbox, self, self._passing_on)
        self.mentions = Mentions(outbox, self._passing_on, settings.retry_seconds)
        self._logs: OrderedDict[str, ConversationLog] = OrderedDict()
        self._facts = FactsCache(
            entries_max=settings.facts_max,
            seconds=settings.facts_seconds,
            stale_seconds=settings.facts_stale_seconds,
        )
        self._for_log: dict[str, deque[tuple[str, Request]]] = {}
        self._for_facts: dict[LoadFacts, deque[tuple[str, Request]]] = {}
        self._changed_facts: set[LoadFacts] = set()
        """Pairs whose facts changed while they were being read."""
        self._prolonged: list[LoadFacts] = []
        self._waiting = Room(settings.waiting_max, settings.waiting_bytes_max)
        self._ensuring: set[str] = set()
        self._writes: dict[int, ConversationLog] = {}
        self._retries: dict[int, float] = {}
        self._reloads: list[tuple[float, LogLoad]] = []
        self._dirty: dict[str, ConversationLog] = {}
        self.superseded: tuple[str, int] | None = None
        """Partition and epoch of a write that the store refused because somebody else has claimed it: the process must end."""

    def add_epochs(self, epochs: Mapping[str, int]) -> None:
        """Learn epochs of partitions that were given to this shard."""
        self._epochs.update(epochs)

    # --- requests

    def submit(self, peer: str, item: items.Submit, now: float, wall_ms: int) -> None:
        """Admit, de-duplicate and stage a message; answered by Accepted, or by Reply with an error."""
        log = self._loaded_log(peer, item)
        if log is None:
            return
        if log.participants not in ((), _participants(item)):
            self._refuse(peer, item.call, _foreign_id())
            return
        draft = _draft(item)
        if item.stored and (reference := log.known(draft)) is not None:
            self._accept(peer, item.call, reference)
            return
        facts = self._facts_for(item, now)
        if facts is None:
            self._await_facts(peer, item)
            return
        self._admit(log, peer, item, draft, facts, wall_ms)

    def _admit(
        self, log: ConversationLog, peer: str, item: items.Submit, draft: Draft, facts: Facts, wall_ms: int
    ) -> None:
        refusal = refusal_of(facts, wall_ms)
        if refusal is not None:
            self._refuse(peer, item.call, refusal)
        elif not item.stored:
            self._pass_on(peer, item, wall_ms)
        elif not log.claim_participants(_participants(item)):
            self._refuse(peer, item.call, _foreign_id())
        elif log.stage(draft, Waiter(peer, item.call, is_submit=True)):
            self._dirty[log.home_key] = log
        else:
            self._refuse(peer, item.call, errors.Overloaded("too many messages wait in this conversation"))

    def mark_read(self, peer: str, item: items.MarkRead, now: float, wall_ms: int) -> None:
        """Record a read receipt in the log; answered by Reply when marks and 2200 are durable."""
        log = self._loaded_log(peer, item)
        if log is None:
            return
        refusal = _mark_refusal(log, item)
        if refusal is not None:
            self._refuse(peer, item.call, refusal)
            return
        sent_seq = log.sent_seq(item.conversation_id, item.user_id)
        seqs = receipt_seqs(item, log.read.get(item.user_id, 0), sent_seq)
        draft = receipt_draft(item, _peer_of(log.participants, item.user_id), seqs, wall_ms)
        if log.known(draft) is not None or not seqs:
            # A receipt without seqs says nothing, and the JS SDK throws on one (OpenIM wire, §12 #13).
            self._outbox.send(peer, items.Reply(item.call))
        elif log.stage(draft, Waiter(peer, item.call, is_submit=False)):
            self._dirty[log.home_key] = log
        else:
            self._refuse(peer, item.call, errors.Overloaded("too many messages wait in this conversation"))

    # --- answers of the stores

    def log_loaded(self, key: str, state: LogState | None, now: float, wall_ms: int) -> None:
        """Take a log's state and go on with the requests that waited for it."""
        log = self._logs.get(key)
        if log is None or log.loaded:
            return
        log.load(state)
        self._dirty[key] = log
        self.effects.log_read(key, is_group=len(log.participants) == 1)
        self._resume(self._for_log.pop(key, deque()), now, wall_ms)

    def facts_loaded(self, sender_id: str, receiver_id: str, facts: Facts, now: float, wall_ms: int) -> None:
        """Take admission facts and decide on the messages that waited for them."""
        pair = LoadFacts(sender_id, receiver_id, isinstance(facts, GroupChatFacts))
        if pair in self._changed_facts:
            self._changed_facts.discard(pair)
            self._outbox.load(pair)
            return
        self._facts.put(pair, facts, now)
        self._decide_all(pair, facts, wall_ms)

    def forget_facts(self, key: str) -> None:
        """Let admission look at the directory before the next message of a log, also if it is being read now."""
        self._facts.forget_log(key)
        self._changed_facts.update(pair for pair in self._for_facts if log_of(pair) == key)

    def forget_receiver(self, user_id: str) -> None:
        """Let admission look at the directory before the next message to a user, also if it is being read now."""
        self._facts.forget_receiver(user_id)
        self._changed_facts.update(pair for pair in self._for_facts if receiver_of(pair) == user_id)

    def _decide_all(self, pair: LoadFacts, facts: Facts, wall_ms: int) -> None:
        for peer, item in self._for_facts.pop(pair, deque()):
            self._waiting.leave(size_of(item))
            if not self._outbox.failures.attempt(type(item).__name__, self._decide, peer, item, facts, wall_ms):
                self._outbox.refuse_failed(peer, item.call)

    def _decide(self, peer: str, item: Request, facts: Facts, wall_ms: int) -> None:
        log = self._loaded_log(peer, item)
        if log is not None and isinstance(item, items.Submit):
            self._admit(log, peer, item, _draft(item), facts, wall_ms)

    def rows_ensured(self, load: EnsureRows) -> None:
        """Note that users own their rows now."""
        self._ensuring.discard(load.home_key)
        log = self._logs.get(load.home_key)
        if log is not None:
            log.note_rows(load)
            self._dirty[load.home_key] = log

    def load_failed(self, load: LogLoad, now: float) -> None:
        """
        Ask again a little later; who waits is told by her own deadline.

        Who may write to whom is decided by what was last known, with the next `flush`.
        """
        if isinstance(load, FindEffects):
            self.effects.found(())
        elif isinstance(load, LoadFacts) and self._facts.prolong(load, now):
            self._changed_facts.discard(load)
            self._prolonged.append(load)
        elif isinstance(load, MarkMentions):
            self.mentions.failed(load, now)
        else:
            self._reloads.append((now + self._settings.retry_seconds, load))

    def stored(self, item: items.StoredLog, now: float) -> None:
        """Take the store's answer to a write."""
        log = self._writes.get(item.call)
        if log is None:
            return
        if item.outcome == "unavailable":
            self._retries[item.call] = now + self._settings.retry_seconds
            return
        del self._writes[item.call]
        self._retries.pop(item.call, None)
        outcome = Outcome(item.outcome)
        if outcome is Outcome.SUPERSEDED:
            self.superseded = (log.partition, self._epochs.get(log.partition, 0))
            self._drop(log)
            return
        if outcome is Outcome.CONFLICT:
            log.unload()
            self._outbox.load(LoadLog(log.home_key))
            return
        self._dirty[log.home_key] = log
        existing = {index: _reference(place) for index, place in item.existing.items()}
        for done in log.written(WriteResult(outcome, existing)):
            if isinstance(done, Committed):
                self._announce(log, done)
            elif isinstance(done, Confirmed):
                self.effects.confirmed(log.home_key)
            else:
                self._answer(done.waiters, done.reference)
                self._tell_effects(log, done.waiters, done.reference)

    # --- writing

    def flush(self, wall_ms: int) -> None:
        """Form the writes that are due and let them go."""
        self.effects.wall_ms = wall_ms
        if self._prolonged:
            self._decide_on_old_facts(wall_ms)
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        for key, log in dirty.items():
            if log.needs_rows and log.loaded and not log.idle:
                self._ensure_rows(key, log)
                continue
            write = log.take_write(self._epochs.get(log.partition, 0), wall_ms)
            if write is not None:
                self._send_write(log, write)

    def _decide_on_old_facts(self, wall_ms: int) -> None:
        prolonged, self._prolonged = self._prolonged, []
        for pair in prolonged:
            facts = self._facts.get(pair, now=float("-inf"))
            if facts is None:  # forgotten meanwhile, beyond the limit of the cache
                self._outbox.load(pair)
            else:
                self._decide_all(pair, facts, wall_ms)

    def repeat_writes(self, persistence: str) -> None:
        """Say again to a persistence actor what it hasn't answered."""
        for call, log in self._writes.items():
            if self._writer_of(log.home_key) == persistence:
                self._retries[call] = float("-inf")

    def tick(self, now: float) -> None:
        """Repeat what a store could not take or give; forget idle logs beyond the limit."""
        if self._retries:
            self._repeat_due(now)
        if self._reloads:
            self._load_again(now)
        self.effects.tick()
        self.mentions.tick(now)
        self._give_back()

    def _load_again(self, now: float) -> None:
        due = [load for at, load in self._reloads if at <= now]
        self._reloads = [(at, load) for at, load in self._reloads if at > now]
        for load in due:
            self._outbox.load(load)

    def _repeat_due(self, now: float) -> None:
        due = ((call, self._writes[call].in_flight_write()) for call, at in self._retries.items() if at <= now)
        sized = (((call, write), _write_size(write)) for call, write in due)
        for call, write in first_within(sized, self._settings.repeats_at_once, REPEAT_BYTES_AT_ONCE):
            del self._retries[call]
            if write is not None:
                self._outbox.send(self._writer_of(write.home_key), _store_log(call, write))

    def _ensure_rows(self, key: str, log: ConversationLog) -> None:
        if key not in self._ensuring:
            self._ensuring.add(key)
            self._outbox.load(log.rows_to_ensure())

    def _send_write(self, log: ConversationLog, write: LogWrite) -> None:
        call = self._outbox.next_call()
        self._writes[call] = log
        self._outbox.send(self._writer_of(log.home_key), _store_log(call, write))

    def _writer_of(self, key: str) -> str:
        return self._persistence[partition_of(key) % len(self._persistence)]

    # --- what is certain goes out

    def _announce(self, log: ConversationLog, done: Committed) -> None:
        message = done.message
        reference = MessageRef(message.seq, message.server_id, message.send_time)
        self._answer(done.waiters, reference)
        if self.effects.holds_at(log.home_key, message):
            self._passing_on.hold(log.home_key)
        self._passing_on.say(log.home_key, of_message(log.participants, message))
        self._tell_effects(log, done.waiters, reference)
        self.mentions.of_message(log.home_key, message)

    def _pass_on(self, peer: str, item: items.Submit, wall_ms: int) -> None:
        self._accept(peer, item.call, MessageRef(_NOT_STORED, ServerMessageID(item.server_id), wall_ms))
        key = home_key(item.conversation_id)
        message = (
            item.conversation_id,
            0,
            item.sender_id,
            item.client_id,
            item.operation_id,
            wall_ms,
            with_position(item.body, 0, wall_ms),
            item.sender_sync,
        )
        if is_group_chat(item.conversation_id):
            self._passing_on.say(key, items.GroupFanout(key, *message))
            return
        is_echoed = item.sender_sync and not is_notification_chat(item.conversation_id)
        users = [item.receiver_id, item.sender_id] if is_echoed else [item.receiver_id]
        self._passing_on.say(key, items.Fanout(list(dict.fromkeys(users)), *message))

    def _answer(self, waiters: Sequence[Waiter], reference: MessageRef) -> None:
        for peer, call, is_submit in waiters:
            if is_submit:
                self._accept(peer, call, reference)
            elif peer != EFFECTS:
                self._outbox.send(peer, items.Reply(call))

    def _tell_effects(self, log: ConversationLog, waiters: Sequence[Waiter], reference: MessageRef) -> None:
        if any(one.peer == EFFECTS for one in waiters):
            self.effects.appended(log.home_key, reference)

    def _accept(self, peer: str, call: int, reference: MessageRef) -> None:
        accepted = items.Accepted(call, reference.seq, reference.server_id, reference.send_time)
        self._outbox.send(peer, accepted)

    def _refuse(self, peer: str, call: int, error: errors.OpenIMError) -> None:
        self._outbox.send(peer, items.Reply(call, error.code, error.detail))

    # --- waiting

    def _loaded_log(self, peer: str, item: Request) -> ConversationLog | None:
        key = home_key(item.conversation_id)
        log = self.log(key)
        if log.loaded:
            self._logs.move_to_end(key)
            return log
        self._await(self._for_log.setdefault(key, deque()), peer, item)
        return None

    def log(self, key: str) -> ConversationLog:
        """Return a log; on first use it is made and its load asked for."""
        log = self._logs.get(key)
        if log is None:
            settings = self._settings
            log = self._logs[key] = ConversationLog(
                key,
                log_partition(key),
                queue_max=settings.log_queue_max,
                queue_bytes_max=settings.log_queue_bytes_max,
                origin=settings.origin,
            )
            self._outbox.load(LoadLog(key))
        return log

    def stage(self, log: ConversationLog, draft: Draft, waiter: Waiter) -> bool:
        """Have a message appended with the next `flush`; False if too many wait."""
        if not log.stage(draft, waiter):
            return False
        self._dirty[log.home_key] = log
        return True

    def confirm(self, log: ConversationLog) -> None:
        """Have the store say with the next `flush` that this log is still ours; `Effects.confirmed` follows."""
        log.confirm(Waiter(EFFECTS, 0, is_submit=False))
        self._dirty[log.home_key] = log

    def _facts_for(self, item: items.Submit, now: float) -> Facts | None:
        """Return facts to decide on at once, None if they have to be waited for."""
        pair = _facts_of(item)
        if self._for_facts.get(pair):
            return None  # behind those that wait already
        facts = self._facts.get(pair, now)
        if facts is None and (facts := self._facts.prolonged(pair, now)) is not None:
            self._loading_facts(pair)
        return facts

    def _await_facts(self, peer: str, item: items.Submit) -> None:
        self._await(self._loading_facts(_facts_of(item)), peer, item)

    def _loading_facts(self, pair: LoadFacts) -> deque[tuple[str, Request]]:
        """Have facts read, once at a time, and return the queue of who waits for them."""
        waiting = self._for_facts.get(pair)
        if waiting is None:
            waiting = self._for_facts[pair] = deque()
            self._outbox.load(pair)
        return waiting

    def _await(self, waiting: deque[tuple[str, Request]], peer: str, item: Request) -> None:
        if self._waiting.enter(size_of(item)):
            waiting.append((peer, item))
        else:
            self._refuse(peer, item.call, errors.Overloaded("too many requests wait for the stores"))

    def _resume(self, waiting: deque[tuple[str, Request]], now: float, wall_ms: int) -> None:
        for peer, item in waiting:
            self._waiting.leave(size_of(item))
            if not self._outbox.failures.attempt(type(item).__name__, self._go_on, peer, item, now, wall_ms):
                self._outbox.refuse_failed(peer, item.call)

    def _go_on(self, peer: str, item: Request, now: float, wall_ms: int) -> None:
        if isinstance(item, items.Submit):
            self.submit(peer, item, now, wall_ms)
        else:
            self.mark_read(peer, item, now, wall_ms)

    # --- forgetting

    def _drop(self, log: ConversationLog) -> None:
        self._logs.pop(log.home_key, None)
        self._dirty.pop(log.home_key, None)
        self._passing_on.drop(log.home_key)
        for _, item in self._for_log.pop(log.home_key, ()):
            self._waiting.leave(size_of(item))

    def _give_back(self) -> None:
        """Give back logs beyond the limit, the least recently used first."""
        excess = len(self._logs) - self._settings.logs_max
        if excess <= 0:
            return
        # Loaded anew, a log would let later messages of a sender overtake those that wait for facts.
        awaited = {home_key(item.conversation_id) for waiting in self._for_facts.values() for _, item in waiting}
        busy = awaited | self._ensuring | self.effects.concerned()
        oldest = list(islice(self._logs.values(), excess + IN_USE_MAX))
        idle = (log for log in oldest if log.idle and log.loaded and log.home_key not in busy)
        for log in islice(idle, excess):
            del self._logs[log.home_key]


_NOT_STORED: ConversationSeq = 0  # type: ignore[assignment]


def _pair(one: str, other: str) -> tuple[str, ...]:
    return (one, other) if one <= other else (other, one)


def _participants(item: items.Submit) -> tuple[str, ...]:
    if is_group_chat(item.conversation_id):
        return (item.receiver_id,)
    return _pair(item.sender_id, item.receiver_id)


def _facts_of(item: items.Submit) -> LoadFacts:
    return LoadFacts(item.sender_id, item.receiver_id, is_group_chat(item.conversation_id))


def _peer_of(participants: tuple[str, ...], user_id: str) -> str:
    return participants[1] if participants[0] == user_id else participants[0]


def _mark_refusal(log: ConversationLog, item: items.MarkRead) -> errors.OpenIMError | None:
    if not is_single_chat(item.conversation_id) or not log.max_seq(item.conversation_id):
        return errors.RecordNotFound("conversationID: no such conversation")
    if item.user_id not in log.participants:
        return errors.NoPermission("conversationID: not a conversation of this user")
    if item.has_read_seq > log.max_seq(item.conversation_id):
        return errors.ArgsError("hasReadSeq, or the highest of seqs, is above the newest message")
    return None


def _foreign_id() -> errors.ArgsError:
    return errors.ArgsError("conversation id belongs to another pair of users")


def _draft(item: items.Submit) -> Draft:
    return Draft(
        ConversationID(item.conversation_id),
        UserID(item.sender_id),
        ClientMessageID(item.client_id),
        ServerMessageID(item.server_id),
        item.content_type,
        item.sender_sync,
        item.operation_id,
        item.body,
    )


def _reference(place: tuple[int, str, int]) -> MessageRef:
    seq, server_id, send_time = place
    return MessageRef(seq, ServerMessageID(server_id), send_time)  # type: ignore[arg-type]


def _write_size(write: LogWrite | None) -> int:
    return sum(ENTRY_BYTES + size_of_parts(row) for row in write.rows) if write is not None else 0


def _store_log(call: int, write: LogWrite) -> items.StoreLog:
    rows = [items.StoreRow(*row[:10]) for row in write.rows]
    return items.StoreLog(call, write.partition, write.epoch, write.home_key, write.participants, rows, write.read)
