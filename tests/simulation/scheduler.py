"""
Virtual time: one thread, one heap of events, one seeded source of chance.
"""

from __future__ import annotations

import heapq
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Scheduler:
    """
    Runs actions in order of time; those of the same time in the order they were planned.

    Args:
        seed: of everything that is left to chance.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.events = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Plan an action."""
        self._planned += 1
        heapq.heappush(self._heap, (self.now + delay, self._planned, action))

    def run_until(self, time: float) -> None:
        """Do what is due until then."""
        heap = self._heap
        while heap and heap[0][0] <= time:
            self.now, _, action = heapq.heappop(heap)
            self.events += 1
            action()
        self.now = time

    def chance(self, probability: float) -> bool:
        """Throw a coin."""
        return probability > 0 and self.random.random() < probability

    def between(self, low: float, high: float) -> float:
        """Return a number of that range."""
        return low + (high - low) * self.random.random()
