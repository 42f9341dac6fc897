"""
Calls of routes without a socket: the body as it comes, the authority, the handler, and the answer as it goes. Cheap enough for thousands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from openim_ray.api.answers import failure, success
from openim_ray.api.bodies import parse_json
from openim_ray.api.route import Call
from openim_ray.api.route_table import TABLE
from openim_ray.domain.errors import OpenIMError
from openim_ray.services.authority import Authority, Caller, require

if TYPE_CHECKING:
    from openim_ray.services.assembly import Services


class DirectAnswer(NamedTuple):
    """
    What a client would read.
    """

    code: int
    detail: str
    data: Any


class DirectCalls:
    """
    Calls routes for users whose tokens count. What is no refusal of the protocol is raised: it would be a 500.
    """

    def __init__(self, services: Services, admins: frozenset[str] = frozenset({"imAdmin"})) -> None:
        self._services = services
        self._admins = admins

    async def call(self, path: str, body: Any, user_id: str = "imAdmin") -> DirectAnswer:
        """Call a route with a body that is encoded here."""
        return await self.call_with(path, json.dumps(body).encode(), user_id)

    async def call_with(self, path: str, body: bytes, user_id: str = "imAdmin") -> DirectAnswer:
        """Call a route with a body as it is."""
        route = TABLE[path]
        caller = Caller(user_id, 5, user_id in self._admins, "digest", 1 << 40)
        try:
            message = parse_json(route, body)
            require(route.authority, caller, *route.owners_of(message))
            known = None if route.authority is Authority.NOBODY else caller
            envelope = success(await route.handle(Call(self._services, known, "operation", "127.0.0.1"), message))
        except OpenIMError as error:
            envelope = failure(error)
        answer = msgspec.json.decode(msgspec.json.encode(envelope))
        return DirectAnswer(answer["errCode"], answer["errDlt"], answer.get("data"))
