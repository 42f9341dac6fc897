"""
Group commit: one commit at a time, and what arrives meanwhile forms the next one.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from openim_ray.core.sizes import Room

T = TypeVar("T")


class Batcher(Generic[T]):
    """
    A queue that is emptied in batches, one batch in work at a time.

    Limits: a batch holds entries that count for `count_max` and `size_max` bytes at most (one that is more than that goes alone);
    `waiting_max` entries with `waiting_bytes_max` bytes may wait, beyond it `add` refuses and the caller says "try again".
    """

    def __init__(self, *, count_max: int, size_max: int, waiting_max: int, waiting_bytes_max: int = 256 << 20) -> None:
        self._count_max = count_max
        self._size_max = size_max
        self._room = Room(waiting_max, waiting_bytes_max)
        self._waiting: deque[tuple[T, int, int]] = deque()
        self._busy = False

    def add(self, entry: T, size: int, count: int = 1) -> bool:
        """Let an entry wait that counts for `count`; False if the queue is full."""
        if not self._room.enter(size):
            return False
        self._waiting.append((entry, size, count))
        return True

    def take(self) -> list[T]:
        """Take the next batch; empty while one is in work or nothing waits. `done` must follow."""
        if self._busy or not self._waiting:
            return []
        batch: list[T] = []
        total_size = total_count = 0
        while self._waiting:
            entry, size, count = self._waiting[0]
            total_size += size
            total_count += count
            if batch and (total_size > self._size_max or total_count > self._count_max):
                break
            self._waiting.popleft()
            self._room.leave(size)
            batch.append(entry)
        self._busy = True
        return batch

    def done(self) -> None:
        """Note that the batch in work is finished, with or without success."""
        self._busy = False
