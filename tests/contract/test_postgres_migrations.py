"""
Schemas in PostgreSQL: from empty to the newest, once, never downwards, and only where the promises can be kept.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from openim_ray.config import load_config
from openim_ray.domain.errors import SchemaTooNew, Unavailable, UnsuitableStore
from openim_ray.prepare import StartError, settle
from openim_ray.storage.migrations import revisions
from openim_ray.storage.open import (
    open_directory_store,
    open_history_reader,
    open_state_reader,
    open_state_store,
    prepare,
)
from openim_ray.storage.places import SERVED, Places
from openim_ray.storage.postgres import migrate
from openim_ray.storage.postgres.migrate import MIGRATION_LOCK, version_table
from openim_ray.storage.relational.directory_tables import METADATA as DIRECTORY
from openim_ray.storage.relational.history_tables import METADATA as HISTORY
from openim_ray.storage.relational.state_tables import METADATA as STATE
from tests.contract.test_migrations import WITHOUT_ALEMBIC

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import MetaData

    from tests.servers.postgres import Databases

PROCESSES = 3
"""Who start at once: one makes the tables, and more than one waits."""

DOORS = (open_state_store, open_state_reader, open_directory_store)

ENSURE = """
import sys
from openim_ray.storage.postgres.connection import Address
from openim_ray.storage.postgres.migrate import ensure_schema
address = Address(sys.argv[1])
sys.stdin.read()
for database in ("directory", "state"):
    ensure_schema(address, database)
"""

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

PREPARE = WITHOUT_ALEMBIC.replace(
    "Places(pathlib.Path(sys.argv[1]))", "Places(pathlib.Path(sys.argv[1]), '', sys.argv[2])"
)


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    """Lend a database without tables."""
    url = databases.make()
    yield url
    databases.drop(url)


@pytest.fixture
def folder(fresh_files: Path, tmp_path: Path) -> Path:
    """A data directory whose file of messages is there: only what PostgreSQL holds has to be made."""
    shutil.copy(fresh_files / "messages.db", tmp_path)
    return tmp_path


def ask(url: str, statement: str) -> list[Any]:
    """Return the rows of a query."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def revision(url: str, database: str) -> str:
    """Return the revision that a database says it has."""
    return str(ask(url, f"SELECT version_num FROM {version_table(database)}")[0][0])


def files(folder: Path) -> list[str]:
    """Return the names of the databases in a folder."""
    return [path.name for path in folder.glob("*.db")]


async def test_prepare_makes_both(tmp_path: Path, empty_url: str) -> None:
    """State and directory are made in one database, at the newest revision, each with its own count; again is harmless."""
    places = Places(tmp_path, directory=empty_url, history=empty_url)

    await prepare(places)
    await prepare(places)

    assert [revision(empty_url, database) for database in SERVED] == [revisions(database)[-1] for database in SERVED]
    assert files(tmp_path) == ["messages.db"]


async def test_the_other_form_of_the_url(tmp_path: Path, empty_url: str) -> None:
    """A URL may begin with postgres://, too, and carry options."""
    url = empty_url.replace("postgresql://", "postgres://") + "?sslmode=prefer&connect_timeout=60"
    store = await open_directory_store(Places(tmp_path, directory=url))
    assert await store.users(["nobody"]) == {}
    await store.aclose()


@pytest.mark.parametrize(("database", "metadata"), [("state", STATE), ("directory", DIRECTORY), ("history", HISTORY)])
def test_migrated_tables_are_those_of_the_code(postgres_url: str, database: str, metadata: MetaData) -> None:
    """All revisions together make exactly the tables, columns, types, defaults, indexes and keys that the code names."""
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(postgres_url))
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "target_metadata": metadata,
        "version_table": version_table(database),
        "include_name": lambda name, kind, _parents: kind != "table" or name in metadata.tables,
    }
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        other = DIRECTORY if metadata is STATE else STATE
        assert compare_metadata(MigrationContext.configure(connection, opts=options), other), "the comparison is blind"
    engine.dispose()


def test_text_is_compared_by_its_bytes(postgres_url: str) -> None:
    """Every text of the tables has the collation of bytes, whatever the database's own is; every number has 64 bits."""
    columns = ask(
        postgres_url,
        "SELECT table_name || '.' || column_name, data_type, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name NOT LIKE 'alembic%'",
    )
    assert len(columns) > 60
    assert [name for name, kind, collation in columns if kind == "text" and collation != "C"] == []
    assert {kind for _, kind, _ in columns} == {"text", "bigint", "boolean", "bytea"}


def test_who_prepares_does_not_keep_the_tools_in_memory(folder: Path, empty_url: str) -> None:
    """The process that starts the server lives as long as it; Alembic is needed for a second."""
    command = [sys.executable, "-c", PREPARE, str(folder), empty_url]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "False"
    assert revision(empty_url, "directory") == revisions("directory")[-1]


