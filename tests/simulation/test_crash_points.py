from __future__ import annotations

import multiprocessing
import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.simulation.crashes import count_points, live_through
from tests.simulation.sweep import collect_seldom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.pool import Pool


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


def _crash_at_all(pool: Pool, point: str) -> int:
    """Crash at the first, the second … and the last point of a kind; returns how many there are."""
    count = count_points(point)
    crashes = pool.imap_unordered(partial(_crashed, point), range(1, count + 1), chunksize=4)
    assert all(crashes)
    return count


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["before store", "after store"])
def test_a_crash_around_any_store_call_breaks_no_promise(point: str, pool: Pool) -> None:
    """The process that calls a store may die before the call has effect, or after that and before it hears so."""
    assert _crash_at_all(pool, point) > 80


@pytest.mark.timeout(300)
def test_a_crash_between_any_two_steps_breaks_no_promise(pool: Pool) -> None:
    """Any process may die between any two things it does."""
    assert _crash_at_all(pool, "step") > 300
