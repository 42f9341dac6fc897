"""
Frames as JSON, for the pure-JavaScript client (OpenIM wire, §2.4). `data` is standard base64.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.malformed import ProtocolError


class _RequestObject(Request, frozen=True, gc=False):
    """
    The request as clients may write it: an absent payload may also be null.
    """

    data: bytes | None = b""  # type: ignore[assignment]


_REQUESTS: Final = msgspec.json.Decoder(_RequestObject)
_RESPONSES: Final = msgspec.json.Decoder(Response)
_ENCODER: Final = msgspec.json.Encoder()

_Frame = TypeVar("_Frame", Request, Response, _RequestObject)


def decode_request(frame: bytes | memoryview) -> Request:
    """
    Read a client's frame; unknown keys are ignored.

    Raises:
        ProtocolError: not JSON, or a value of the wrong type.
    """
    request = _decode(_REQUESTS, frame)
    return Request(
        request.req_identifier,
        request.token,
        request.send_id,
        request.operation_id,
        request.msg_incr,
        request.data or b"",
    )


def decode_response(frame: bytes | memoryview) -> Response:
    """
    Read a server's frame.

    Raises:
        ProtocolError: not JSON, or a value of the wrong type.
    """
    return _decode(_RESPONSES, frame)


def encode_request(request: Request) -> bytes:
    """
    Return the frame as UTF-8 JSON with all keys.
    """
    return _ENCODER.encode(request)


def encode_response(response: Response) -> bytes:
    """
    Return the frame as UTF-8 JSON with all keys; empty `data` is "".
    """
    return _ENCODER.encode(response)


def _decode(decoder: msgspec.json.Decoder[_Frame], frame: bytes | memoryview) -> _Frame:
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"JSON: {error}") from None
