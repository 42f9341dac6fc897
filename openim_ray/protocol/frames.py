"""
The two frames of the socket, whatever their encoding (OpenIM wire, §2.2).

The order of the fields is the order on the wire; the JSON names are those of the pure-JavaScript client.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Int32 = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
"""Both numbers of a frame are 32-bit integers in the official server; decoders check it."""

_JSON_NAMES = {
    "req_identifier": "reqIdentifier",
    "send_id": "sendID",
    "operation_id": "operationID",
    "msg_incr": "msgIncr",
    "err_code": "errCode",
    "err_msg": "errMsg",
}


class Request(msgspec.Struct, frozen=True, gc=False, rename=_JSON_NAMES):
    """
    What a client sends. `data` is the encoded protobuf message that `req_identifier` names.
    """

    req_identifier: Int32
    token: str = ""
    """Usually empty: the connection was authenticated by its handshake."""

    send_id: str = ""
    operation_id: str = ""
    msg_incr: str = ""
    """Number of the request, chosen by the client; its answer repeats it."""

    data: bytes = b""


class Response(msgspec.Struct, frozen=True, gc=False, rename=_JSON_NAMES):
    """
    What the server sends: an answer, or a push (then `msg_incr` is empty).

    `operation_id` of a push is that of the call that caused it. With `err_code` other than 0, `data` is empty.
    """

    req_identifier: Int32
    msg_incr: str = ""
    operation_id: str = ""
    err_code: Int32 = 0
    err_msg: str = ""
    data: bytes = b""
