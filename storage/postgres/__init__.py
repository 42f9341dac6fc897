"""
PostgreSQL, the store of people and state for servers on several machines: both in one database.

Reached through `openim_ray.storage.open` only.
"""

from __future__ import annotations
