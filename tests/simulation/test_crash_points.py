from __future__ import annotations

import multiprocessing
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.simulation.crashes import live_through
from tests.simulation.sweep import collect_seldom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool

POINTS_MAX = 5_000
AT_ONCE = 32


def _crashed(point: str, number: int) -> bool:
    try:
        return live_through(point, number)
    except Exception as error:
        error.add_note(f'replay: live_through("{point}", {number}, print)')
        raise


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One for all kinds of points: a process that begins loads everything anew."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(len(os.sched_getaffinity(0)), collect_seldom) as pool:
        yield pool


def _count_points(pool: Pool, point: str) -> int:
    """Crash at the first, the second … point of a kind, until the scenario passes without a crash."""
    for first in range(1, POINTS_MAX, AT_ONCE):
        crashes = pool.map(partial(_crashed, point), range(first, first + AT_ONCE), chunksize=4)
        if not all(crashes):
            return first - 1 + crashes.index(False)
    raise AssertionError(f"more than {POINTS_MAX} points")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["before store", "after store"])
def test_a_crash_around_any_store_call_breaks_no_promise(point: str, pool: Pool) -> None:
    """The process that calls a store may die before the call has effect, or after that and before it hears so."""
    assert _count_points(pool, point) > 80


@pytest.mark.timeout(300)
def test_a_crash_between_any_two_steps_breaks_no_promise(pool: Pool) -> None:
    """Any process may die between any two things it does."""
    assert _count_points(pool, "step") > 300
