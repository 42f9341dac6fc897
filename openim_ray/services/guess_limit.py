"""
A limit on guessing: failures are counted by where they come from.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from openim_ray.domain import errors

FAILURES_MAX: Final = 10
"""Failures of one source within a minute; then it must wait, whether the next attempt would be right or wrong."""

_FORGOTTEN_AFTER_MS: Final = 60_000

_SOURCES_MAX: Final = 10_000
"""Sources that are remembered; the one that failed longest ago is forgotten first, and may begin anew."""


class FailureLimit:
    """
    Counts failures per source, for instance per address.

    Args:
        now_ms: the clock, in milliseconds.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._failures: OrderedDict[str, list[int]] = OrderedDict()

    def check(self, source: str) -> None:
        """
        Overloaded if this source has failed too often of late; tells how long to wait.
        """
        recent = self._recent(source)
        if len(recent) < FAILURES_MAX:
            return
        wait_ms = recent[0] + _FORGOTTEN_AFTER_MS - self._now_ms()
        raise errors.Overloaded(f"too many failed attempts; try again in {wait_ms // 1000 + 1} seconds")

    def failed(self, source: str) -> None:
        """Count a failure."""
        self._failures[source] = [*self._recent(source), self._now_ms()]
        self._failures.move_to_end(source)
        if len(self._failures) > _SOURCES_MAX:
            self._failures.popitem(last=False)

    def _recent(self, source: str) -> list[int]:
        begin = self._now_ms() - _FORGOTTEN_AFTER_MS
        return [moment for moment in self._failures.get(source, ()) if moment > begin]
