"""
Deciding on a batch of writes: what of it is new, and what becomes of the rest. No I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import bson

from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.message import LogWrite, MessageRef, Outcome, StoredMessage, WriteResult
from openim_ray.storage.mongo.documents import encode_marks, encode_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from openim_ray.domain.ids import ConversationID


STORED = WriteResult(Outcome.STORED, {})


class Log:
    """
    Whose a log is, and whether its document says so already.
    """

    __slots__ = ("is_named", "is_new", "participants")

    def __init__(self, participants: tuple[str, ...], *, is_new: bool = False) -> None:
        self.participants = participants
        self.is_new = is_new
        self.is_named = False
        """Whether this batch gives it its participants."""

    def belongs_to_others(self, participants: tuple[str, ...]) -> bool:
        """Tell whether it was made for somebody else."""
        return bool(self.participants and participants) and self.participants != participants


class Stream:
    """
    What is known of a stream, as far as a batch is concerned: its head, and the rows at the seqs that the batch names.
    """

    __slots__ = ("end", "head", "highest", "is_new", "keys", "rows")

    def __init__(self, head: int, *, is_new: bool = False) -> None:
        self.head = head
        """Every seq up to it is taken."""
        self.end = head
        """The head, and what this batch appends to it."""
        self.rows: dict[int, str] = {}
        """Server ids by seq, above the head and below it."""
        self.keys: dict[tuple[str, str], MessageRef] = {}
        """Places by (sender, clientMsgID): those looked up, and what this batch adds."""
        self.highest = 0
        """The highest seq that was read, by place or by key."""
        self.is_new = is_new

    def stands(self, seq: int) -> bool:
        """Tell whether a seq is taken; 0, on which the first row stands, is."""
        return seq <= self.head or seq in self.rows

    def append(self, row: StoredMessage) -> None:
        """Note a row that this batch adds."""
        if row.seq == self.end + 1:
            self.end = row.seq
        self.rows[row.seq] = row.server_id
        self.keys[row.sender_id, row.client_id] = MessageRef(row.seq, row.server_id, row.send_time)

    def take_row(self, seq: int, server_id: str) -> None:
        """Note a row that was read by its place."""
        self.rows[seq] = server_id
        self.highest = max(self.highest, seq)

    def take_key(self, key: tuple[str, str], reference: MessageRef) -> None:
        """Note a row that was read by its key."""
        self.keys[key] = reference
        self.highest = max(self.highest, reference.seq)


class Known(NamedTuple):
    """
    What the database says about everything that a batch touches.
    """

    epochs: Mapping[str, int]
    logs: dict[str, Log]
    streams: dict[ConversationID, Stream]


class Appended:
    """
    What a batch adds to one stream.
    """

    __slots__ = ("first", "last", "last_time")

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first
        self.last_time = 0


class Batch:
    """
    The decision on some writes, each seeing those before it.

    `documents` are the new rows in the order in which they have to be inserted: dense per stream, a write's chat before its `n_` stream, its marks
    on its last row. So whatever prefix of them a crash leaves, no stream has a hole, no mark and no notification stands without its message.

    Raises:
        ArgsError, UnicodeEncodeError, OverflowError: a row can't be stored, see `documents.encode_row`.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self.documents: list[RawBSONDocument] = []
        self.appended: dict[ConversationID, Appended] = {}
        self.sent: dict[tuple[str, str], int] = {}
        self.riding: dict[tuple[str, str], int] = {}
        """Marks by (home key, reader) that stand on rows of the batch."""
        self.marks: dict[tuple[str, str], int] = {}
        """Marks that come without a new row."""
        self.leftovers: set[ConversationID] = set()
        """Streams with rows behind a hole, where this batch wants to write: the decision has to be made again without them."""

    def add(self, write: LogWrite) -> WriteResult:
        """Say what becomes of a write; if STORED, it is so once the batch is carried out."""
        if self._known.epochs.get(write.partition, 0) > write.epoch:
            return WriteResult(Outcome.SUPERSEDED, {})
        log = self._known.logs.get(write.home_key)
        if log is not None and log.belongs_to_others(write.participants):
            return WriteResult(Outcome.CONFLICT, {})
        if self._is_news(write.rows):
            self._accept(write, write.rows, log)
            return STORED
        if not self._continues(write):
            return WriteResult(Outcome.CONFLICT, {})
        self._note_leftovers(write)
        if not all(self._is_as_stored(row) for row in write.rows):
            return WriteResult(Outcome.CONFLICT, {})
        existing = self._existing(write)
        if any(reference.seq != write.rows[index].seq for index, reference in existing.items()):
            return WriteResult(Outcome.DUPLICATE, existing)
        self._accept(write, list(self._new_rows(write)), log)
        return STORED

    # --- checks

    def _is_news(self, rows: Sequence[StoredMessage]) -> bool:
        """Tell whether rows continue their streams, and nothing that was read is like one of them: nearly always, and then nothing else is to be checked."""
        ends: dict[ConversationID, int] = {}
        for row in rows:
            stream = self._known.streams[row.conversation_id]
            end = ends.get(row.conversation_id, stream.end)
            if row.seq != end + 1 or row.seq <= stream.highest or (row.sender_id, row.client_id) in stream.keys:
                return False
            ends[row.conversation_id] = row.seq
        return True

    def _continues(self, write: LogWrite) -> bool:
        first = {row.conversation_id: row.seq for row in reversed(write.rows)}
        return all(self._known.streams[conversation_id].stands(seq - 1) for conversation_id, seq in first.items())

    def _is_as_stored(self, row: StoredMessage) -> bool:
        stream = self._known.streams[row.conversation_id]
        return not stream.stands(row.seq) or stream.rows.get(row.seq) == row.server_id

    def _note_leftovers(self, write: LogWrite) -> None:
        for row in self._new_rows(write):
            if self._known.streams[row.conversation_id].highest > row.seq:
                self.leftovers.add(row.conversation_id)

    def _existing(self, write: LogWrite) -> dict[int, MessageRef]:
        found = {
            index: self._known.streams[row.conversation_id].keys.get((row.sender_id, row.client_id))
            for index, row in enumerate(write.rows)
        }
        return {index: reference for index, reference in found.items() if reference is not None}

    # --- accepting

    def _accept(self, write: LogWrite, new_rows: Sequence[StoredMessage], log: Log | None) -> None:
        if log is None:
            log = self._known.logs[write.home_key] = Log(write.participants, is_new=True)
        elif write.participants and not log.participants:
            log.participants = write.participants
            log.is_named = True
        if write.read or log.is_new or log.is_named:
            # What is written beside the rows must not turn out to be unfit when some of them stand already.
            bson.encode({"participants": write.participants, "read": encode_marks(write.read)})
        rows = in_order(new_rows)
        for row in rows:
            self._append(row, write.read if row is rows[-1] else {})
        self._take_marks(write, self.riding if rows else self.marks)

    def _new_rows(self, write: LogWrite) -> Iterator[StoredMessage]:
        return (row for row in write.rows if not self._known.streams[row.conversation_id].stands(row.seq))

    def _append(self, row: StoredMessage, read: Mapping[str, int]) -> None:
        self.documents.append(encode_row(row, read))
        self._known.streams[row.conversation_id].append(row)
        appended = self.appended.get(row.conversation_id)
        if appended is None:
            appended = self.appended[row.conversation_id] = Appended(row.seq)
        appended.last, appended.last_time = row.seq, row.send_time
        self.sent[row.conversation_id, row.sender_id] = row.seq

    def _take_marks(self, write: LogWrite, marks: dict[tuple[str, str], int]) -> None:
        for reader, seq in write.read.items():
            key = (write.home_key, reader)
            marks[key] = max(marks.get(key, 0), seq)


def in_order(rows: Sequence[StoredMessage]) -> Sequence[StoredMessage]:
    """
    Return rows of a write in the order in which they have to be inserted: its chat before its `n_` stream.
    """
    return rows if len(rows) < 2 else sorted(rows, key=_is_notification)


def _is_notification(row: StoredMessage) -> bool:
    return is_notification_stream(row.conversation_id)
