"""
The form of answers: envelope, CORS, gzip (OpenIM wire, §6.1).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web
from google.protobuf.message import Message

from openim_ray.domain.errors import OpenIMError
from openim_ray.protocol.bodies import to_json_dict
from openim_ray.protocol.compression import compress

GZIP_FROM_BYTES: Final = 1024
"""Shorter answers fit one packet anyway."""

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Expose-Headers": "Content-Length, Content-Type",
    "Access-Control-Max-Age": "172800",
    "Access-Control-Allow-Credentials": "false",
}
"""Browsers may call the API from pages of any origin; no cookie counts here, so that gives nothing away."""

_HEADERS: Final = {**CORS, "Content-Type": "application/json; charset=utf-8", "Vary": "Accept-Encoding"}


class Envelope(msgspec.Struct, frozen=True, gc=False, omit_defaults=False):
    """
    What every answer is, with the keys in the order of the official server. `data` is left out where there is none.
    """

    errCode: int = 0  # noqa: N815
    errMsg: str = ""  # noqa: N815
    errDlt: str = ""  # noqa: N815
    data: Any = msgspec.UNSET


def success(message: Message | Sequence[Message] | None) -> Envelope:
    """
    Return the answer of a call that did what it should; messages without fields have no data, several are a bare array.
    """
    if isinstance(message, Sequence):
        return Envelope(data=[to_json_dict(one) for one in message])
    if message is None or not message.DESCRIPTOR.fields:
        return Envelope()
    return Envelope(data=to_json_dict(message))


def protobuf_success(message: Message, if_empty: bytes) -> Envelope:
    """
    Return the answer to a protobuf body: the same envelope around base64 (OpenIM wire, §10.2).
    """
    return Envelope(data=b64encode(message.SerializeToString() or if_empty).decode())


def failure(error: OpenIMError) -> Envelope:
    """
    Return the answer of a call that failed.
    """
    return Envelope(error.code, error.name, error.detail)


def respond(request: web.Request, envelope: Envelope) -> web.Response:
    """
    Return the HTTP answer: status 200 whatever happened, compressed if the client takes that.
    """
    body, headers = msgspec.json.encode(envelope), _HEADERS.copy()
    if len(body) >= GZIP_FROM_BYTES and _takes_gzip(request):
        body = compress(body)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def _takes_gzip(request: web.Request) -> bool:
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0")
    return False
