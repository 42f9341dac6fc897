"""
The table of all routes. A new route is one entry in the module of its area.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from openim_ray.api import (
    auth,
    conversations,
    erasing,
    friend_changes,
    friends,
    group_queries,
    groups,
    jssdk,
    messages,
    not_built,
    presence,
    user_data,
    users,
)
from openim_ray.api.route import Route

_ALL: tuple[Route[Any], ...] = (
    *auth.ROUTES,
    *users.ROUTES,
    *user_data.ROUTES,
    *presence.ROUTES,
    *erasing.ROUTES,
    *friends.ROUTES,
    *friend_changes.ROUTES,
    *groups.ROUTES,
    *group_queries.ROUTES,
    *conversations.ROUTES,
    *messages.ROUTES,
    *jssdk.ROUTES,
    *not_built.ROUTES,
)

TABLE = MappingProxyType({route.path: route for route in _ALL})
"""Every official route by its path, built or not."""

if len(TABLE) != len(_ALL):
    raise ValueError("a path stands in the route table twice")
