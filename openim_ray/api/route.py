"""
What a route is: one entry of the table by which the API is served, documented and tested.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from openim_ray.services import Services
from openim_ray.services.authority import Authority, Caller

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


@dataclass(frozen=True, slots=True)
class Route(Generic[Request]):
    """
    A path, what its body is, what it does, and who may call it.

    `owner` is the field of the body (dotted, if inside another) that names the user whose data is asked for; it counts where the
    authority is OWNER. `takes_protobuf` allows bodies as protobuf besides JSON (OpenIM wire, §10.2); `if_empty` is then sent for
    an answer of zero bytes. A handler answers None for messages without fields, and a list where the data is a bare array.
    """

    path: str
    request: type[Request]
    handle: Callable[[Call, Request], Awaitable[Message | Sequence[Message] | None]]
    authority: Authority
    owner: str = ""
    takes_protobuf: bool = False
    if_empty: bytes = b""

    def owner_of(self, request: Request) -> str:
        """Return the user that a body names as the owner."""
        value: Any = request
        for name in self.owner.split(".") if self.owner else ():
            value = getattr(value, name)
        return str(value) if self.owner else ""
