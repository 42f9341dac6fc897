"""
The one connection of a process that writes a file: transactions and checkpoints.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from openim_ray.storage.sqlite.connection import BUSY_SECONDS, connect_writer, driver_errors
from openim_ray.storage.sqlite.writer_lock import WriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHECKPOINT_PAGES = 4000
"""The write-ahead log goes back into the file after about so many pages (16 MB): see tests/benchmarks/bench_store.py."""

SCRUB_WAIT_MS = 100
"""How long messages that are to be stored wait for readers which keep the write-ahead log from being emptied."""

log = structlog.get_logger(__name__)


class Writer:
    """
    A connection that writes, held by one thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with driver_errors(path):
            self.connection = connect_writer(path)
        self._lock = WriterLock(path, BUSY_SECONDS)
        self._pages = 0

    @contextmanager
    def transaction(self, pages: int = 8) -> Iterator[sqlite3.Connection]:
        """
        Commit what the block does, durably, or nothing of it.

        Unavailable if the commit failed: it may have happened all the same (power lost during fsync).

        Args:
            pages: how many pages the block will change, roughly; decides when to checkpoint.
        """
        with self._lock.held():
            with driver_errors(self._path):
                self.connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self.connection
                    self.connection.execute("COMMIT")
                finally:
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")
            self._checkpoint_if_due(pages)

    def scrub(self) -> bool:
        """
        Take what the write-ahead log holds into the file, and empty it: what was overwritten there stands in it still.

        False if that can't be now, because somebody reads or writes; nobody waits for it.
        """
        with self._lock.held(), driver_errors(self._path):
            self.connection.execute(f"PRAGMA busy_timeout = {SCRUB_WAIT_MS}")
            try:
                busy, _, _ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self.connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        return not busy

    def close(self) -> None:
        """Close the connection; the last one of all processes checkpoints."""
        with driver_errors(self._path), self._lock.held():
            self.connection.close()
        self._lock.close()

    def _checkpoint_if_due(self, pages: int) -> None:
        self._pages += pages
        if self._pages < CHECKPOINT_PAGES:
            return
        self._pages = 0
        try:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:  # what was committed is durable in the write-ahead log all the same
            log.warning("checkpoint failed", file=self._path.name, fault=str(error))
