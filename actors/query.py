"""
Asking a live inbox from a script: `ray.get(inbox("alice").describe.remote())`.
"""

from __future__ import annotations

from typing import Any

import ray

from openim_ray.actors.cluster import connected_namespace
from openim_ray.actors.settings import SUPERVISOR


class _Method:
    """
    A method of an inbox that can be called like one of a Ray actor.
    """

    def __init__(self, user_id: str, name: str) -> None:
        self._user_id = user_id
        self._name = name

    def remote(self) -> Any:
        """Ask the actor that hosts the inbox; returns an object reference."""
        namespace = connected_namespace()
        supervisor = ray.get_actor(SUPERVISOR, namespace)
        placement: Any = ray.get(supervisor.placement.remote(), timeout=5)
        host = ray.get_actor(placement.inbox_of(self._user_id), namespace)
        return getattr(host, self._name).remote(self._user_id)


class InboxHandle:
    """
    A user's inbox, as a script sees it: an actor of its own, wherever it is hosted.
    """

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.describe = _Method(user_id, "describe")


def inbox(user_id: str) -> InboxHandle:
    """
    Return a handle to a user's inbox; `connect()` must have been called.
    """
    return InboxHandle(user_id)
