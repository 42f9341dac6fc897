"""
The limits of a shard.
"""

from __future__ import annotations

from typing import NamedTuple

from openim_ray.core.repair import REPEATS_AT_ONCE


class ShardSettings(NamedTuple):
    """
    Limits of a shard; see `config/settings.py` for what each means.
    """

    multi_login_policy: int = 1
    idle_seconds: float = 600.0
    buffer_deliveries: int = 256
    logs_max: int = 50_000
    log_queue_max: int = 4_096
    log_queue_bytes_max: int = 16 << 20
    waiting_max: int = 20_000
    waiting_bytes_max: int = 64 << 20
    facts_max: int = 100_000
    facts_seconds: float = 10.0
    facts_stale_seconds: float = 3600.0
    retry_seconds: float = 0.2
    lease_seconds: float = 15.0
    repeats_at_once: int = REPEATS_AT_ONCE
    origin: int = 0
    """Behind which seq new streams begin (`ports.MessageReader.origin`)."""
