"""
Conversation logs in `messages.db`.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from openim_ray.domain.errors import UnsuitableStore
from openim_ray.domain.message import intact
from openim_ray.ports import Erased
from openim_ray.storage.damage import Unsealer
from openim_ray.storage.log_rules import check_write
from openim_ray.storage.sqlite import message_erasure as erasure
from openim_ray.storage.sqlite import message_queries as queries
from openim_ray.storage.sqlite import message_retention as retention
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors
from openim_ray.storage.sqlite.message_writer import Batch, DuplicateFound, claim
from openim_ray.storage.sqlite.writer import Writer
from openim_ray.storage.threads import Threads

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import (
        DamagedRow,
        LogState,
        LogWrite,
        MessageRef,
        StoredMessage,
        StreamHead,
        WriteResult,
    )
    from openim_ray.domain.sequence import ConversationSeq

T = TypeVar("T")

READER_THREADS = 2
DELETED_AT_ONCE = 500
"""Rows that one transaction deletes; messages that are to be stored wait for one at most."""

ERASED_AT_ONCE = 200
"""Rows that one transaction replaces, of any length up to a frame's."""


class SqliteMessageReader:
    """
    Reads logs from any process, while another writes.

    A damaged row is never served as a message: it comes as a `DamagedRow`, reported and counted (`storage.damage`). Its seq
    stays taken and its key stays known to `find`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = Unsealer()
        self._readers = Threads(f"{path.stem}-reader", READER_THREADS, partial(_connect_reader, path))

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        return self._rows.damaged_rows

    async def aclose(self) -> None:
        """Close the connections."""
        await self._readers.aclose()

    async def load_log(self, home_key: str, tail: int) -> LogState | None:
        """See `ports.MessageReader`."""
        return await self._read(lambda connection: self._load_log(connection, home_key, tail))

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        return await self._read(lambda connection: queries.heads(connection, conversation_ids))

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        return await self._read(
            lambda connection: self._rows.unseal(
                conversation_id, queries.read_range(connection, conversation_id, begin, end, newest)
            )
        )

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        return await self._read(
            lambda connection: self._rows.unseal(conversation_id, queries.read_seqs(connection, conversation_id, seqs))
        )

    async def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """See `ports.MessageReader`."""
        return await self._read(lambda connection: queries.find(connection, conversation_id, sender_id, client_id))

    async def read_marks(self, home_key: str) -> dict[str, int]:
        """See `ports.MessageReader`."""
        return await self._read(lambda connection: queries.read_marks(connection, home_key))

    async def origin(self) -> ConversationSeq:
        """See `ports.MessageReader`."""
        return await self._read(queries.origin)

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """See `ports.MessageReader`."""
        return await self._read(lambda connection: queries.page_heads(connection, after, limit))

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        def run(connection: sqlite3.Connection) -> T:
            with driver_errors(self._path):
                return query(connection)

        return await self._readers.run(run)

    def _load_log(self, connection: sqlite3.Connection, home_key: str, tail: int) -> LogState | None:
        found = queries.load_log(connection, home_key, tail)
        if found is None:
            return None
        state, rows = found
        tail_rows = (
            row for conversation_id, columns in rows.items() for row in self._rows.unseal(conversation_id, columns)
        )
        return state._replace(tail=tuple(intact(tail_rows)))


class SqliteMessageStore(SqliteMessageReader):
    """
    Writes logs: one thread, one transaction per call of `write`, fsync before it returns.

    Args:
        path: the file.
        clock: Unix seconds; says when a row was stored.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(path)
        self._clock = clock
        self._writer = Threads(f"{path.stem}-writer", 1, partial(Writer, path))

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await super().aclose()
        await self._writer.aclose()

    async def claim(self, partitions: Sequence[str], owner: str) -> dict[str, int]:
        """See `ports.MessageStore`."""

        def run(writer: Writer) -> dict[str, int]:
            with writer.transaction() as connection:
                return claim(connection, partitions, owner)

        return await self._writer.run(run)

    async def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """
        See `ports.MessageStore`.

        ValueError, and nothing is written, if one of the writes contradicts itself (`log_rules.check_write`).
        """
        for one in writes:
            check_write(one)
        return await self._writer.run(partial(_write, writes, int(self._clock() * 1000)))

    async def expired(self, age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        """See `ports.RetentionStore`."""
        before_ms = int(self._clock() * 1000) - age_ms
        return await self._read(lambda connection: retention.expired(connection, before_ms, limit, skip))

    async def forget(self, conversation_id: ConversationID, through: ConversationSeq) -> int:
        """See `ports.RetentionStore`; in short transactions, so that messages needn't wait."""

        def raise_floor(writer: Writer) -> None:
            with writer.transaction() as connection:
                retention.raise_floor(connection, conversation_id, through)

        def delete_rows(writer: Writer) -> int:
            with writer.transaction(DELETED_AT_ONCE) as connection:
                return retention.delete_rows(connection, conversation_id, DELETED_AT_ONCE)

        await self._writer.run(raise_floor)
        deleted = last = await self._writer.run(delete_rows)
        while last == DELETED_AT_ONCE:
            last = await self._writer.run(delete_rows)
            deleted += last
        return deleted

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """See `ports.ErasingStore`; in short transactions, so that messages needn't wait."""
        rows: list[StoredMessage] = []
        replaced = 0
        begin: int | None = first
        while begin is not None:
            page, begin = await self._writer.run(partial(_erase, conversation_id, user_id, begin, last))
            rows += page.rows
            replaced += page.replaced
        return Erased(tuple(rows), replaced)

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`."""
        return await self._writer.run(lambda writer: writer.scrub())


def check_whole(path: Path) -> None:
    """
    Raise UnsuitableStore if messages have left a file for a history: without it they would be taken for deleted.
    """
    with driver_errors(path), closing(connect_reader(path)) as connection:
        (gone,) = connection.execute("SELECT EXISTS (SELECT 1 FROM streams WHERE floor > 1)").fetchone()
    if gone:
        raise UnsuitableStore(f"old messages of {path.name} are in a history only; set storage.history_url as it was")


def _connect_reader(path: Path) -> sqlite3.Connection:
    with driver_errors(path):
        return connect_reader(path)


def _write(writes: Sequence[LogWrite], now_ms: int, writer: Writer) -> list[WriteResult]:
    try:
        return _commit(writer, writes, now_ms, look_up=False)
    except DuplicateFound:
        return _commit(writer, writes, now_ms, look_up=True)


def _erase(
    conversation_id: ConversationID, user_id: str, first: int, last: int, writer: Writer
) -> tuple[Erased, int | None]:
    with writer.transaction(ERASED_AT_ONCE) as connection:
        return erasure.erase(connection, conversation_id, user_id, first, last, ERASED_AT_ONCE)


def _commit(writer: Writer, writes: Sequence[LogWrite], now_ms: int, *, look_up: bool) -> list[WriteResult]:
    pages = 2 + 3 * sum(len(write.rows) for write in writes)
    with writer.transaction(pages) as connection:
        batch = Batch(connection, writes, now_ms, look_up=look_up)
        results = [batch.add(write) for write in writes]
        batch.flush()
    return results
