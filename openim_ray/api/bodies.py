"""
Reading the body of a call: limits, JSON, protobuf (OpenIM wire, §6.1).
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from aiohttp import web
from google.protobuf.message import DecodeError

from openim_ray.api.route import Request, Route
from openim_ray.domain import errors
from openim_ray.protocol.bodies import from_json_dict

PROTOBUF_TYPE: Final = "application/x-protobuf"

SMALL_BYTES: Final = 64 << 10
"""Bodies up to here don't count as calls under way while they arrive, and strangers can't send larger ones."""


class BodyUnread(errors.ArgsError):
    """
    The body is not read to its end: the connection can't be used for another request.
    """


def is_small(request: web.Request) -> bool:
    """
    Tell whether a body is so small that many may be on their way at once.
    """
    return request.content_length is not None and request.content_length <= SMALL_BYTES


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """
    Return the whole body.

    Raises:
        BodyUnread: more than `bytes_max`, damaged, or its sender is gone.
    """
    body = bytearray()
    if (request.content_length or 0) > bytes_max:
        raise BodyUnread(f"body is larger than {bytes_max} bytes")
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > bytes_max:
                raise BodyUnread(f"body is larger than {bytes_max} bytes")
    except (web.RequestPayloadError, OSError):
        # An OSError is what ended the connection; there is nobody left to read the answer.
        raise BodyUnread("body is damaged or was cut off") from None
    return bytes(body)


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
        values = _decode(body) if body.strip() else {}
    except (ValueError, RecursionError) as error:
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


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        if b"\\ud" not in body.lower():
            raise
    # Half of a surrogate pair, as browsers write it where a text was cut: whoever reads the fields refuses it, and can say which.
    return json.loads(body.decode(), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value")
