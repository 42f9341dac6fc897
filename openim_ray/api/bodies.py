"""
Reading the body of a call: limits, JSON, protobuf (OpenIM wire, §6.1).
"""

from __future__ import annotations

import msgspec
from aiohttp import web
from google.protobuf.message import DecodeError

from openim_ray.api.routes import Request, Route
from openim_ray.domain import errors
from openim_ray.protocol.bodies import from_json_dict

PROTOBUF_TYPE = "application/x-protobuf"


class BodyUnread(errors.ArgsError):
    """
    The body is not read to its end: the connection can't be used for another request.
    """


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """
    Return the whole body.

    Raises:
        BodyUnread: more than `bytes_max` (also the limit of the application, which counts while it reads), or damaged.
    """
    too_large = BodyUnread(f"body is larger than {bytes_max} bytes")
    if (request.content_length or 0) > bytes_max:
        raise too_large
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except web.RequestPayloadError:
        raise BodyUnread("body is damaged or was cut off") from None


def is_protobuf(request: web.Request, route: Route[Request]) -> bool:
    """
    Tell whether a body is protobuf, where a route takes that.
    """
    return route.takes_protobuf and request.content_type == PROTOBUF_TYPE


def parse_json(route: Route[Request], body: bytes) -> Request:
    """
    Return the message that a JSON body holds; no body stands for an empty one.

    ArgsError (among them `ProtocolError`) says what is wrong with it, never what it says.
    """
    try:
        values = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise errors.ArgsError(f"body is not JSON: {error}") from None
    return from_json_dict(route.request, values)


def parse_protobuf(route: Route[Request], body: bytes) -> Request:
    """
    Return the message that a protobuf body holds, or ArgsError.
    """
    try:
        return route.request.FromString(body)
    except DecodeError:
        raise errors.ArgsError(f"body is not a {route.request.DESCRIPTOR.name} in protobuf") from None
