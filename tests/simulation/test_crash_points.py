from __future__ import annotations

import multiprocessing
import os
from functools import partial

import pytest

from tests.simulation.crashes import live_through

POINTS_MAX = 5_000


def _crashed(point: str, number: int) -> bool:
    try:
        return live_through(point, number)
    except Exception as error:
        error.add_note(f'replay: live_through("{point}", {number}, print)')
        raise


def _count_points(point: str) -> int:
    """Crash at the first, the second … point of a kind, until the scenario passes without a crash."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(len(os.sched_getaffinity(0))) as pool:
        crashes = pool.imap(partial(_crashed, point), range(1, POINTS_MAX), chunksize=4)
        return next(count for count, crashed in enumerate(crashes) if not crashed)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["before store", "after store"])
def test_a_crash_around_any_store_call_breaks_no_promise(point: str) -> None:
    """The process that calls a store may die before the call has effect, or after that and before it hears so."""
    assert _count_points(point) > 80


@pytest.mark.timeout(300)
def test_a_crash_between_any_two_steps_breaks_no_promise() -> None:
    """Any process may die between any two things it does."""
    assert _count_points("step") > 300
