"""
Questions from outside: a live inbox for a script, `ray.get(inbox("alice").describe.remote())`, and any actor for a program.
"""

from __future__ import annotations

from typing import Any

from openim_ray.actors.cluster import answer_of, connected_namespace, find_actor
from openim_ray.actors.settings import SUPERVISOR

PLACEMENT_SECONDS = 5.0


def ask(actor: str, method: str, seconds: float, *arguments: object) -> Any:
    """
    Call a method of a named actor of the connected server and wait for the answer.

    ClusterError if the actor is not there or does not answer in time; an error that it raised itself passes as it is.
    """
    handle = find_actor(actor, connected_namespace())
    return answer_of(getattr(handle, method).remote(*arguments), seconds)


class _Method:
    """
    A method of an inbox that can be called like one of a Ray actor.
    """

    def __init__(self, user_id: str, name: str) -> None:
        self._user_id = user_id
        self._name = name

    def remote(self) -> Any:
        """Ask the actor that hosts the inbox; returns an object reference."""
        placement = ask(SUPERVISOR, "placement", PLACEMENT_SECONDS)
        host = find_actor(placement.inbox_of(self._user_id), connected_namespace())
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
