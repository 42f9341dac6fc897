"""
The clocks that the machines are told.
"""

from __future__ import annotations

import time


def wall_ms() -> int:
    """
    Return the wall clock in Unix milliseconds.
    """
    return time.time_ns() // 1_000_000
