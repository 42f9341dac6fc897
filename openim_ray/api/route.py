"""
What a route is: one entry of the table by which the API is served, documented and tested.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from openim_ray.services.assembly import Services
from openim_ray.services.authority import Authority, Caller
from openim_ray.services.groups.authority import Action
from openim_ray.services.notifications import Cause

Request = TypeVar("Request", bound=Message)


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request beside its body: who asks, as part of what, from where.

    `operation_id` goes with everything that the call causes: the pure-JavaScript client knows its own actions by it.
    """

    services: Services
    caller: Caller | None
    operation_id: str
    source: str

    @property
    def cause(self) -> Cause:
        """What notifications of this call go back to."""
        user_id = self.caller.user_id if self.caller else ""
        return Cause(user_id, self.operation_id, self.services.now_ms())


@dataclass(frozen=True, slots=True)
class Route(Generic[Request]):
    """
    A path, what its body is, what it does, and who may call it.

    `owner` is the field of the body (dotted, if inside another) that names the user whose data is asked for; it counts where the
    authority is OWNER. `or_owner` is a second such field, where the data belongs to two users. `takes_protobuf` allows bodies as
    protobuf besides JSON (OpenIM wire, §10.2); `if_empty` is then sent for an answer of zero bytes. A handler answers None for
    messages without fields, and a list where the data is a bare array. `actions`: what the group's rules are asked; where the authority is OWNER,
    only if the call reaches other members.
    """

    path: str
    request: type[Request]
    handle: Callable[[Call, Request], Awaitable[Message | Sequence[Message] | None]]
    authority: Authority
    owner: str = ""
    takes_protobuf: bool = False
    if_empty: bytes = b""
    actions: tuple[Action, ...] = ()
    or_owner: str = ""

    def owners_of(self, request: Request) -> list[str]:
        """Return the users that a body names as owners."""
        return [_field(request, path) for path in (self.owner, self.or_owner) if path]


def _field(request: Message, path: str) -> str:
    value: Any = request
    for name in path.split("."):
        value = getattr(value, name)
    return str(value)
