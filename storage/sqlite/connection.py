"""
Connections to SQLite files: how they are opened, what of SQLite's errors callers see.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openim_ray.domain.errors import ArgsError, StoreDamaged, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process's before the caller is told to come again."""

PAGE_BYTES = 4096
CACHE_KIB = 16_384
"""Page cache of a writer, at most."""

READER_CACHE_KIB = 8_192
WATCHER_CACHE_KIB = 16

WAL_BYTES = 64 << 20
"""What a write-ahead log is cut back to at its next restart, if a long reader made it grow."""

STATEMENTS_MAX = 256
"""Prepared statements a connection keeps."""


INTEGER_MAX = (1 << 63) - 1

_DAMAGES = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_NO_TEXT = "Could not decode to UTF-8"


def connect_writer(path: Path) -> sqlite3.Connection:
    """
    Open a file for reading and writing; it must exist.

    A commit returns after fsync (`synchronous=FULL`). SQLite never checkpoints by itself: see `writer_lock`. What is deleted or replaced is
    overwritten with zeros (`secure_delete`).
    """
    connection = _connect(path, "rw", CACHE_KIB)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """
    Open a file for reading, beside whoever writes it.
    """
    connection = _connect(path, "ro", READER_CACHE_KIB)
    connection.execute("PRAGMA query_only = ON")
    return connection


def connect_watcher(path: Path) -> sqlite3.Connection:
    """
    Open a file for `data_version` only, which never waits for a lock.
    """
    connection = _connect(path, "ro", WATCHER_CACHE_KIB)
    connection.execute("PRAGMA busy_timeout = 0")
    return connection


def data_version(connection: sqlite3.Connection) -> int:
    """
    Return SQLite's number for the state of the file as this connection sees it: another one after each commit of any other connection, of this
    process or another. It comes from the shared memory of the write-ahead log: the disk is not read.
    """
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def json_list(values: Iterable[str | int]) -> str:
    """
    Return values for `IN (SELECT value FROM json_each(?))`: one statement for any number of them.

    Text with a NUL is left out, as SQLite's JSON would cut it there; nothing that is looked up this way holds one.
    """
    return json.dumps([value for value in values if not (isinstance(value, str) and "\0" in value)])


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """
    Let several queries see one state of the file.
    """
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def driver_errors(path: Path) -> Iterator[None]:
    """
    Turn the driver's errors (locked, disk full, I/O, malformed) into Unavailable, the cause kept.

    Half a surrogate pair in a text and a number beyond 64 bits are the caller's fault: ArgsError. What the file itself is to blame for is
    StoreDamaged, a kind of Unavailable.
    """
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise ArgsError("a value that can't be stored") from error
    except sqlite3.Error as error:
        raise unavailable(path, error) from error


def unavailable(path: Path, error: BaseException | None) -> Unavailable:
    """
    Return what callers see of an error of the driver.
    """
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    is_text = isinstance(error, sqlite3.OperationalError) and str(error).startswith(_NO_TEXT)
    kind = StoreDamaged if is_text or name.startswith(_DAMAGES) else Unavailable
    return kind(f"{path.name}: {'text is not UTF-8' if is_text else name}")


def _connect(path: Path, mode: str, cache_kib: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        cached_statements=STATEMENTS_MAX,
        check_same_thread=False,  # a store's threads use it one at a time; the last call of them closes it
    )
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
