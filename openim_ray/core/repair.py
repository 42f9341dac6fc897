"""
Repair: how far back a loss may reach.
"""

from __future__ import annotations

REPAIR_MARGIN_MS = 60_000
"""
What may be lost is taken to be this much older than the last word that was heard.

It covers how far clocks of two nodes are apart, and the time from a message's number (its sendTime) until it is durable: a store
that is down for so long. Being generous costs little: a session is written only what it lacks.
"""
