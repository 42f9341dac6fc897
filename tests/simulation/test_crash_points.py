from __future__ import annotations

import pytest

from tests.simulation.crashes import live_through

POINTS_MAX = 5_000


def _all_points(point: str) -> int:
    for number in range(1, POINTS_MAX):
        try:
            crashed = live_through(point, number)
        except Exception as error:
            error.add_note(f'replay: live_through("{point}", {number}, print)')
            raise
        if not crashed:
            return number
    raise AssertionError(f"more than {POINTS_MAX} points")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["before store", "after store"])
def test_a_crash_around_any_store_call_breaks_no_promise(point: str) -> None:
    """The process that calls a store may die before the call has effect, or after that and before it hears so."""
    assert _all_points(point) > 30


@pytest.mark.timeout(300)
def test_a_crash_between_any_two_steps_breaks_no_promise() -> None:
    """Any process may die between any two things it does."""
    assert _all_points("step") > 300
