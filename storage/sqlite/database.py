"""
A file as a `relational.database.Database`: SQLAlchemy over connections that are ours.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from openim_ray.storage.relational.database import refuse_nul
from openim_ray.storage.sqlite.connection import (
    connect_reader,
    connect_watcher,
    data_version,
    driver_errors,
    snapshot,
    unavailable,
)
from openim_ray.storage.sqlite.writer import Writer
from openim_ray.storage.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

T = TypeVar("T")

READER_THREADS = 2


class SqliteDatabase:
    """
    Reads on `READER_THREADS` connections; writes are short transactions on one thread, fsync before they return.

    Any number of processes may hold one file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._watcher: sqlite3.Connection | None = None
        self._readers = Threads(f"{path.stem}-reader", READER_THREADS, partial(RelationalReader, path))
        self._writer = Threads(f"{path.stem}-writer", 1, partial(RelationalWriter, path))

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._readers.aclose()
        await self._writer.aclose()
        if self._watcher is not None:
            self._watcher.close()

    def version(self) -> int | None:
        """See `relational.database.Database`; costs a tenth of a read on a thread."""
        try:
            if self._watcher is None:
                self._watcher = connect_watcher(self._path)
            return data_version(self._watcher)
        except sqlite3.Error:  # locked, say: reading it the usual way tells
            return None

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `relational.database.Database`."""

        def run(reader: RelationalReader) -> T:
            with reader.snapshot() as connection:
                return query(connection)

        return await self._readers.run(run)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """See `relational.database.Database`."""

        def run(writer: RelationalWriter) -> T:
            with writer.transaction() as connection:
                return change(connection)

        return await self._writer.run(run)

    async def scrub(self) -> bool:
        """See `relational.database.Database`."""
        return await self._writer.run(lambda writer: writer.scrub())


class RelationalReader:
    """
    Reads; held by one thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with driver_errors(path):
            self._driver = connect_reader(path)
        self._bound = bind(self._driver)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Let several queries see one state of the file."""
        with _errors(self._path), driver_errors(self._path), snapshot(self._driver):
            yield self._bound

    def close(self) -> None:
        """Close the connection."""
        self._bound.close()
        self._driver.close()


class RelationalWriter:
    """
    Writes; held by one thread. Transactions and checkpoints are `Writer`'s.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(path)
        self._bound = bind(self._writer.connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit what the block does, durably, or nothing of it."""
        with _errors(self._path), self._writer.transaction():
            yield self._bound

    def scrub(self) -> bool:
        """See `Writer.scrub`."""
        return self._writer.scrub()

    def close(self) -> None:
        """Close the connection."""
        self._bound.close()
        self._writer.close()


def bind(driver: sqlite3.Connection) -> Connection:
    """
    Return SQLAlchemy's view of a connection; transactions stay in the hands of whoever holds `driver`.
    """
    engine = create_engine("sqlite://", creator=lambda: driver, poolclass=StaticPool)
    refuse_nul(engine)
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise unavailable(path, error.orig) from error
