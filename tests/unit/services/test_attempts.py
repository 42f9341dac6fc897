"""The limit on guessing."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.services import guess_limit as attempts
from openim_ray.services.guess_limit import FAILURES_MAX, FailureLimit
from tests.unit.services.memory_world import Clock


def test_old_failures_are_forgotten_one_by_one() -> None:
    """The next attempt is allowed once the oldest of the last ten failures is a minute old."""
    clock = Clock()
    limit = FailureLimit(clock)
    for _ in range(FAILURES_MAX):
        limit.check("a")
        limit.failed("a")
        clock.now_ms += 1000
    with pytest.raises(errors.Overloaded):
        limit.check("a")
    clock.now_ms += 60_000 - FAILURES_MAX * 1000
    limit.check("a")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many sources the one that failed longest ago is forgotten, and no others."""
    monkeypatch.setattr(attempts, "_SOURCES_MAX", 2)
    limit = FailureLimit(Clock())
    for _ in range(FAILURES_MAX):
        limit.failed("a")
    limit.failed("b")
    limit.failed("a")
    limit.failed("c")
    assert list(limit._failures) == ["a", "c"]
    assert len(limit._failures["a"]) == FAILURES_MAX + 1