async def test_without_a_process_of_its_own_tables_are_made_here(
    tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can be started, the tables are made all the same."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))

    await prepare(Places(tmp_path, directory=empty_url))

    assert revision(empty_url, "state") == revisions("state")[-1]


@pytest.mark.parametrize("database", SERVED)
async def test_a_newer_database_is_refused(folder: Path, postgres_url: str, database: str) -> None:
    """A database of a newer server is left alone, and the error says which, what it has and what is known, and no password."""
    ask(postgres_url, f"UPDATE {version_table(database)} SET version_num = '0999'")

    expected = rf"^postgresql at 127\.0\.0\.1:\d+/\w+ \({database}\) has schema 0999, .* up to {revisions(database)[-1]}: run a newer server$"
    with pytest.raises(SchemaTooNew, match=expected):
        await prepare(Places(folder, directory=postgres_url, history=postgres_url))
    doors = {"state": open_state_reader, "directory": open_directory_store, "history": open_history_reader}
    with pytest.raises(SchemaTooNew, match=expected):
        await doors[database](Places(folder, directory=postgres_url, history=postgres_url))

    assert revision(postgres_url, database) == "0999"


def test_several_processes_at_once(empty_url: str) -> None:
    """Processes that find no tables all succeed: one makes them, the others wait for it."""
    processes = [
        subprocess.Popen([sys.executable, "-c", ENSURE, empty_url], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    with psycopg.connect(empty_url) as stranger:
        stranger.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()  # they all start at this
        while ask(empty_url, WAITING) != [(PROCESSES,)]:
            assert [process.poll() for process in processes] == [None] * PROCESSES, "somebody didn't wait"
            time.sleep(0.05)
        assert ask(empty_url, "SELECT to_regclass('users')") == [(None,)]
    faults = [process.stderr.read().decode() for process in processes if process.stderr is not None]
    for process in processes:
        if process.stderr is not None:
            process.stderr.close()

    assert [process.wait() for process in processes] == [0] * PROCESSES, faults
    assert revision(empty_url, "directory") == revisions("directory")[-1]


async def test_opening_at_once_in_one_process(tmp_path: Path, empty_url: str) -> None:
    """Several openings of an empty database at the same time make each table once."""
    places = Places(tmp_path, directory=empty_url)
    stores = await asyncio.gather(*(door(places) for door in DOORS * 2))

    assert revision(empty_url, "state") == revisions("state")[-1]
    for store in stores:
        await store.aclose()


async def test_an_old_server_is_refused(folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than what is needed is named with its version, at every door."""
    monkeypatch.setattr(migrate, "VERSION_MIN", 990_000)

    for door in (prepare, *DOORS):
        with pytest.raises(UnsuitableStore, match=r"is PostgreSQL \d\d; 99 is the oldest that will do$"):
            await door(Places(folder, directory=postgres_url))


def test_a_start_on_it_is_refused_in_a_line(folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts a server hears which setting names the unsuitable database, and no password."""
    monkeypatch.setattr(migrate, "VERSION_MIN", 990_000)
    ports = {"OPENIM_WS_PORT": "0", "OPENIM_API_PORT": "0"}
    config = load_config(None, {"OPENIM_STORAGE_DIRECTORY_URL": postgres_url, **ports}, {})

    with pytest.raises(StartError, match=r"^postgresql at 127\.0\.0\.1:\d+/\w+ is PostgreSQL \d\d"):
        settle(config, folder, print)


async def test_a_database_that_cannot_hold_every_name_is_refused(folder: Path, databases: Databases) -> None:
    """In a database of another encoding some names would be errors, or nonsense."""
    url = databases.make(encoding="LATIN1")

    with pytest.raises(UnsuitableStore, match=r"has the encoding LATIN1.*UTF8"):
        await prepare(Places(folder, directory=url))

    databases.drop(url)


async def test_a_wrong_password(folder: Path, postgres_url: str) -> None:
    """Who isn't let in hears why, and the password that was tried stands in no text of the error or its cause."""
    begin, _, end = postgres_url.rpartition("@")
    url = f"{begin.rpartition(':')[0]}:hush-hush-42@{end}"

    await prepare(Places(folder, directory=url))  # it may be mended, as that the server is not there
    for door in DOORS:
        with pytest.raises(Unavailable) as failure:
            await door(Places(folder, directory=url))
        error: BaseException | None = failure.value
        while error is not None:
            assert "hush" not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__
        assert "password authentication failed for user" in failure.value.detail


@pytest.mark.parametrize("url", ["postgresql://me:hush%zz@h/db", "postgresql://me:hush@h/db?nonsense=1"])
async def test_a_url_that_cannot_be_read(tmp_path: Path, url: str) -> None:
    """It is refused without being repeated."""
    with pytest.raises(ValueError, match="not a PostgreSQL URL") as failure:
        await open_directory_store(Places(tmp_path, directory=url))
    assert "hush" not in repr(failure.value)


def test_a_start_with_such_a_url_is_refused_in_a_line(folder: Path) -> None:
    """Who starts a server hears which setting can't be read."""
    ports = {"OPENIM_WS_PORT": "0", "OPENIM_API_PORT": "0"}
    config = load_config(None, {"OPENIM_STORAGE_DIRECTORY_URL": "postgresql://me:hush@h/db?nonsense=1", **ports}, {})

    with pytest.raises(StartError, match=r"^not a PostgreSQL URL: postgresql://me:\*\*\*@h/db\?nonsense=1 \(data"):
        settle(config, folder, print)


async def test_messages_are_not_kept_there(data_dir: Path, empty_url: str) -> None:
    """PostgreSQL is no place for conversation logs; the URL is named without its password."""
    with pytest.raises(ValueError, match=r"no store is known for postgresql://\w+:\*\*\*@127"):
        await prepare(Places(data_dir, messages=empty_url))
