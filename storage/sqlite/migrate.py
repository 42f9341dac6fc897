"""
Schemas of the SQLite files: made, raised and judged here. As a program, it does so for some files of a folder.

The revisions stand in `storage/migrations/<database>/NNNN_name.py`, one straight line each; Alembic runs them. Opening a
file that is up to date, or making a new one (`new_files.py`), doesn't import Alembic.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from openim_ray.domain.errors import OpenIMError, SchemaTooNew, SchemaTooOld, Unavailable
from openim_ray.storage.migrations import MIGRATE_SECONDS, revisions
from openim_ray.storage.sqlite.connection import BUSY_SECONDS, PAGE_BYTES, driver_errors
from openim_ray.storage.sqlite.new_files import make
from openim_ray.storage.sqlite.snapshots import copy_file
from openim_ray.storage.sqlite.writer_lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

VERSION_TABLE = "alembic_version"


def ensure_schema(path: Path, database: str, *, keep_old: bool = True) -> None:
    """
    Bring a file to the newest revision; make it if there is none. Blocks; safe in several processes at once.

    A file of an older revision is copied before (`copies_of`), unless it needs not be kept.

    Raises:
        SchemaTooNew: a newer server wrote the file.
        Unavailable: it can't be read or written, or there is no room for the copy; then it stays as it is.
    """
    with driver_errors(path):
        if _is_current(path, database):
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = WriterLock(path, MIGRATE_SECONDS)
        with closing(lock), lock.held():
            if _revision(path) is None:
                _make(path, database)
            elif keep_old and not _is_current(path, database):
                _keep_old(path)
            if not _is_current(path, database):
                run_revisions(path, database)


def require_schema(path: Path, database: str) -> None:
    """
    Raise unless a file is there at the newest revision; changes nothing. Blocks.

    Raises:
        SchemaTooNew, SchemaTooOld: it is not, or there is none.
        Unavailable: it can't be read.
    """
    with driver_errors(path):
        if not _is_current(path, database):
            raise SchemaTooOld(path.name, _revision(path) or "", revisions(database)[-1])


def old_revision(path: Path, database: str) -> str | None:
    """
    Return the revision of a file that has to be carried forward; None if there is none, or it is not older. Blocks.

    Raises:
        SchemaTooNew: a newer server wrote the file.
        Unavailable: it can't be read.
    """
    with driver_errors(path):
        return None if _is_current(path, database) else _revision(path)


def copies_of(path: Path) -> list[Path]:
    """
    Return the copies of a file that were made before it was carried forward: `<file>.schema-NNNN`, and further ones with a number.
    """
    return sorted(path.parent.glob(f"{path.name}.schema-*"), key=lambda copy: copy.stat().st_mtime_ns)


def _keep_old(path: Path) -> None:
    found = _revision(path)
    if found is None:
        return
    name = f"{path.name}.schema-{found}"
    copy, number = path.with_name(name), 0
    while copy.exists():  # of a start that was killed, or of a file that was put back since
        number += 1
        copy = path.with_name(f"{name}-{number}")
    try:
        copy_file(path, copy)
    except Unavailable as error:
        raise Unavailable(
            f"{path.name} is not carried forward, for it can't be copied to {copy.name}: {error.detail}"
        ) from error
    _fsync_folder(path.parent)


def migrate_apart(folder: Path, databases: Sequence[str]) -> None:
    """
    Carry older files of these databases forward in a process of its own, as far as it can be done.

    For processes that live long: what Alembic brings into memory (20 MB) would stay there. Whatever fails is left to `ensure_schema`, which
    says what is wrong.
    """
    try:
        old = [database for database in databases if old_revision(folder / f"{database}.db", database) is not None]
    except (OpenIMError, OSError):
        return
    if not old:
        return
    command = [sys.executable, "-m", __spec__.name, str(folder), *old]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - this interpreter, this file
            command,
            timeout=MIGRATE_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _is_current(path: Path, database: str) -> bool:
    found, known = _revision(path), revisions(database)
    if found is not None and found not in known:
        raise SchemaTooNew(path.name, found, known[-1])
    return found == known[-1]


def _revision(path: Path) -> str | None:
    if not path.exists() or path.stat().st_size == 0:
        return None
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _make(path: Path, database: str) -> None:
    with closing(_connect(path)) as connection:
        make(connection, database)
    _fsync_folder(path.parent)


def run_revisions(path: Path, database: str) -> None:
    """
    Run the revisions that a file, which need not be there, doesn't have yet. Blocks; nobody else may do so meanwhile.
    """
    # Imported only when there is something to do: Alembic takes a third of a second.
    from sqlalchemy import create_engine, event  # noqa: PLC0415
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    from openim_ray.storage.migrations.run import upgrade  # noqa: PLC0415

    with closing(_connect(path)) as connection:
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        event.listen(engine, "begin", _begin_immediate)
        with engine.begin() as bound:
            upgrade(bound, database, VERSION_TABLE)
    _fsync_folder(path.parent)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    return connection


def _fsync_folder(folder: Path) -> None:
    """Make the file's name durable; SQLite syncs a folder for journals only."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _main(folder: str, databases: Iterable[str]) -> None:
    for database in databases:
        ensure_schema(Path(folder) / f"{database}.db", database)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
