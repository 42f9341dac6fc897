"""The flag that a signal's handler sets."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from openim_ray.stop_flag import StopFlag

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def flag() -> Iterator[StopFlag]:
    """A flag that nobody has set."""
    flag = StopFlag()
    yield flag
    flag.close()


def test_it_stays_set(flag: StopFlag) -> None:
    """However often it is set."""
    assert not flag.is_set
    assert not flag.wait(0)
    for _ in range(100_000):  # more than a pipe holds
        flag.set()
    assert flag.is_set
    assert flag.wait(60)


def test_a_signal_wherever_it_comes_ends_the_waiting() -> None:
    """An `Event` of `threading` hung here after some hundred signals, and with it the end of a server, once in a whole run of these tests."""
    flags: list[StopFlag] = []
    before = signal.signal(signal.SIGALRM, lambda *_: flags[-1].set())
    try:
        for number in range(10_000):
            with contextlib.closing(StopFlag()) as flag:
                flags[:] = [flag]
                signal.setitimer(signal.ITIMER_REAL, 0.00002 + number % 50 * 0.000002)
                while not flag.wait(0.00001):
                    pass
    finally:
        signal.signal(signal.SIGALRM, before)
