"""
The one door to the stores.

Every `open_…` makes or migrates what it opens and may raise `SchemaTooNew`, `UnsuitableStore` (a server that can't keep the promises)
or `Unavailable`. Whoever opens closes: `aclose()`.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from openim_ray.config.values import hide_password
from openim_ray.ports import (
    DirectoryStore,
    HistoryReader,
    HistoryStore,
    MessageReader,
    MessageStore,
    PositionReader,
    StateStore,
    TokenReader,
)
from openim_ray.storage.memory import (
    MemoryDirectoryStore,
    MemoryHistoryStore,
    MemoryMessageStore,
    MemoryStateStore,
    MemoryTables,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.config import Config
    from openim_ray.storage.relational.database import Database

EMBEDDED = ("", "sqlite")
"""What stands for a SQLite file in the data directory."""

MONGODB = ("mongodb", "mongodb+srv")
"""Schemes of a URL that names a MongoDB."""

POSTGRESQL = ("postgresql://", "postgres://")
"""How the URL of a PostgreSQL database begins."""

SERVED = ("state", "directory", "history")
"""What PostgreSQL can keep."""

IN_MEMORY = "memory:"
"""A place for tests: stores and readers of one process that name the same data directory share their tables, and nothing survives it."""


class Places(NamedTuple):
    """
    Where each store is: a URL, or empty for a SQLite file in the data directory.
    """

    data_dir: Path
    messages: str = ""
    directory: str = ""
    history: str = ""

    @classmethod
    def of(cls, config: Config) -> Places:
        """Return the places that the configuration names."""
        storage = config.storage
        return cls(Path(config.server.data_dir), storage.messages_url, storage.directory_url, storage.history_url)

    @classmethod
    def in_memory(cls, data_dir: Path) -> Places:
        """Return places of a server that forgets."""
        return cls(data_dir, IN_MEMORY, IN_MEMORY, IN_MEMORY)

    @property
    def databases(self) -> dict[str, str]:
        """The URL of each database (`storage.migrations.DATABASES`) that there is."""
        databases = {"messages": self.messages, "state": self.directory, "directory": self.directory}
        return {**databases, "history": self.history} if self.has_history else databases

    @property
    def has_history(self) -> bool:
        """Whether messages are copied to a history; SQLite's store of messages, which deletes none, is its own."""
        return not (self.messages in EMBEDDED and self.history in EMBEDDED)


class Closing(Protocol):
    """
    What every opened store has besides its port.
    """

    async def aclose(self) -> None:
        """Finish what runs, then give connections and threads back."""
        ...


class OpenMessageReader(MessageReader, Closing, Protocol):
    """
    A reader of conversation logs.
    """

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        ...


class OpenMessageStore(MessageStore, Closing, Protocol):
    """
    A writer of conversation logs.
    """


class OpenHistoryReader(HistoryReader, Closing, Protocol):
    """
    A reader of the history.
    """

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        ...


class OpenHistoryStore(HistoryStore, OpenHistoryReader, Protocol):
    """
    A writer of the history.
    """


class OpenStateReader(TokenReader, PositionReader, Closing, Protocol):
    """
    A reader of token states and read positions.
    """


class OpenStateStore(StateStore, Closing, Protocol):
    """
    A writer of token states and read positions.
    """


class OpenDirectoryStore(DirectoryStore, Closing, Protocol):
    """
    Everything about people.
    """


async def prepare(places: Places) -> None:
    """
    Make or migrate every database, before anybody opens one.
    """
    files = [database for database, url in places.databases.items() if url in EMBEDDED]
    if files:
        from openim_ray.storage.sqlite.migrate import migrate_apart

        await asyncio.to_thread(migrate_apart, places.data_dir, files)
    for url in {url for url in places.databases.values() if url.startswith(POSTGRESQL)}:
        from openim_ray.storage.postgres import migrate

        served = [database for database in SERVED if places.databases.get(database) == url]
        await asyncio.to_thread(migrate.migrate_apart, url, served)
    for database in places.databases:
        await _ensure(places, database)


async def open_message_store(places: Places) -> OpenMessageStore:
    """
    Open the conversation logs for writing.
    """
    if places.messages == IN_MEMORY:
        return MemoryMessageStore(_memory(places).messages)
    await _ensure(places, "messages")
    if _is_mongodb(places.messages):
        from openim_ray.storage.mongo.messages import MongoMessageStore

        return MongoMessageStore(places.messages)
    from openim_ray.storage.sqlite.messages import SqliteMessageStore

    return SqliteMessageStore(places.data_dir / "messages.db")


