"""
Schemas of the SQLite files: from empty to the newest, once, and never downwards.
"""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from openim_ray.config import Config
from openim_ray.domain.errors import SchemaTooNew, Unavailable
from openim_ray.prepare import settle
from openim_ray.storage.envelope import seal
from openim_ray.storage.migrations import DATABASES, revisions
from openim_ray.storage.open import (
    open_directory_store,
    open_history_reader,
    open_history_store,
    open_message_reader,
    open_message_store,
    open_state_reader,
    open_state_store,
    prepare,
)
from openim_ray.storage.places import IN_MEMORY, Places
from openim_ray.storage.relational.directory_tables import METADATA as DIRECTORY
from openim_ray.storage.relational.history_tables import METADATA as HISTORY
from openim_ray.storage.relational.state_tables import METADATA as STATE
from openim_ray.storage.sqlite.database import bind
from openim_ray.storage.sqlite.migrate import ensure_schema, migrate_apart, run_revisions
from openim_ray.storage.sqlite.new_files import schema
from openim_ray.storage.sqlite.write_schemas import dump
from tests.contract.rows import CHAT, TIME, message, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import MetaData

    from openim_ray.domain.message import StoredMessage

ENSURE = """
import sys
from pathlib import Path
from openim_ray.storage.sqlite.migrate import ensure_schema
sys.stdin.read()
ensure_schema(Path(sys.argv[1]), "directory")
"""


def revision(path: Path) -> str:
    """Return the revision that a file says it has."""
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def set_revision(path: Path, value: str) -> None:
    """Make a file say that it has another revision."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (value,))


@pytest.mark.parametrize("database", DATABASES)
def test_revisions_form_a_line(database: str) -> None:
    """Revisions are numbered 0001, 0002 … without a hole: the number of files is the newest revision."""
    assert list(revisions(database)) == [f"{number + 1:04d}" for number in range(len(revisions(database)))]


async def test_prepare_makes_every_file(tmp_path: Path) -> None:
    """A missing folder and its files are made, readable by their owner only, at the newest revision; again is harmless."""
    folder = tmp_path / "new" / "data"

    for places in (Places(folder), Places(folder), Places(folder, IN_MEMORY)):
        await prepare(places)
        # Messages in SQLite are their own history.
        assert (folder / "history.db").exists() == places.has_history

    for database in DATABASES:
        path = folder / f"{database}.db"
        assert revision(path) == revisions(database)[-1]
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("database", "metadata"), [("state", STATE), ("directory", DIRECTORY), ("history", HISTORY)])
def test_migrated_tables_are_those_of_the_code(tmp_path: Path, database: str, metadata: MetaData) -> None:
    """All revisions together make exactly the tables, columns, types, defaults, indexes and keys that the code names."""
    path = tmp_path / "file.db"
    ensure_schema(path, database)

    with closing(sqlite3.connect(path, isolation_level=None)) as driver, bind(driver) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("database", DATABASES)
def test_a_new_file_is_as_the_revisions_make_it(tmp_path: Path, database: str) -> None:
    """To the letter, with first rows and revision; where it isn't, `write_schemas.py` writes it down anew."""
    new, migrated = tmp_path / "new.db", tmp_path / "migrated.db"
    ensure_schema(new, database)
    run_revisions(migrated, database)

    assert schema(database) == dump(migrated)
    assert dump(new) == dump(migrated)
    settings = ("page_size", "journal_mode", "encoding", "auto_vacuum", "user_version", "application_id")
    assert pragmas(new, settings) == pragmas(migrated, settings)


def pragmas(path: Path, names: Sequence[str]) -> list[object]:
    """Return what a file says of itself."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


def test_a_schema_that_lags_behind_is_carried_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file has the newest revision even where its statements were not written down anew; nothing is kept of what it was."""
    monkeypatch.setattr("openim_ray.storage.sqlite.new_files.schema", lambda _database: make_old_schema())

    ensure_schema(tmp_path / "messages.db", "messages")

    assert revision(tmp_path / "messages.db") == revisions("messages")[-1]
    assert [one.name for one in tmp_path.glob("*schema*")] == []


def test_the_difference_would_be_seen(tmp_path: Path) -> None:
    """The comparison above isn't blind: against another database's tables it finds differences."""
    path = tmp_path / "file.db"
    ensure_schema(path, "state")

    with closing(sqlite3.connect(path, isolation_level=None)) as driver, bind(driver) as connection:
        assert compare_metadata(MigrationContext.configure(connection), DIRECTORY)


