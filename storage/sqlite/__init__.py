"""
SQLite, the store of a server on one machine: `messages.db`, `state.db`, `directory.db` in the data directory.

Reached through `openim_ray.storage.open` only.
"""

from __future__ import annotations
