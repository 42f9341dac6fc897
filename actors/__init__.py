"""Ray actors and everything that calls them; the only package that imports ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openim_ray.actors.cluster import ClusterError, connect
    from openim_ray.actors.query import inbox

if __name__ != "openim_ray.actors":  # under a second name every class would exist twice
    msg = f"import openim_ray.actors, not {__name__}"
    raise ImportError(msg)

__all__ = ["ClusterError", "connect", "inbox"]


def __getattr__(name: str) -> object:
    """Import what is asked for now: Ray takes most of a second, and commands that only read the run file have no use for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from openim_ray.actors import bare_ray, cluster, query  # noqa: F401, PLC0415 - bare_ray is the first to import Ray

    return getattr(query if name == "inbox" else cluster, name)
