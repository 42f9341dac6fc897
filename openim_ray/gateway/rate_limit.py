"""
How often something may happen.
"""

from __future__ import annotations


class RateLimit:
    """
    A token bucket: `rate` a second on average, `burst` at once.
    """

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def allows(self, now: float, cost: float = 1.0) -> bool:
        """Take a token, or more for something big; False if there are not as many."""
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
