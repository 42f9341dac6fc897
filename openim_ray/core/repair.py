"""
Repair: how far back a loss may reach.
"""

from __future__ import annotations

REPEATS_AT_ONCE = 1_000
"""
After a break at most so many things are said again at once, the rest with the next ticks.

A link's queue is bounded, and must hold more than this: an overflow is a break itself.
"""

REPEAT_BYTES_AT_ONCE = 8 << 20
"""And at most so many bytes, for the same reason."""

REPAIR_MARGIN_MS = 60_000
"""
What may be lost is taken to be this much older than the last word that was heard.

It covers how far clocks of two nodes are apart, and the time from a message's number (its sendTime) until it is durable: a store
that is down for so long. Being generous costs little: a session is written only what it lacks.
"""
