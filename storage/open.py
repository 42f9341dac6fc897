"""
The one door to the stores.

Kind "sqlite" keeps files in the data directory. Kind "memory" is for tests: stores and readers of one process that name the same
data directory share their tables, and nothing survives the process.

Every `open_…` makes or migrates what it opens and may raise `SchemaTooNew` or `Unavailable`. Whoever opens closes: `aclose()`.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from openim_ray.ports import (
    DirectoryStore,
    MessageReader,
    MessageStore,
    PositionReader,
    StateStore,
    TokenReader,
)
from openim_ray.storage.memory import (
    MemoryDirectoryStore,
    MemoryMessageStore,
    MemoryStateStore,
    MemoryTables,
)
from openim_ray.storage.migrations import DATABASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KINDS = ("sqlite", "memory")


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


async def prepare(data_dir: Path, kind: str = "sqlite") -> None:
    """
    Make or migrate every file of the data directory, before anybody opens one.
    """
    if kind == "sqlite":
        from openim_ray.storage.sqlite.migrate import migrate_apart

        await asyncio.to_thread(migrate_apart, data_dir)
    for database in DATABASES:
        await _ensure(data_dir, database, kind)


async def open_message_store(data_dir: Path, kind: str = "sqlite") -> OpenMessageStore:
    """
    Open the conversation logs for writing.
    """
    if kind == "memory":
        return MemoryMessageStore(_memory(data_dir).messages)
    await _ensure(data_dir, "messages", kind)
    from openim_ray.storage.sqlite.messages import SqliteMessageStore

    return SqliteMessageStore(data_dir / "messages.db")


async def open_message_reader(data_dir: Path, kind: str = "sqlite") -> OpenMessageReader:
    """
    Open the conversation logs for reading.
    """
    if kind == "memory":
        return MemoryMessageStore(_memory(data_dir).messages)
    await _ensure(data_dir, "messages", kind)
    from openim_ray.storage.sqlite.messages import SqliteMessageReader

    return SqliteMessageReader(data_dir / "messages.db")


async def open_state_store(
    data_dir: Path,
    kind: str = "sqlite",
    clock: Callable[[], float] = time.time,  # noqa: TID251 - the clock of those who don't bring one
) -> OpenStateStore:
    """
    Open token states and read positions for writing; `clock` (Unix seconds) decides which tokens have expired.
    """
    if kind == "memory":
        return MemoryStateStore(_memory(data_dir).state, clock)
    await _ensure(data_dir, "state", kind)
    from openim_ray.storage.sqlite.state import SqliteStateStore

    return SqliteStateStore(data_dir / "state.db", clock)


async def open_state_reader(data_dir: Path, kind: str = "sqlite") -> OpenStateReader:
    """
    Open token states and read positions for reading.
    """
    if kind == "memory":
        return MemoryStateStore(_memory(data_dir).state)
    await _ensure(data_dir, "state", kind)
    from openim_ray.storage.sqlite.state import SqliteStateReader

    return SqliteStateReader(data_dir / "state.db")


async def open_directory_store(data_dir: Path, kind: str = "sqlite") -> OpenDirectoryStore:
    """
    Open users, relations and conversation rows; any process may write.
    """
    if kind == "memory":
        return MemoryDirectoryStore(_memory(data_dir).directory)
    await _ensure(data_dir, "directory", kind)
    from openim_ray.storage.sqlite.directory import SqliteDirectoryStore

    return SqliteDirectoryStore(data_dir / "directory.db")


_tables: dict[Path, MemoryTables] = {}


def _memory(data_dir: Path) -> MemoryTables:
    return _tables.setdefault(data_dir.absolute(), MemoryTables())


async def _ensure(data_dir: Path, database: str, kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"storage kind {kind!r}: one of {', '.join(KINDS)}")
    if kind == "memory":
        return
    from openim_ray.storage.sqlite.migrate import ensure_schema

    with ThreadPoolExecutor(1, thread_name_prefix="schema") as executor:
        path = data_dir / f"{database}.db"
        await asyncio.get_running_loop().run_in_executor(executor, ensure_schema, path, database)
