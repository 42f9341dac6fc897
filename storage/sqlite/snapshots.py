"""
Copies of several files as they were at one moment, made beside whoever writes them.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.sqlite.connection import BUSY_SECONDS, connect_reader, driver_errors
from openim_ray.storage.sqlite.writer_lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PAGES_AT_ONCE = 1000
"""Between two portions of a copy an interruption is heard."""


def copy_at_one_moment(copies: Mapping[Path, Path]) -> None:
    """
    Copy files (source → copy, which must not be there) as they were at one moment. Blocks; writers wait for milliseconds only.

    What is copied is what a power cut at that moment would have left. Meanwhile the write-ahead logs of the sources can't begin anew,
    and grow.

    Raises:
        Unavailable: a source can't be read or a copy not be written; copies may be left half made.
    """
    with _frozen(list(copies)) as readers:
        for reader, copy in zip(readers, copies.values(), strict=True):
            _copy(reader, copy)


def copy_file(path: Path, copy: Path) -> None:
    """
    Copy one file, which nobody writes meanwhile, durably and under its name only when it is whole. Blocks.

    Raises:
        Unavailable: it can't be read, or the copy can't be written; then there is none.
    """
    partial = copy.with_name(f".{copy.name}.partial")
    try:
        partial.unlink(missing_ok=True)  # of one that was killed
        with driver_errors(path), closing(connect_reader(path)) as reader:
            _copy(reader, partial)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        partial.rename(copy)
    except OSError as error:
        raise Unavailable(f"{copy.name}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _frozen(paths: Sequence[Path]) -> Iterator[list[sqlite3.Connection]]:
    """Lend a reader of each file; all see the moment at which no one of ours wrote to any of them."""
    with ExitStack() as opened:
        readers = []
        for path in paths:
            with driver_errors(path):
                readers.append(opened.enter_context(closing(connect_reader(path))))
        with ExitStack() as held:
            for path in paths:
                lock = held.enter_context(closing(WriterLock(path, BUSY_SECONDS)))
                held.enter_context(lock.held())
            for path, reader in zip(paths, readers, strict=True):
                with driver_errors(path):
                    reader.execute("BEGIN")
                    reader.execute(
                        "SELECT COUNT(*) FROM sqlite_master"
                    ).fetchone()  # the state is chosen at the first read
        yield readers


def _copy(reader: sqlite3.Connection, path: Path) -> None:
    path.touch(mode=0o600, exist_ok=False)
    with driver_errors(path), closing(sqlite3.connect(path, isolation_level=None)) as copy:
        reader.backup(copy, pages=PAGES_AT_ONCE)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
