"""Backends of the ports in `openim_ray.ports`: memory as the reference, SQLite as the default, PostgreSQL for people and state."""

from __future__ import annotations

if __name__ != "openim_ray.storage":  # under a second name every class would exist twice
    msg = f"import openim_ray.storage, not {__name__}"
    raise ImportError(msg)
