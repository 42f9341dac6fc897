"""
Conversation logs in memory.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from openim_ray.domain.conversation import home_key
from openim_ray.domain.message import (
    LogState,
    LogWrite,
    MessageRef,
    Outcome,
    StoredMessage,
    StreamHead,
    WriteResult,
)
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import Erased
from openim_ray.storage.log_rules import check_write
from openim_ray.storage.tombstones import replacement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import DamagedRow


class _Stream:
    __slots__ = ("by_key", "floor", "max_time", "rows", "sent", "stored_at")

    def __init__(self) -> None:
        self.floor = 1
        self.rows: list[StoredMessage] = []
        """Without a hole, up to the newest; rows below the floor are about to be deleted."""
        self.stored_at: list[int] = []
        """When each of them was stored, in Unix milliseconds."""
        self.by_key: dict[tuple[str, str], StoredMessage] = {}
        self.sent: dict[str, int] = {}
        self.max_time = 0

    def row(self, seq: int) -> StoredMessage | None:
        index = seq - self.first
        return self.rows[index] if 0 <= index < len(self.rows) else None

    @property
    def first(self) -> int:
        return self.rows[0].seq if self.rows else self.floor

    @property
    def max_seq(self) -> int:
        return self.first - 1 + len(self.rows)

    def append(self, row: StoredMessage, now_ms: int) -> None:
        self.rows.append(row)
        self.stored_at.append(now_ms)
        self.by_key[row.sender_id, row.client_id] = row
        self.sent[row.sender_id] = row.seq
        self.max_time = row.send_time

    def replace(self, row: StoredMessage) -> None:
        self.rows[row.seq - self.first] = row
        self.by_key[row.sender_id, row.client_id] = row

    def raise_floor(self, through: int) -> None:
        self.floor = max(self.floor, min(through, self.max_seq) + 1)

    def delete(self, through: int) -> int:
        count = max(0, min(through, self.max_seq) + 1 - self.first)
        for row in self.rows[:count]:
            del self.by_key[row.sender_id, row.client_id]
        del self.rows[:count], self.stored_at[:count]
        return count


class _Log:
    __slots__ = ("participants", "read", "streams")

    def __init__(self) -> None:
        self.participants: tuple[str, ...] = ()
        self.read: dict[str, int] = {}
        self.streams: dict[ConversationID, _Stream] = {}

    def belongs_to_others(self, participants: tuple[str, ...]) -> bool:
        return bool(self.participants and participants) and self.participants != participants


_EMPTY = _Stream()
"""Stands for a stream that was never written; nobody appends to it."""


class MessageTables:
    """
    The synchronous core of `MemoryMessageStore`; see `ports.MessageStore` for the meaning of each method.
    """

    def __init__(self, clock_ms: Callable[[], int] = lambda: 0) -> None:
        self._clock_ms = clock_ms
        self._logs: dict[str, _Log] = {}
        self._epochs: dict[str, tuple[int, str]] = {}
        self._highest_epoch = 0

    def claim(self, partitions: Sequence[str], owner: str) -> dict[str, int]:
        """Raise epochs, unless they are the owner's already, and return them."""
        epochs, raised = self._epochs, (self._highest_epoch + 1, owner)
        for partition in partitions:
            if partition not in epochs or epochs[partition][1] != owner:
                epochs[partition] = raised
                self._highest_epoch = raised[0]
        return {partition: epochs[partition][0] for partition in partitions}

    def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """Write each LogWrite or say why not; ValueError before anything is written if one contradicts itself."""
        for write in writes:
            check_write(write)
        return [self._write(write) for write in writes]

    def load_log(self, key: str, tail: int) -> LogState | None:
        """Return what an owner needs to go on."""
        log = self._logs.get(key)
        if log is None:
            return None
        streams = sorted(log.streams.items())
        rows = [row for _, stream in streams for row in stream.rows[max(0, len(stream.rows) - tail) :]]
        return LogState(
            log.participants,
            {conversation_id: _head(conversation_id, stream, log) for conversation_id, stream in streams},
            dict(log.read),
            tuple(rows),
        )

    def heads(self, conversation_ids: Iterable[ConversationID]) -> dict[ConversationID, StreamHead]:
        """Return the heads of those streams that hold messages."""
        logs = {conversation_id: self._logs.get(home_key(conversation_id)) for conversation_id in conversation_ids}
        return {
            conversation_id: _head(conversation_id, stream, log)
            for conversation_id, log in logs.items()
            if log is not None and (stream := log.streams.get(conversation_id, _EMPTY)).max_seq
        }

    def read_range(self, conversation_id: ConversationID, begin: int, end: int, newest: int) -> list[StoredMessage]:
        """Return at most the `newest` highest rows of begin..end, ascending."""
        stream = self._stream(conversation_id)
        rows = stream.rows[max(0, begin - stream.first) : max(0, end + 1 - stream.first)]
        return rows[-newest:] if newest > 0 else []

    def read_seqs(self, conversation_id: ConversationID, seqs: Sequence[int]) -> list[StoredMessage]:
        """Return the rows among `seqs`, ascending."""
        stream = self._stream(conversation_id)
        rows = (stream.row(seq) for seq in sorted(set(seqs)))
        return [row for row in rows if row is not None]

    def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """Return the place of a message by its de-duplication key."""
        row = self._stream(conversation_id).by_key.get((sender_id, client_id))
        return None if row is None else _reference(row)

    def read_marks(self, key: str) -> dict[str, int]:
        """Return each reader's mark."""
        log = self._logs.get(key)
        return dict(log.read) if log else {}

    def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """Return ids and max seqs of the streams behind an id, in order of ids."""
        streams = [(one, stream.max_seq) for log in self._logs.values() for one, stream in log.streams.items()]
        held = sorted((one, ConversationSeq(seq)) for one, seq in streams if one > after and seq)
        return held[:limit]

    def expired(self, age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        """Return streams with rows that are old, each with the highest such seq."""
        before_ms = self._clock_ms() - age_ms
        rows = [
            (stored_at, one, row.seq)
            for log in self._logs.values()
            for one, stream in log.streams.items()
            for row, stored_at in zip(stream.rows, stream.stored_at, strict=True)
        ]
        oldest = sorted(rows, key=itemgetter(0))
        return {one: seq for stored_at, one, seq in oldest[skip : skip + limit] if stored_at < before_ms}

    def forget(self, conversation_id: ConversationID, through: int) -> int:
        """Delete rows up to a seq."""
        return sum(step() for step in self.forgetting(conversation_id, through))

    def forgetting(self, conversation_id: ConversationID, through: int) -> list[Callable[[], int]]:
        """Return the steps of `forget`, in order, each with how many rows it deletes: a store may break off between them."""
        stream = self._stream(conversation_id)

        def raise_floor() -> int:
            stream.raise_floor(through)
            return 0

        def delete() -> int:
            return stream.delete(through)

        return [raise_floor, delete]

    def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """Replace what concerns a user."""
        stream = self._stream(conversation_id)
        found = [replacement(row, user_id) for row in stream.rows if first <= row.seq <= last]
        there = [one for one in found if one is not None]
        for row, _ in there:
            stream.replace(row)
        return Erased(tuple(row for row, _ in there), sum(is_new for _, is_new in there))

    def _stream(self, conversation_id: ConversationID) -> _Stream:
        log = self._logs.get(home_key(conversation_id))
        return log.streams.get(conversation_id, _EMPTY) if log else _EMPTY

    def _write(self, write: LogWrite) -> WriteResult:
        epoch, _ = self._epochs.get(write.partition, (0, ""))
        if epoch > write.epoch:
            return WriteResult(Outcome.SUPERSEDED, {})
        log = self._logs.get(write.home_key)
        if log is not None and log.belongs_to_others(write.participants):
            return WriteResult(Outcome.CONFLICT, {})
        if not self._continues(write):
            return WriteResult(Outcome.CONFLICT, {})
        existing = self._existing(write)
        if any(reference.seq != write.rows[index].seq for index, reference in existing.items()):
            return WriteResult(Outcome.DUPLICATE, existing)
        self._append(write)
        return WriteResult(Outcome.STORED, {})

    def _continues(self, write: LogWrite) -> bool:
        """Tell whether the rows that are known stand as they are said to, and the others continue the head."""
        first = {row.conversation_id: row.seq for row in reversed(write.rows)}
        for row in write.rows:
            stream = self._stream(row.conversation_id)
            there = stream.row(row.seq)
            if there is None and first[row.conversation_id] > stream.max_seq + 1:
                return False
            if there is not None and there.server_id != row.server_id:
                return False
        return True

    def _existing(self, write: LogWrite) -> dict[int, MessageRef]:
        found = {
            index: self._stream(row.conversation_id).by_key.get((row.sender_id, row.client_id))
            for index, row in enumerate(write.rows)
        }
        return {index: _reference(row) for index, row in found.items() if row is not None}

    def _append(self, write: LogWrite) -> None:
        log = self._logs.setdefault(write.home_key, _Log())
        log.participants = log.participants or write.participants
        for row in write.rows:
            stream = log.streams.setdefault(row.conversation_id, _Stream())
            if row.seq > stream.max_seq:
                stream.append(row, self._clock_ms())
        for reader, mark in write.read.items():
            log.read[reader] = max(log.read.get(reader, 0), mark)


class MemoryMessageStore:
    """
    `ports.MessageStore` over `MessageTables`.
    """

    damaged_rows = 0

    def __init__(self, tables: MessageTables | None = None) -> None:
        self.tables = tables if tables is not None else MessageTables()

    async def aclose(self) -> None:
        """Do nothing: the tables live as long as somebody holds them."""

    async def claim(self, partitions: Sequence[str], owner: str) -> dict[str, int]:
        """See `ports.MessageStore`."""
        return self.tables.claim(partitions, owner)

    async def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """See `ports.MessageStore`."""
        return self.tables.write(writes)

    async def load_log(self, home_key: str, tail: int) -> LogState | None:
        """See `ports.MessageReader`."""
        return self.tables.load_log(home_key, tail)

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        return self.tables.heads(conversation_ids)

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        return self.tables.read_range(conversation_id, begin, end, newest)

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        return self.tables.read_seqs(conversation_id, seqs)

    async def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """See `ports.MessageReader`."""
        return self.tables.find(conversation_id, sender_id, client_id)

    async def read_marks(self, home_key: str) -> dict[str, int]:
        """See `ports.MessageReader`."""
        return self.tables.read_marks(home_key)

    async def origin(self) -> ConversationSeq:
        """See `ports.MessageReader`; nothing is ever restored in memory."""
        return ConversationSeq(0)

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """See `ports.MessageReader`."""
        return self.tables.page_heads(after, limit)

    async def expired(self, age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        """See `ports.RetentionStore`."""
        return self.tables.expired(age_ms, limit, skip)

    async def forget(self, conversation_id: ConversationID, through: ConversationSeq) -> int:
        """See `ports.RetentionStore`."""
        return self.tables.forget(conversation_id, through)

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """See `ports.ErasingStore`."""
        return self.tables.erase(conversation_id, user_id, first, last)

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`; there are no files."""
        return True


def _head(conversation_id: ConversationID, stream: _Stream, log: _Log) -> StreamHead:
    max_seq, floor = ConversationSeq(stream.max_seq), ConversationSeq(stream.floor)
    return StreamHead(conversation_id, max_seq, stream.max_time, dict(stream.sent), log.participants, floor)


def _reference(row: StoredMessage) -> MessageRef:
    return MessageRef(row.seq, row.server_id, row.send_time)
