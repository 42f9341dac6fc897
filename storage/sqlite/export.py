"""
Everything that a message log holds, to be taken elsewhere: as of one moment, row by row as it stands.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain.sequence import SeqRange
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors, json_list, snapshot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.envelope import Columns


class ExportedStream(NamedTuple):
    """
    A stream without its rows; see `domain.message.StreamHead`.
    """

    number: int
    conversation_id: ConversationID
    max_seq: int
    max_time: int
    floor: int
    skipped: tuple[SeqRange, ...]
    sent: dict[str, int]


class ExportedLog(NamedTuple):
    """
    A log without its rows; see `domain.message.LogState`.
    """

    number: int
    home_key: str
    participants: tuple[str, ...]
    read: dict[str, int]
    streams: tuple[ExportedStream, ...]


class ExportedRow(NamedTuple):
    """
    A row, and when it was stored (Unix milliseconds).
    """

    columns: Columns
    stored_ms: int


class Export:
    """
    One state of a file. Every method blocks, and raises Unavailable (StoreDamaged) if the file can't be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def figures(self) -> tuple[int, int, int]:
        """Return how many rows there are, the highest epoch, and behind which seq new streams begin."""
        with driver_errors(self._path):
            found = self._connection.execute(
                "SELECT (SELECT COUNT(*) FROM messages), (SELECT COALESCE(MAX(epoch), 0) FROM partitions), (SELECT MAX(seq) FROM origin)"
            )
            rows, epoch, origin = found.fetchone()
        return rows, epoch, origin

    def logs(self, after: int, limit: int) -> list[ExportedLog]:
        """Return the first `limit` logs whose number is above one."""
        with driver_errors(self._path):
            logs = self._connection.execute(
                "SELECT id, home_key, participants FROM logs WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
            ).fetchall()
            wanted = json_list(number for number, _, _ in logs)
            read: dict[int, dict[str, int]] = {}
            for log, reader, seq in self._connection.execute(
                "SELECT log, reader_id, seq FROM marks WHERE log IN (SELECT value FROM json_each(?))", (wanted,)
            ):
                read.setdefault(log, {})[reader] = seq
            streams = self._streams(wanted)
        return [
            ExportedLog(number, key, tuple(json.loads(names)), read.get(number, {}), tuple(streams.get(number, ())))
            for number, key, names in logs
        ]

    def rows(self, stream: int, after: int, limit: int) -> list[ExportedRow]:
        """Return the first `limit` rows of a stream above a seq, ascending."""
        with driver_errors(self._path):
            found = self._connection.execute(
                "SELECT seq, sender_id, client_id, server_id, send_time, rev, envelope, IIF(stored_at = 0, send_time, stored_at)"
                " FROM messages WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
                (stream, after, limit),
            ).fetchall()
        return [ExportedRow(tuple(columns), stored_ms) for *columns, stored_ms in found]

    def _streams(self, logs: str) -> dict[int, list[ExportedStream]]:
        found = self._connection.execute(
            "SELECT log, id, conversation_id, max_seq, max_time, floor, skipped FROM streams"
            " WHERE log IN (SELECT value FROM json_each(?)) ORDER BY id",
            (logs,),
        ).fetchall()
        sent: dict[int, dict[str, int]] = {}
        for stream, sender, seq in self._connection.execute(
            "SELECT stream, sender_id, seq FROM sent WHERE stream IN (SELECT value FROM json_each(?))",
            (json_list(number for _, number, *_ in found),),
        ):
            sent.setdefault(stream, {})[sender] = seq
        streams: dict[int, list[ExportedStream]] = {}
        for log, number, conversation_id, max_seq, max_time, floor, skipped in found:
            ranges = tuple(SeqRange(*one) for one in json.loads(skipped))
            stream = ExportedStream(number, conversation_id, max_seq, max_time, floor, ranges, sent.get(number, {}))
            streams.setdefault(log, []).append(stream)
        return streams


@contextmanager
def exporting(path: Path) -> Iterator[Export]:
    """
    Lend one state of a message log.
    """
    with driver_errors(path):
        connection = connect_reader(path)
    try:
        with snapshot(connection):
            yield Export(path, connection)
    finally:
        connection.close()
