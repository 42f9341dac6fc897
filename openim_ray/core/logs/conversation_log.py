"""
The conversation log: single writer of a chat and its notification stream.

A log is everything with one home key (`domain.conversation.home_key`): the chat `si_…`, what a notification account writes `sn_…`, and the stream `n_…`, each with
its own dense seqs. Promises:

- A message is reported as committed only when the store said it is durable; before that nobody hears of its seq.
- Seqs are dense from 1 (in a stream that was not there when a backup was restored, from above `origin`) and never given twice: a batch whose outcome is unknown is written again, the same rows with the same seqs,
  until the store says what became of it.
- One (stream, sender, clientMsgID) is stored once. A repetition of what is queued or in flight shares its outcome.
- At most one write is in flight; what arrives meanwhile forms the next batch.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core.shard_loads import EnsureRows
from openim_ray.core.sizes import ENTRY_BYTES, Room, size_of_parts
from openim_ray.domain.conversation import is_notification_chat, is_single_chat
from openim_ray.domain.message import Draft, LogState, LogWrite, MessageRef, Outcome, StoredMessage, WriteResult
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.messages import with_position

if TYPE_CHECKING:
    from collections.abc import Mapping

DuplicateKey = tuple[str, str, str]
"""(stream, sender, clientMsgID)."""


class Waiter(NamedTuple):
    """
    Who waits for a message, and which answer she knows: Accepted to a Submit, Reply to anything else.

    `peer` "" is the machine of effects beside the log (`core/logs/effects.py`).
    """

    peer: str
    call: int
    is_submit: bool


class Committed(NamedTuple):
    """
    A message that is durable now, and who waits for that.
    """

    message: StoredMessage
    waiters: list[Waiter]


class Repeated(NamedTuple):
    """
    A draft that turned out to be in the log already, and who waits for it.
    """

    reference: MessageRef
    waiters: list[Waiter]


class Confirmed(NamedTuple):
    """
    The store took a write of this owner, who waits for that.
    """

    waiters: list[Waiter]


Done = Committed | Repeated | Confirmed


class _Staged:
    __slots__ = ("draft", "size", "waiters")

    def __init__(self, draft: Draft, waiters: list[Waiter]) -> None:
        self.draft = draft
        self.size = ENTRY_BYTES + size_of_parts(draft)
        self.waiters = waiters

    @property
    def key(self) -> DuplicateKey:
        return (self.draft.conversation_id, self.draft.sender_id, self.draft.client_id)


class _Stream:
    __slots__ = ("max_seq", "max_time", "sent")

    def __init__(self, max_seq: int = 0, max_time: int = 0, sent: Mapping[str, int] | None = None) -> None:
        self.max_seq = max_seq
        self.max_time = max_time
        self.sent = dict(sent or {})


class ConversationLog:
    """
    State of one log at its owner. Every public method is total: it never raises on what a caller may send.

    Limits: `queue_max` drafts with `queue_bytes_max` bytes wait (then `stage` refuses), `recent_max` keys are remembered for de-duplication in
    memory (older repetitions are found by the store's unique index), a write holds at most `batch_rows` rows and `batch_bytes` of bodies.
    """

    def __init__(
        self,
        home_key: str,
        partition: str,
        *,
        queue_max: int = 4096,
        queue_bytes_max: int = 16 << 20,
        recent_max: int = 256,
        batch_rows: int = 512,
        batch_bytes: int = 90_000,
        origin: int = 0,
    ) -> None:
        self.home_key = home_key
        self.partition = partition
        self.participants: tuple[str, ...] = ()
        self.loaded = False
        self.rows_ensured = False
        self._notified: set[str] = set()
        """Who owns the row of what the other one writes to her as a notification account."""

        self._to_notify: dict[str, None] = {}
        """Who doesn't yet, and is written to."""

        self._recent_max = recent_max
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._origin = origin
        self._streams: dict[str, _Stream] = {}
        self._recent: OrderedDict[DuplicateKey, MessageRef] = OrderedDict()
        self._pending: dict[DuplicateKey, _Staged] = {}
        self._queue: deque[_Staged] = deque()
        self._room = Room(queue_max, queue_bytes_max)
        self._in_flight: tuple[LogWrite, list[_Staged]] | None = None
        self._to_confirm: list[Waiter] = []
        self._confirming: list[Waiter] = []
        """Who waits for the write in flight to be taken, whatever it holds."""
        self.read: dict[str, int] = {}

    # --- loading

    def load(self, state: LogState | None) -> None:
        """
        Take over what the store knows; drafts that wait stay, and are numbered after it.

        Unless it turns out that the log belongs to others: drafts of another pair are dropped, their senders try again
        and are refused.
        """
        self._streams.clear()
        self._recent.clear()
        self.read = {}
        if state is not None:
            if self.participants not in ((), state.participants):
                self._queue.clear()
                self._room.clear()
                self._pending.clear()
                self._to_notify.clear()
                self._notified.clear()
            self.participants = state.participants
            notices = (head for head in state.heads.values() if is_notification_chat(head.conversation_id))
            self._notified.update(self._peer_of(one) for head in notices for one in head.sent)
            self.read = dict(state.read)
            self.rows_ensured = any(map(is_single_chat, state.heads))
            for head in state.heads.values():
                self._streams[head.conversation_id] = _Stream(head.max_seq, head.max_time, head.sent)
            for message in state.tail:
                key = (message.conversation_id, message.sender_id, message.client_id)
                self._remember(key, _reference(message))
        self.loaded = True

    def unload(self) -> None:
        """Go back to not loaded, after a conflict: what was in flight waits again, before what came later."""
        self.loaded = False
        if self._in_flight is None:
            return
        _, staged = self._in_flight
        self._in_flight = None
        self._confirm_again()
        self._wait_again(staged)

    # --- staging

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits and nothing is in flight."""
        return self._in_flight is None and not self._queue and not self._to_confirm

    @property
    def needs_rows(self) -> bool:
        """Tell whether rows of what two users have must be ensured before the first append; those of others are made with the change they come from."""
        return bool(self._to_notify) or self._needs_chat_rows

    @property
    def _needs_chat_rows(self) -> bool:
        if self.rows_ensured or len(self.participants) < 2:
            return False
        return any(is_single_chat(one.draft.conversation_id) for one in self._queue)

    def rows_to_ensure(self) -> EnsureRows:
        """Return whose rows must be ensured; `note_rows` follows."""
        return EnsureRows(self.home_key, self.participants, self._needs_chat_rows, tuple(self._to_notify))

    def note_rows(self, ensured: EnsureRows) -> None:
        """Note that users own their rows."""
        self.rows_ensured = self.rows_ensured or ensured.is_chat
        self._notified.update(ensured.notified)
        for user_id in ensured.notified:
            self._to_notify.pop(user_id, None)

    def claim_participants(self, participants: tuple[str, ...]) -> bool:
        """Record who this log belongs to, once; False if it belongs to others (ids are never split: `a`+`b_c`, `a_b`+`c`)."""
        if not self.participants:
            self.participants = participants
        return self.participants == participants

    def known(self, draft: Draft) -> MessageRef | None:
        """Return the place of a message that is known to be durable already."""
        return self._recent.get((draft.conversation_id, draft.sender_id, draft.client_id))

    def stage(self, draft: Draft, waiter: Waiter) -> bool:
        """Queue a draft; a repetition joins the first one's waiters. False if the queue is full."""
        key = (draft.conversation_id, draft.sender_id, draft.client_id)
        staged = self._pending.get(key)
        if staged is not None:
            if waiter not in staged.waiters:
                staged.waiters.append(waiter)
            return True
        staged = _Staged(draft, [waiter])
        if not self._room.enter(staged.size):
            return False
        self._pending[key] = staged
        self._queue.append(staged)
        if (
            is_notification_chat(draft.conversation_id)
            and (peer := self._peer_of(draft.sender_id)) not in self._notified
        ):
            self._to_notify[peer] = None
        return True

    def _peer_of(self, user_id: str) -> str:
        """Return the other one of two; who is alone is her own."""
        return next((one for one in self.participants if one != user_id), user_id)

    def confirm(self, waiter: Waiter) -> None:
        """
        Have the store say that this owner is still the one: it takes the next write, empty if nothing waits.

        Then all that was staged before is durable, up to `batch_rows`, and nobody else has appended anything.
        """
        if waiter not in self._to_confirm:
            self._to_confirm.append(waiter)

    def max_seq(self, conversation_id: str) -> int:
        """Return the highest seq that is durable."""
        stream = self._streams.get(conversation_id)
        return stream.max_seq if stream else 0

    def newest(self, conversation_id: str) -> tuple[int, int]:
        """Return the highest seq that is durable, and its sendTime; zeros if there is none."""
        stream = self._streams.get(conversation_id)
        return (stream.max_seq, stream.max_time) if stream else (0, 0)

    def sent_seq(self, conversation_id: str, sender_id: str) -> int:
        """Return the seq of a sender's newest message that is durable."""
        stream = self._streams.get(conversation_id)
        return stream.sent.get(sender_id, 0) if stream else 0

    # --- writing

    def take_write(self, epoch: int, wall_ms: int) -> LogWrite | None:
        """Form the next write out of what waits; None while one is in flight, nothing waits, or it isn't loaded."""
        if self._in_flight is not None or self.idle or not self.loaded or self.needs_rows:
            return None
        self._confirming, self._to_confirm = self._to_confirm, []
        staged = self._take_staged()
        write = self._number(staged, epoch, wall_ms)
        self._in_flight = (write, staged)
        return write

    def in_flight_write(self) -> LogWrite | None:
        """Return the write whose outcome isn't known yet, to be said again."""
        return self._in_flight[0] if self._in_flight else None

    def written(self, result: WriteResult) -> list[Done]:
        """
        Take the store's answer to the write in flight; return what is certain now, in order.

        STORED: everything is committed. DUPLICATE: the repeated ones are answered, the others wait again and are numbered anew.
        CONFLICT: call `unload` and load again. SUPERSEDED: drop the log.
        """
        if self._in_flight is None:
            return []
        write, staged = self._in_flight
        if result.outcome is Outcome.STORED:
            self._in_flight = None
            return self._commit(write, staged)
        if result.outcome is Outcome.DUPLICATE:
            self._in_flight = None
            self._confirm_again()
            return self._split(staged, result.existing)
        return []

    def _take_staged(self) -> list[_Staged]:
        taken: list[_Staged] = []
        size = 0
        while self._queue and len(taken) < self._batch_rows:
            one = self._queue[0]
            size += len(one.draft.body)
            if taken and size > self._batch_bytes:
                break
            self._queue.popleft()
            self._room.leave(one.size)
            taken.append(one)
        return taken

    def _confirm_again(self) -> None:
        waiting, self._confirming = self._confirming, []
        for waiter in waiting:
            self.confirm(waiter)

    def _wait_again(self, staged: list[_Staged]) -> None:
        self._queue.extendleft(reversed(staged))
        for one in staged:
            self._room.take(one.size)

    def _number(self, staged: list[_Staged], epoch: int, wall_ms: int) -> LogWrite:
        last: dict[str, tuple[int, int]] = {}
        rows: list[StoredMessage] = []
        read: dict[str, int] = {}
        for one in staged:
            draft = one.draft
            stream = self._streams.get(draft.conversation_id)
            seq, time = last.get(draft.conversation_id) or (
                (stream.max_seq, stream.max_time) if stream else (self._origin, 0)
            )
            # sendTime never falls below that of an earlier seq: clients sort by it (OpenIM wire, §7.5).
            seq, time = seq + 1, max(wall_ms, time)
            last[draft.conversation_id] = (seq, time)
            rows.append(_numbered(draft, seq, time))
            if draft.read is not None:
                reader, mark = draft.read
                read[reader] = max(read.get(reader, 0), mark)
        return LogWrite(self.partition, epoch, self.home_key, self.participants, tuple(rows), read)

    def _commit(self, write: LogWrite, staged: list[_Staged]) -> list[Done]:
        done: list[Done] = []
        for message, one in zip(write.rows, staged, strict=True):
            stream = self._streams.setdefault(message.conversation_id, _Stream())
            stream.max_seq, stream.max_time = message.seq, message.send_time
            stream.sent[message.sender_id] = message.seq
            self._remember(one.key, _reference(message))
            self._pending.pop(one.key, None)
            done.append(Committed(message, one.waiters))
        for reader, mark in write.read.items():
            self.read[reader] = max(self.read.get(reader, 0), mark)
        confirmed, self._confirming = self._confirming, []
        if confirmed:
            done.append(Confirmed(confirmed))
        return done

    def _split(self, staged: list[_Staged], existing: dict[int, MessageRef]) -> list[Done]:
        done: list[Done] = []
        fresh: list[_Staged] = []
        for index, one in enumerate(staged):
            reference = existing.get(index)
            if reference is None:
                fresh.append(one)
                continue
            self._pending.pop(one.key, None)
            self._remember(one.key, reference)
            done.append(Repeated(reference, one.waiters))
        self._wait_again(fresh)
        return done

    def _remember(self, key: DuplicateKey, reference: MessageRef) -> None:
        self._recent[key] = reference
        if len(self._recent) > self._recent_max:
            self._recent.popitem(last=False)


def _reference(message: StoredMessage) -> MessageRef:
    return MessageRef(message.seq, message.server_id, message.send_time)


def _numbered(draft: Draft, seq: int, send_time: int) -> StoredMessage:
    return StoredMessage(
        draft.conversation_id,
        ConversationSeq(seq),
        draft.sender_id,
        draft.client_id,
        draft.server_id,
        send_time,
        draft.content_type,
        draft.sender_sync,
        draft.operation_id,
        with_position(draft.body, seq, send_time),
    )