WITHOUT_ALEMBIC = """
import asyncio, pathlib, sys
from openim_ray.storage.open import prepare
from openim_ray.storage.places import Places
asyncio.run(prepare(Places(pathlib.Path(sys.argv[1]))))
print("alembic" in sys.modules)
"""


def test_who_prepares_does_not_keep_the_tools_in_memory(tmp_path: Path) -> None:
    """The process that starts the server lives as long as it; Alembic is needed for a second."""
    command = [sys.executable, "-c", WITHOUT_ALEMBIC, str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "False"
    assert revision(tmp_path / "messages.db") == revisions("messages")[-1]


async def test_without_a_process_of_its_own_files_are_carried_forward_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can be started, it is done all the same."""
    make_old_messages(tmp_path / "messages.db", [message(1)])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))

    await prepare(Places(tmp_path))

    assert revision(tmp_path / "messages.db") == revisions("messages")[-1]


def test_a_process_of_its_own_carries_forward_what_is_old(tmp_path: Path) -> None:
    """It keeps the file as it was, and makes none that isn't there."""
    make_old_messages(tmp_path / "messages.db", [message(1)])

    migrate_apart(tmp_path, DATABASES)

    assert revision(tmp_path / "messages.db") == revisions("messages")[-1]
    assert revision(tmp_path / "messages.db.schema-0001") == "0001"
    assert not (tmp_path / "state.db").exists()


def places_with(data_dir: Path, database: str) -> Places:
    """Return places among which a database is a file."""
    return Places(data_dir, IN_MEMORY) if database == "history" else Places(data_dir)


@pytest.mark.parametrize("database", DATABASES)
async def test_a_newer_file_is_refused(data_dir: Path, database: str) -> None:
    """A file of a newer server is left untouched, and the error says which file, what it has and what is known."""
    path = data_dir / f"{database}.db"
    set_revision(path, "0999")
    before = path.read_bytes()

    with pytest.raises(SchemaTooNew, match=rf"{database}\.db has schema 0999, .* up to {revisions(database)[-1]}"):
        await prepare(places_with(data_dir, database))

    assert path.read_bytes() == before


async def test_every_door_looks_at_the_schema(data_dir: Path) -> None:
    """Stores and readers refuse a newer file, not only `prepare`."""
    for database in DATABASES:
        set_revision(data_dir / f"{database}.db", "0999")

    doors = {
        "messages": (open_message_store, open_message_reader),
        "state": (open_state_store, open_state_reader),
        "directory": (open_directory_store,),
        "history": (open_history_store, open_history_reader),
    }
    assert doors.keys() == set(DATABASES)
    for database, opening in doors.items():
        for door in opening:
            with pytest.raises(SchemaTooNew):
                await door(places_with(data_dir, database))


def make_old_schema() -> str:
    """Return the statements by which version 0001 made a file for messages."""
    first = importlib.import_module("openim_ray.storage.migrations.messages.0001_logs")
    version = (
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('0001')",
    )
    return "".join(f"{statement};\n" for statement in (*first.STATEMENTS, *version))


def make_old_messages(path: Path, rows: Sequence[StoredMessage]) -> None:
    """Make a file as version 0001 did, and leave the rows in its write-ahead log, as a killed server does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(make_old_schema())
        connection.execute("INSERT INTO logs VALUES (1, 'alice_bob', '[\"alice\", \"bob\"]')")
        connection.execute("INSERT INTO streams VALUES (1, ?, 1, ?, ?)", (CHAT, rows[-1].seq, rows[-1].send_time))
        connection.execute("INSERT INTO sent VALUES (1, 'alice', ?)", (rows[-1].seq,))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.executemany(
        "INSERT INTO messages VALUES (NULL, 1, ?, ?, ?, ?, ?, ?, ?)",
        [(one.seq, one.sender_id, one.client_id, one.server_id, one.send_time, one.rev, seal(one)) for one in rows],
    )
    files = {name: Path(f"{path}{name}").read_bytes() for name in ("", "-wal")}
    writer.close()
    for name, content in files.items():
        Path(f"{path}{name}").write_bytes(content)


async def test_messages_of_an_older_version_are_kept(tmp_path: Path) -> None:
    """They are read as they were, and age from when they were sent; the file as it was is kept beside."""
    path = tmp_path / "messages.db"
    rows = [message(seq) for seq in range(1, 4)]
    make_old_messages(path, rows)

    store = await open_message_store(Places(tmp_path), clock=lambda: TIME / 1000 + 60)
    assert revision(path) == revisions("messages")[-1]
    assert list(await store.read_range(CHAT, 1, 10, 10)) == rows
    assert await store.expired(59_000, 10) == {CHAT: 3}
    assert await store.expired(61_000, 10) == {}
    head = (await store.heads([CHAT]))[CHAT]
    assert (head.max_seq, head.floor, head.skipped) == (3, 1, ())
    await store.write([write(message(4))])
    await store.aclose()
    old = tmp_path / "messages.db.schema-0001"
    assert revision(old) == "0001"
    assert old.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT seq FROM messages").fetchall() == [(1,), (2,), (3,)]


def settings(data_dir: Path) -> Config:
    """Return the settings of a server that only needs a data directory."""
    server = msgspec.structs.replace(Config().server, data_dir=str(data_dir), ws_port=0, api_port=0)
    return msgspec.structs.replace(Config(), server=server)


def test_a_start_says_what_it_carries_forward(tmp_path: Path) -> None:
    """In one line for each file, once; another old file later is kept beside the first."""
    path = tmp_path / "messages.db"
    told: list[str] = []
    for number in range(2):
        for name in ("", "-wal", "-shm"):
            Path(f"{path}{name}").unlink(missing_ok=True)
        make_old_messages(path, [message(seq) for seq in range(1, 4 + number)])
        settle(settings(tmp_path), tmp_path, told.append)
        settle(settings(tmp_path), tmp_path, told.append)
    kept = [f"{path}.schema-0001", f"{path}.schema-0001-1"]
    said = f"messages.db was carried forward from schema 0001 to {revisions('messages')[-1]}; as it was, it is kept in "
    assert told == [said + one for one in kept]
    for number, one in enumerate(kept):
        with closing(sqlite3.connect(one)) as connection:
            assert connection.execute("SELECT COUNT(*) FROM messages").fetchone() == (3 + number,)


FULL = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
from openim_ray.cli import main
sys.exit(main(["up", "--data-dir", sys.argv[1], "--ws-port", "0", "--api-port", "0"]))
"""


def test_without_room_for_the_copy_nothing_is_carried_forward(tmp_path: Path) -> None:
    """The start fails with a line that names the copy; the file is as it was, and nothing half made lies beside it."""
    path = tmp_path / "messages.db"
    make_old_messages(path, [message(seq, body=b"x" * 1000) for seq in range(1, 600)])
    before = {name: Path(f"{path}{name}").read_bytes() for name in ("", "-wal")}

    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)

    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert "messages.db.schema-0001" in line
    assert {name: Path(f"{path}{name}").read_bytes() for name in before} == before
    assert revision(path) == "0001"
    assert not [one.name for one in tmp_path.iterdir() if "schema" in one.name]


