"""A fault in the handling of one item must not take others with it."""

from __future__ import annotations

from openim_ray.core.failures import FAILURES_MAX, Failures


def _fail(secret: str) -> None:
    raise ValueError(secret)


def test_a_failure_says_what_and_where_and_no_content() -> None:
    """The text of an error may hold what somebody wrote."""
    failures = Failures()

    assert not failures.attempt("Submit", _fail, "a secret")

    (failure,) = failures.take()
    assert (failure.what, failure.error) == ("Submit", "ValueError")
    assert failure.where.startswith("test_failures.py:")
    assert "secret" not in str(failure)
    assert failures.take() == []


def test_what_succeeds_is_no_failure() -> None:
    """It has been done."""
    failures, done = Failures(), list[int]()

    assert failures.attempt("Submit", done.append, 1)
    assert (done, failures.take()) == ([1], [])


def test_failures_that_nobody_takes_are_bounded() -> None:
    """The latest ones are kept."""
    failures = Failures()
    for number in range(FAILURES_MAX + 1):
        failures.attempt(str(number), _fail, "")

    assert [one.what for one in failures.take()] == [str(number) for number in range(1, FAILURES_MAX + 1)]
