"""
What a signal's handler sets and the interrupted thread waits for.
"""

from __future__ import annotations

import contextlib
import os
import select


class StopFlag:
    """
    Set once, by a signal's handler, too.

    An `Event` of `threading` would not do: its lock may be held by the very code that the handler interrupts, and both would wait
    for each other for ever.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._told, self._tell = os.pipe()
        os.set_blocking(self._tell, False)

    def set(self) -> None:
        """Let `wait` return; again and again does no harm."""
        self._is_set = True
        with contextlib.suppress(BlockingIOError):  # it is full: who waits is told
            os.write(self._tell, b".")

    @property
    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, but not longer than this; returns whether it is."""
        if not self._is_set:
            select.select([self._told], [], [], seconds)
        return self._is_set

    def close(self) -> None:
        """Give its descriptors back; nobody may set it any more."""
        os.close(self._told)
        os.close(self._tell)