async def open_message_reader(places: Places) -> OpenMessageReader:
    """
    Open the conversation logs for reading.
    """
    if places.messages == IN_MEMORY:
        return MemoryMessageStore(_memory(places).messages)
    await _ensure(places, "messages")
    if _is_mongodb(places.messages):
        from openim_ray.storage.mongo.messages import MongoMessageReader

        return MongoMessageReader(places.messages)
    from openim_ray.storage.sqlite.messages import SqliteMessageReader

    return SqliteMessageReader(places.data_dir / "messages.db")


async def open_history_store(places: Places) -> OpenHistoryStore:
    """
    Open the history for writing; there must be one (`Places.has_history`).
    """
    if places.history == IN_MEMORY:
        return MemoryHistoryStore(_memory(places).history)
    await _ensure(places, "history")
    from openim_ray.storage.relational.history import RelationalHistoryStore

    if not places.history.startswith(POSTGRESQL):
        return RelationalHistoryStore(_database(places, "history"))
    from openim_ray.storage.postgres.bulk import copy_history_rows

    return RelationalHistoryStore(_database(places, "history"), copy_history_rows)


async def open_history_reader(places: Places) -> OpenHistoryReader:
    """
    Open the history for reading; there must be one.
    """
    if places.history == IN_MEMORY:
        return MemoryHistoryStore(_memory(places).history)
    await _ensure(places, "history")
    from openim_ray.storage.relational.history import RelationalHistoryReader

    return RelationalHistoryReader(_database(places, "history"))


async def open_state_store(
    places: Places,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - the clock of those who don't bring one
) -> OpenStateStore:
    """
    Open token states and read positions for writing; `clock` (Unix seconds) decides which tokens have expired.
    """
    if places.directory == IN_MEMORY:
        return MemoryStateStore(_memory(places).state, clock)
    await _ensure(places, "state")
    from openim_ray.storage.relational.state import RelationalStateStore

    return RelationalStateStore(_database(places, "state"), clock)


async def open_state_reader(places: Places) -> OpenStateReader:
    """
    Open token states and read positions for reading.
    """
    if places.directory == IN_MEMORY:
        return MemoryStateStore(_memory(places).state)
    await _ensure(places, "state")
    from openim_ray.storage.relational.state import RelationalStateReader

    return RelationalStateReader(_database(places, "state"))


async def open_directory_store(places: Places) -> OpenDirectoryStore:
    """
    Open users, relations and conversation rows; any process may write.
    """
    if places.directory == IN_MEMORY:
        return MemoryDirectoryStore(_memory(places).directory)
    await _ensure(places, "directory")
    from openim_ray.storage.relational.directory import RelationalDirectoryStore

    return RelationalDirectoryStore(_database(places, "directory"))


_tables: dict[Path, MemoryTables] = {}


def _memory(places: Places) -> MemoryTables:
    return _tables.setdefault(places.data_dir.absolute(), MemoryTables())


def _is_mongodb(url: str) -> bool:
    return url.partition("://")[0] in MONGODB


def _database(places: Places, database: str) -> Database:
    url = places.databases[database]
    if url.startswith(POSTGRESQL):
        from openim_ray.storage.postgres.connection import Address
        from openim_ray.storage.postgres.database import PostgresDatabase

        return PostgresDatabase(Address(url), database)
    from openim_ray.storage.sqlite.database import SqliteDatabase

    return SqliteDatabase(places.data_dir / f"{database}.db")


async def _ensure(places: Places, database: str) -> None:
    url = places.databases[database]
    if url == IN_MEMORY:
        return
    if database == "messages" and _is_mongodb(url):
        from openim_ray.storage.mongo.schema import ensure_schema as ensure_collections

        await ensure_collections(url)
        return
    if url in EMBEDDED:
        from openim_ray.storage.sqlite.migrate import ensure_schema

        ensure = partial(ensure_schema, places.data_dir / f"{database}.db", database)
    elif url.startswith(POSTGRESQL) and database in SERVED:
        from openim_ray.storage.postgres import migrate
        from openim_ray.storage.postgres.connection import Address

        ensure = partial(migrate.ensure_schema, Address(url), database)
    else:
        raise ValueError(f"no store is known for {hide_password(url)}")
    with ThreadPoolExecutor(1, thread_name_prefix="schema") as executor:
        await asyncio.get_running_loop().run_in_executor(executor, ensure)
