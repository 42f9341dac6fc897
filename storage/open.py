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
from typing import TYPE_CHECKING

from openim_ray.config.values import hide_password
from openim_ray.domain.errors import Unavailable
from openim_ray.storage.memory import (
    MemoryDirectoryStore,
    MemoryHistoryStore,
    MemoryMessageStore,
    MemoryStateStore,
    MemoryTables,
)
from openim_ray.storage.places import EMBEDDED, IN_MEMORY, SERVED, Places, is_mongodb, is_postgresql
from openim_ray.storage.tiered import TieredMessageReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.storage.relational.database import Database
    from openim_ray.storage.stores import (
        OpenDirectoryStore,
        OpenHistoryReader,
        OpenHistoryStore,
        OpenMessageReader,
        OpenMessageStore,
        OpenStateReader,
        OpenStateStore,
    )


async def prepare(places: Places) -> None:
    """
    Make or migrate every database, before anybody opens one.

    A server that is not there yet is left to whoever opens its database, and waits for it. Nobody waits for a Redis.
    """
    if places.tokens:
        from openim_ray.storage.redis.connection import check_server

        await check_server(places.tokens)
    files = [database for database, url in places.databases.items() if url in EMBEDDED]
    if files:
        from openim_ray.storage.sqlite.migrate import migrate_apart

        await asyncio.to_thread(migrate_apart, places.data_dir, files)
    for url in {url for url in places.databases.values() if is_postgresql(url)}:
        from openim_ray.storage.postgres import migrate

        served = [database for database in SERVED if places.databases.get(database) == url]
        await asyncio.to_thread(migrate.migrate_apart, url, served)
    await asyncio.gather(*(_ensure_if_there(places, database) for database in places.databases))
    if not places.has_history:
        from openim_ray.storage.sqlite.messages import check_whole

        await asyncio.to_thread(check_whole, places.data_dir / "messages.db")


async def old_files(places: Places) -> dict[str, str]:
    """
    Return the files in the data directory that `prepare` will carry forward, each with the revision that it has.
    """
    from openim_ray.storage.sqlite.migrate import old_revision

    found = {}
    for database, url in places.databases.items():
        if url in EMBEDDED:
            path = places.data_dir / f"{database}.db"
            if (revision := await asyncio.to_thread(old_revision, path, database)) is not None:
                found[path.name] = revision
    return found


async def keep_damaged_logs(places: Places) -> list[str]:
    """
    Copy write-ahead logs of files aside that have lost commits by damage, and return a line for each.
    """
    from openim_ray.storage.sqlite.wal_inspection import keep_if_damaged

    lines: list[str] = []
    for database, url in places.databases.items():
        if url in EMBEDDED:
            lines += await asyncio.to_thread(keep_if_damaged, places.data_dir / f"{database}.db")
    return lines


def newest_copy(path: Path) -> Path:
    """
    Return the copy that was made of a file before it was carried forward last.
    """
    from openim_ray.storage.sqlite.migrate import copies_of

    return copies_of(path)[-1]


async def require_schemas(places: Places) -> None:
    """
    Raise unless every database is there at this version, and change nothing: for those who only look.

    Whoever opens a reader afterwards changes nothing, either. Raises `SchemaTooOld` besides what opening raises.
    """
    for database, url in places.databases.items():
        if url != IN_MEMORY:
            await _require(places, database, url)


async def _require(places: Places, database: str, url: str) -> None:
    if database == "messages" and is_mongodb(url):
        from openim_ray.storage.mongo.schema import require_schema as require_collections

        await require_collections(url)
        return
    if url in EMBEDDED:
        from openim_ray.storage.sqlite.migrate import require_schema

        require = partial(require_schema, places.data_dir / f"{database}.db", database)
    else:
        from openim_ray.storage.postgres import migrate
        from openim_ray.storage.postgres.connection import Address

        require = partial(migrate.require_schema, Address(url), database)
    await asyncio.to_thread(require)


async def inspect_files(places: Places) -> dict[str, list[str]]:
    """
    Return what SQLite itself finds wrong with each file in the data directory, by the file's name; nothing of those that are well.
    """
    found = {}
    for database, url in places.databases.items():
        if url in EMBEDDED:
            from openim_ray.storage.sqlite.inspection import inspect

            path = places.data_dir / f"{database}.db"
            if faults := await asyncio.to_thread(inspect, path):
                found[path.name] = faults
    return found


