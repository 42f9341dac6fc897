"""
The weather of a world: how the network behaves and how often something dies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.simulation.scheduler import Scheduler


class Weather(NamedTuple):
    """
    Probabilities and durations (seconds). The default is fair weather: short delays, nothing fails.
    """

    delay: float = 0.002
    jitter: float = 0.004
    slow: float = 0.0
    """Share of calls between processes that take up to `slow_seconds`."""
    slow_seconds: float = 2.0
    loss: float = 0.0
    """Share of calls of which request or answer is lost."""
    clogs: float = 0.0
    """Clogged pairs of processes per second."""
    clog_seconds: float = 6.0
    crashes: float = 0.0
    """Crashes per second, of any process, at any moment."""
    crash_at_store: float = 0.0
    """Probability of a crash before and after each call of a store."""
    store_errors: float = 0.0
    """Share of calls of the message and the state store that fail, before or after they had effect."""
    store_slow: float = 0.0
    store_outages: float = 0.0
    """Outages of the message store, the state store or both per second, each up to `outage_seconds`."""
    history_errors: float = 0.0
    """Share of calls of the history that fail, before or after they had effect."""
    history_slow: float = 0.0
    history_outages: float = 0.0
    outage_seconds: float = 12.0
    pauses: float = 0.0
    """Pauses of a process per second, as of one that gets no processor."""
    zombies: float = 0.0
    """Shards and persistence processes per second that are replaced while they live on for a while."""
    whole_crashes: float = 0.0
    socket_breaks: float = 0.0
    """Broken client connections per second."""
    clock_skew_ms: int = 0


FAIR = Weather()


def weather_of(scheduler: Scheduler) -> Weather:
    """
    Draw the weather of a world: mostly a few kinds of trouble at once, seldom all of them.
    """
    random = scheduler.random

    def some(probability: float, low: float, high: float) -> float:
        return scheduler.between(low, high) if random.random() < probability else 0.0

    return Weather(
        delay=random.choice((0.0005, 0.002, 0.02)),
        jitter=random.choice((0.001, 0.005, 0.05, 0.3)),
        slow=some(0.4, 0.005, 0.1),
        slow_seconds=random.choice((0.4, 2.0, 15.0)),
        loss=some(0.4, 0.001, 0.05),
        clogs=some(0.25, 0.02, 0.15),
        crashes=some(0.6, 0.03, 0.35),
        crash_at_store=some(0.3, 0.005, 0.08),
        store_errors=some(0.25, 0.01, 0.3),
        store_slow=some(0.3, 0.01, 0.2),
        store_outages=some(0.15, 0.02, 0.09),
        pauses=some(0.15, 0.02, 0.09),
        zombies=some(0.2, 0.03, 0.12),
        whole_crashes=some(0.2, 0.02, 0.06),
        socket_breaks=some(0.6, 0.03, 0.6),
        clock_skew_ms=random.choice((0, 0, 50, 3_000)),
        history_errors=some(0.3, 0.02, 0.5),
        history_slow=some(0.3, 0.02, 0.5),
        history_outages=some(0.4, 0.03, 0.2),
    )
