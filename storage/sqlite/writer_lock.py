"""
One writer of a file at a time, checkpoints included.

SQLite up to 3.51.2 can lose a committed transaction if one connection checkpoints while another restarts the
write-ahead log (https://sqlite.org/wal.html#walresetbug), and Python brings whatever SQLite the system has. So the
automatic checkpoints are off, and every write and every checkpoint of ours happens under a lock on `<file>-lock`.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openim_ray.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAUSE_MIN, _PAUSE_MAX = 0.0005, 0.002


class WriterLock:
    """
    Excludes other connections of this and other processes; the kernel frees it when its holder dies.

    Args:
        path: the database file.
        seconds: how long `held` waits before it raises Unavailable.

    Raises:
        Unavailable: the lock's file can't be opened.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._name = path.name
        self._seconds = seconds
        try:
            self._descriptor = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:  # another user's, or the disk is full
            raise Unavailable(f"{path.name}-lock: {error.strerror}") from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; blocks the calling thread."""
        self._acquire()
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _acquire(self) -> None:
        deadline, pause = time.monotonic() + self._seconds, _PAUSE_MIN
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self._name}: another process has been writing for {self._seconds} s") from None
                time.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX)
            else:
                return
