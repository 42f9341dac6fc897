"""
Asking a live inbox from a script: `ray.get(inbox("alice").describe.remote())`.
"""

from __future__ import annotations

from typing import Any

from openim_ray.actors.cluster import answer_of, connected_namespace, find_actor
from openim_ray.actors.settings import SUPERVISOR

PLACEMENT_SECONDS = 5.0


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
        supervisor = find_actor(SUPERVISOR, namespace)
        placement = answer_of(supervisor.placement.remote(), PLACEMENT_SECONDS)
        host = find_actor(placement.inbox_of(self._user_id), namespace)
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
