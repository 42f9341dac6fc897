"""
How much room something takes, and how much room there is: queues are bounded by number and by bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

K = TypeVar("K")

ENTRY_BYTES = 160
"""What an item or a row takes besides its texts, bodies and lists."""

NUMBER_BYTES = 8


def size_of(item: msgspec.Struct) -> int:
    """
    Return about how many bytes an item takes: all its texts, bodies and collections, and `ENTRY_BYTES` for the rest.
    """
    size = ENTRY_BYTES
    for value in msgspec.structs.astuple(item):
        kind = type(value)
        if kind is str:
            size += len(value) if value.isascii() else len(value.encode())
        elif kind is bytes:
            size += len(value)
        elif kind is not int and kind is not bool:
            size += size_of_parts(value)
    return size


def size_of_parts(value: object) -> int:
    """
    Return about how many bytes the texts, bodies, collections and numbers of a value take.
    """
    if type(value) is int:  # most are: told apart first
        return NUMBER_BYTES
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(size_of_parts, value)) + sum(map(size_of_parts, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of_parts, value))
    if isinstance(value, msgspec.Struct):
        return size_of(value)
    return NUMBER_BYTES


class Room:
    """
    Room for a number of entries and their bytes; one entry always finds room in an empty one, however large it is.
    """

    def __init__(self, entries_max: int, bytes_max: int) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self.entries = 0
        self.bytes = 0

    def enter(self, size: int) -> bool:
        """Take room for an entry; False if there is none."""
        if self.entries and (self.entries >= self._entries_max or self.bytes + size > self._bytes_max):
            return False
        self.entries += 1
        self.bytes += size
        return True

    def take(self, size: int) -> None:
        """Take room whether there is any or not, for what was inside before."""
        self.entries += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Give the room of an entry back."""
        self.entries -= 1
        self.bytes -= size

    def clear(self) -> None:
        """Give all room back."""
        self.entries = self.bytes = 0


def first_within(sized: Iterable[tuple[K, int]], count_max: int, bytes_max: int) -> list[K]:
    """
    Return the first of those given with their sizes that keep within both limits, and at least one.
    """
    taken: list[K] = []
    total = 0
    for one, size in sized:
        total += size
        if taken and (len(taken) >= count_max or total > bytes_max):
            break
        taken.append(one)
    return taken