async def test_a_reader_may_come_first(tmp_path: Path) -> None:
    """A reader that is opened before any file exists makes it, and sees what a store writes afterwards."""
    reader = await open_message_reader(Places(tmp_path))
    store = await open_message_store(Places(tmp_path))

    assert await reader.read_marks("a_b") == {}
    await store.claim(["p"], "owner")

    await reader.aclose()
    await store.aclose()


def test_several_processes_at_once(tmp_path: Path) -> None:
    """Processes that find no file all succeed: one makes it, the others wait for it."""
    path = tmp_path / "directory.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", ENSURE, str(path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()  # they all start at this
    faults = [process.stderr.read().decode() for process in processes if process.stderr is not None]
    for process in processes:
        if process.stderr is not None:
            process.stderr.close()

    assert [process.wait() for process in processes] == [0, 0, 0], faults
    assert revision(path) == revisions("directory")[-1]


async def test_a_migration_that_was_killed_is_made_again(tmp_path: Path) -> None:
    """A file that was touched but never migrated counts as new."""
    (tmp_path / "messages.db").touch()

    store = await open_message_store(Places(tmp_path))
    assert await store.claim(["p"], "owner") == {"p": 1}
    await store.aclose()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """A file that is no SQLite database is left alone."""
    path = tmp_path / "messages.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)

    with pytest.raises(Unavailable, match=r"messages.db: SQLITE_NOTADB"):
        ensure_schema(path, "messages")

    assert path.read_bytes().startswith(b"not a database")


async def test_an_unknown_place(tmp_path: Path) -> None:
    """A place that no store is known for is named, without its password."""
    with pytest.raises(ValueError, match=r"no store is known for oracle://me:\*\*\*@host/db"):
        await prepare(Places(tmp_path, "oracle://me:secret@host/db"))


async def test_opening_at_once_in_one_process(tmp_path: Path) -> None:
    """Several openings of a fresh folder at the same time make each file once."""
    stores = await asyncio.gather(*(open_directory_store(Places(tmp_path)) for _ in range(4)))

    assert revision(tmp_path / "directory.db") == revisions("directory")[-1]
    for store in stores:
        await store.aclose()