async def _ensure_if_there(places: Places, database: str) -> None:
    try:
        await _ensure(places, database)
    except Unavailable:
        if places.databases[database] in EMBEDDED:
            raise


async def open_message_store(
    places: Places,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - the clock of those who don't bring one
) -> OpenMessageStore:
    """
    Open the conversation logs for writing; `clock` (Unix seconds) says when a message was stored.
    """
    if places.messages == IN_MEMORY:
        return MemoryMessageStore(_memory(places).messages)
    await _ensure(places, "messages")
    if is_mongodb(places.messages):
        from openim_ray.storage.mongo.messages import MongoMessageStore

        return MongoMessageStore(places.messages)
    from openim_ray.storage.sqlite.messages import SqliteMessageStore

    return SqliteMessageStore(places.data_dir / "messages.db", clock)


async def open_message_reader(places: Places) -> OpenMessageReader:
    """
    Open the conversation logs for reading, with the history behind them if there is one.
    """
    messages = await open_recent_messages(places)
    return TieredMessageReader(messages, partial(open_history_reader, places)) if places.has_history else messages


async def open_recent_messages(places: Places) -> OpenMessageReader:
    """
    Open the conversation logs for reading as far as the message store holds them, whatever the history has.
    """
    if places.messages == IN_MEMORY:
        return MemoryMessageStore(_memory(places).messages)
    await _ensure(places, "messages")
    if is_mongodb(places.messages):
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

    if not is_postgresql(places.history):
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
    *,
    writer: str = "",
) -> OpenStateStore:
    """
    Open token states and read positions for writing; `clock` (Unix seconds) decides which tokens have expired.

    `writer` is the persistence actor that opens it: it has to change the hot copies, if there are any.
    """
    relational = await _open_relational_state_store(places, clock)
    if not places.tokens or not writer:
        return relational
    from openim_ray.storage.redis.keys import Keys
    from openim_ray.storage.redis.state import HotStateStore

    return HotStateStore(relational, places.tokens, Keys.of(places, [writer]), writer)


async def _open_relational_state_store(places: Places, clock: Callable[[], float]) -> OpenStateStore:
    if places.directory == IN_MEMORY:
        return MemoryStateStore(_memory(places).state, clock)
    await _ensure(places, "state")
    from openim_ray.storage.relational.state import RelationalStateStore

    return RelationalStateStore(_database(places, "state"), clock)


async def open_state_reader(places: Places, writers: Sequence[str] = ()) -> OpenStateReader:
    """
    Open token states and read positions for reading. Hot copies are looked at if `writers`, all persistence actors, are named.
    """
    relational = await _open_relational_state_reader(places)
    if not places.tokens or not writers:
        return relational
    from openim_ray.storage.redis.keys import Keys
    from openim_ray.storage.redis.state import HotStateReader

    return HotStateReader(relational, places.tokens, Keys.of(places, writers))


async def _open_relational_state_reader(places: Places) -> OpenStateReader:
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


def _database(places: Places, database: str) -> Database:
    url = places.databases[database]
    if is_postgresql(url):
        from openim_ray.storage.postgres.connection import Address
        from openim_ray.storage.postgres.database import PostgresDatabase

        return PostgresDatabase(Address(url), database)
    from openim_ray.storage.sqlite.database import SqliteDatabase

    return SqliteDatabase(places.data_dir / f"{database}.db")


async def _ensure(places: Places, database: str) -> None:
    url = places.databases[database]
    if url == IN_MEMORY:
        return
    if database == "messages" and is_mongodb(url):
        from openim_ray.storage.mongo.schema import ensure_schema as ensure_collections

        await ensure_collections(url)
        return
    if url in EMBEDDED:
        from openim_ray.storage.sqlite.migrate import ensure_schema

        ensure = partial(ensure_schema, places.data_dir / f"{database}.db", database)
    elif is_postgresql(url) and database in SERVED:
        from openim_ray.storage.postgres import migrate
        from openim_ray.storage.postgres.connection import Address

        ensure = partial(migrate.ensure_schema, Address(url), database)
    else:
        raise ValueError(f"no store is known for {hide_password(url)}")
    executor = ThreadPoolExecutor(1, thread_name_prefix="schema")
    work = asyncio.get_running_loop().run_in_executor(executor, ensure)
    work.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen, also where nobody waits any more
    try:
        await asyncio.shield(work)
    finally:
        # Who is cancelled meanwhile doesn't wait; the thread ends with its work.
        executor.shutdown(wait=work.done())
