"""Ray actors and everything that calls them; the only package that imports ray."""

from __future__ import annotations

if __name__ != "openim_ray.actors":  # under a second name every class would exist twice
    msg = f"import openim_ray.actors, not {__name__}"
    raise ImportError(msg)

from openim_ray.actors import bare_ray  # noqa: F401 - before all others: it imports Ray
from openim_ray.actors.cluster import ClusterError, connect
from openim_ray.actors.query import inbox

__all__ = ["ClusterError", "connect", "inbox"]
