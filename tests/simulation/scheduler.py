"""
Virtual time: one thread, one heap of events, one seeded source of chance.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
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
        self.draw = self.random.random
        """Return the next number of 0 to 1: for who draws so often that `chance` and `between` would cost too much."""
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._planned = 0

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Plan an action."""
        self._planned = planned = self._planned + 1
        heappush(self._heap, (self.now + delay, planned, action))

    def run_until(self, time: float) -> None:
        """Do what is due until then."""
        heap = self._heap
        while heap and heap[0][0] <= time:
            self.now, _, action = heappop(heap)
            action()
        self.now = time

    def chance(self, probability: float) -> bool:
        """Throw a coin."""
        return probability > 0 and self.draw() < probability

    def between(self, low: float, high: float) -> float:
        """Return a number of that range."""
        return low + (high - low) * self.draw()


class Timeout:
    """
    Something that happens at its time unless it is called off before.
    """

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Callable[[], object] | None) -> None:
        self.at = at
        self.action = action

    def call_off(self) -> None:
        """Let it not happen."""
        self.action = None


class Timeouts:
    """
    Timeouts of one duration. Nearly all are called off: those cost no event, for only the first that stands is planned.
    """

    def __init__(self, scheduler: Scheduler, seconds: float) -> None:
        self._scheduler = scheduler
        self._seconds = seconds
        self._standing: deque[Timeout] = deque()

    def begin(self, action: Callable[[], object]) -> Timeout:
        """Plan an action for the end of the duration."""
        scheduler, standing = self._scheduler, self._standing
        timeout = Timeout(scheduler.now + self._seconds, action)
        if not standing:
            scheduler.later(self._seconds, self._next)
        standing.append(timeout)
        return timeout

    def _next(self) -> None:
        standing, now = self._standing, self._scheduler.now
        while standing and (standing[0].at <= now or standing[0].action is None):
            first = standing[0]
            if first.action is not None:
                first.action()
            # Only now: whatever that began must not plan a second round.
            standing.popleft()
        if standing:
            self._scheduler.later(standing[0].at - now, self._next)
