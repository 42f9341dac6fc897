"""
One transaction of the message log: check every write against the file and against those before it, then insert.

Nothing is inserted before all is checked, so a refused write needs no undoing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from openim_ray.domain.message import LogWrite, MessageRef, Outcome, StoredMessage, WriteResult
from openim_ray.storage.envelope import seal
from openim_ray.storage.sqlite.connection import json_list
from openim_ray.storage.sqlite.message_queries import origin

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from openim_ray.domain.ids import ConversationID


def claim(connection: sqlite3.Connection, partitions: Sequence[str], owner: str) -> dict[str, int]:
    """
    Raise the epochs of partitions, unless they are the owner's already; inside a transaction.
    """
    (raised,) = connection.execute("SELECT COALESCE(MAX(epoch), 0) + 1 FROM partitions").fetchone()
    return {partition: _raise_epoch(connection, partition, owner, raised) for partition in dict.fromkeys(partitions)}


def _raise_epoch(connection: sqlite3.Connection, partition: str, owner: str, raised: int) -> int:
    (epoch,) = connection.execute(
        "INSERT INTO partitions (partition, epoch, owner) VALUES (?, ?, ?)"
        " ON CONFLICT (partition) DO UPDATE"
        " SET epoch = iif(owner = excluded.owner, epoch, excluded.epoch), owner = excluded.owner RETURNING epoch",
        (partition, raised, owner),
    ).fetchone()
    return int(epoch)


class _Log:
    __slots__ = ("id", "participants")

    def __init__(self, log_id: int, participants: tuple[str, ...]) -> None:
        self.id = log_id
        self.participants = participants

    def belongs_to_others(self, participants: tuple[str, ...]) -> bool:
        return bool(self.participants and participants) and self.participants != participants


class _Stream:
    __slots__ = ("fresh", "id", "max_seq", "max_time", "new_seq")

    def __init__(self, stream_id: int, max_seq: int, max_time: int) -> None:
        self.id = stream_id
        self.max_seq = max_seq
        """What the file knows."""
        self.new_seq = max_seq
        """With what this batch adds."""
        self.max_time = max_time
        self.fresh: dict[tuple[str, str], MessageRef] = {}
        """What this batch adds, by (sender, clientMsgID)."""


class DuplicateFound(Exception):
    """
    The unique index knows a message that a batch took for new.
    """


class Batch:
    """
    The writes of one transaction, begun by the caller: `add` decides on each, `flush` inserts the accepted ones.

    Args:
        now_ms: when the rows are stored, in Unix milliseconds.
        look_up: whether each message is looked for by its key. Nearly all are new, and the index tells at the insert for
            nothing: so a batch is tried without, and made again with it if `flush` raises DuplicateFound.
    """

    def __init__(
        self, connection: sqlite3.Connection, writes: Sequence[LogWrite], now_ms: int, *, look_up: bool
    ) -> None:
        self._connection = connection
        self._now_ms = now_ms
        self._origin = origin(connection)
        self._look_up = look_up
        self._epochs = self._load_epochs({write.partition for write in writes})
        self._logs = self._load_logs({write.home_key for write in writes})
        self._streams = self._load_streams({row.conversation_id for write in writes for row in write.rows})
        self._rows: list[tuple[object, ...]] = []
        self._sent: dict[tuple[int, str], int] = {}
        self._marks: dict[tuple[int, str], int] = {}

    def add(self, write: LogWrite) -> WriteResult:
        """Say what becomes of a write; if STORED, it is durable after `flush` and the commit."""
        if self._epochs.get(write.partition, 0) > write.epoch:
            return WriteResult(Outcome.SUPERSEDED, {})
        log = self._logs.get(write.home_key)
        if log is not None and log.belongs_to_others(write.participants):
            return WriteResult(Outcome.CONFLICT, {})
        if not self._continues(write):
            return WriteResult(Outcome.CONFLICT, {})
        existing = self._existing(write)
        if any(reference.seq != write.rows[index].seq for index, reference in existing.items()):
            return WriteResult(Outcome.DUPLICATE, existing)
        self._accept(write, log)
        return WriteResult(Outcome.STORED, {})

    def flush(self) -> None:
        """Insert what was accepted; DuplicateFound if a message isn't new: then the caller rolls back."""
        self._insert_messages()
        changed = [stream for stream in self._streams.values() if stream.new_seq > stream.max_seq]
        self._connection.executemany(
            "UPDATE streams SET max_seq = ?, max_time = ? WHERE id = ?",
            [(stream.new_seq, stream.max_time, stream.id) for stream in changed],
        )
        self._connection.executemany(
            "INSERT INTO sent (stream, sender_id, seq) VALUES (?, ?, ?)"
            " ON CONFLICT (stream, sender_id) DO UPDATE SET seq = excluded.seq",
            [(*key, seq) for key, seq in self._sent.items()],
        )
        self._connection.executemany(
            "INSERT INTO marks (log, reader_id, seq) VALUES (?, ?, ?)"
            " ON CONFLICT (log, reader_id) DO UPDATE SET seq = max(seq, excluded.seq)",
            [(*key, seq) for key, seq in self._marks.items()],
        )

    def _insert_messages(self) -> None:
        cursor = self._connection.executemany(
            "INSERT INTO messages (stream, seq, sender_id, client_id, server_id, send_time, rev, envelope, stored_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream, sender_id, client_id) DO NOTHING",
            self._rows,
        )
        if self._rows and cursor.rowcount != len(self._rows):
            raise DuplicateFound

    # --- checks

    def _continues(self, write: LogWrite) -> bool:
        first = {row.conversation_id: row.seq for row in reversed(write.rows)}
        for conversation_id, seq in first.items():
            stream = self._streams.get(conversation_id)
            if seq > (stream.new_seq if stream else self._origin) + 1:
                return False
            if stream is None and seq <= self._origin:
                return False
        return all(self._is_as_stored(row) for row in write.rows)

    def _is_as_stored(self, row: StoredMessage) -> bool:
        stream = self._streams.get(row.conversation_id)
        if stream is None or row.seq > stream.new_seq:
            return True
        if row.seq > stream.max_seq:
            there = stream.fresh.get((row.sender_id, row.client_id))
            return there is not None and there.seq == row.seq and there.server_id == row.server_id
        found = self._connection.execute(
            "SELECT server_id FROM messages WHERE stream = ? AND seq = ?", (stream.id, row.seq)
        ).fetchone()
        return found is not None and found[0] == row.server_id

    def _existing(self, write: LogWrite) -> dict[int, MessageRef]:
        found = {index: self._find(row) for index, row in enumerate(write.rows)}
        return {index: reference for index, reference in found.items() if reference is not None}

    def _find(self, row: StoredMessage) -> MessageRef | None:
        stream = self._streams.get(row.conversation_id)
        if stream is None:
            return None
        fresh = stream.fresh.get((row.sender_id, row.client_id))
        if fresh is not None or not self._look_up:
            return fresh
        found = self._connection.execute(
            "SELECT seq, server_id, send_time FROM messages WHERE stream = ? AND sender_id = ? AND client_id = ?",
            (stream.id, row.sender_id, row.client_id),
        ).fetchone()
        return None if found is None else MessageRef(*found)

    # --- what the file knows

    def _load_epochs(self, partitions: set[str]) -> dict[str, int]:
        found = self._connection.execute(
            "SELECT partition, epoch FROM partitions WHERE partition IN (SELECT value FROM json_each(?))",
            (json_list(partitions),),
        )
        return dict(found.fetchall())

    def _load_logs(self, home_keys: set[str]) -> dict[str, _Log]:
        found = self._connection.execute(
            "SELECT home_key, id, participants FROM logs WHERE home_key IN (SELECT value FROM json_each(?))",
            (json_list(home_keys),),
        )
        return {home_key: _Log(log_id, tuple(json.loads(names))) for home_key, log_id, names in found.fetchall()}

    def _load_streams(self, conversation_ids: set[ConversationID]) -> dict[str, _Stream]:
        found = self._connection.execute(
            "SELECT conversation_id, id, max_seq, max_time FROM streams"
            " WHERE conversation_id IN (SELECT value FROM json_each(?))",
            (json_list(conversation_ids),),
        )
        return {conversation_id: _Stream(*columns) for conversation_id, *columns in found.fetchall()}

    # --- accepting

    def _accept(self, write: LogWrite, log: _Log | None) -> None:
        if log is None:
            log = self._create_log(write)
        elif write.participants and not log.participants:
            self._name_participants(log, write.participants)
        for row in write.rows:
            stream = self._streams.get(row.conversation_id) or self._create_stream(row.conversation_id, log)
            if row.seq > stream.new_seq:
                self._append(stream, row)
        for reader, mark in write.read.items():
            key = (log.id, reader)
            self._marks[key] = max(self._marks.get(key, 0), mark)

    def _append(self, stream: _Stream, row: StoredMessage) -> None:
        stream.new_seq = row.seq
        stream.max_time = row.send_time
        stream.fresh[row.sender_id, row.client_id] = MessageRef(row.seq, row.server_id, row.send_time)
        self._sent[stream.id, row.sender_id] = row.seq
        self._rows.append(
            (
                *(stream.id, row.seq, row.sender_id, row.client_id, row.server_id, row.send_time, row.rev),
                *(seal(row), self._now_ms),
            )
        )

    def _create_log(self, write: LogWrite) -> _Log:
        cursor = self._connection.execute(
            "INSERT INTO logs (home_key, participants) VALUES (?, ?)",
            (write.home_key, json.dumps(write.participants)),
        )
        log = self._logs[write.home_key] = _Log(cursor.lastrowid or 0, write.participants)
        return log

    def _name_participants(self, log: _Log, participants: tuple[str, ...]) -> None:
        log.participants = participants
        self._connection.execute("UPDATE logs SET participants = ? WHERE id = ?", (json.dumps(participants), log.id))

    def _create_stream(self, conversation_id: str, log: _Log) -> _Stream:
        skipped = [[1, self._origin]] if self._origin else []
        cursor = self._connection.execute(
            "INSERT INTO streams (conversation_id, log, max_seq, max_time, skipped) VALUES (?, ?, ?, 0, ?)",
            (conversation_id, log.id, self._origin, json.dumps(skipped)),
        )
        stream = self._streams[conversation_id] = _Stream(cursor.lastrowid or 0, self._origin, 0)
        return stream
