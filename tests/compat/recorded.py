"""
What real clients and the official server said to each other, trimmed (`golden/`).

`frames.json`: frames of the socket; `data` is the hex of the protobuf message. `http.json`: bodies of calls.
`calls.json`, `group_calls.json`: whole calls, with who asked and what there has to be; users are renamed, protobuf bodies decoded, lists cut to two.
`notifications.json`: details of notifications, parsed. `handshakes.json`: query parameters. Changing any of them needs a reason: they
are facts, not expectations.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from openim_ray.protocol.encoding import GOB, GOB_GZIP, JSON, JSON_GZIP, Encoding
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.pb import (  # noqa: F401 - importing registers the messages by name
    auth_pb2,
    conversation_pb2,
    group_pb2,
    jssdk_pb2,
    msg_pb2,
    msggateway_pb2,
    push_pb2,
    relation_pb2,
    sdkws_pb2,
    third_pb2,
    user_pb2,
)

_GOLDEN = Path(__file__).parent / "golden"
_ENCODINGS = {encoding.name: encoding for encoding in (GOB, GOB_GZIP, JSON, JSON_GZIP)}


@cache
def load(name: str) -> list[dict[str, Any]]:
    """Return the rows of one golden file."""
    rows: list[dict[str, Any]] = json.loads((_GOLDEN / f"{name}.json").read_text())
    return rows


def message_class(full_name: str) -> type[Message]:
    """Return the generated class of a message by its protobuf name."""
    return GetMessageClass(Default().FindMessageTypeByName(full_name))


def encoding_of(row: dict[str, Any]) -> Encoding:
    """Return the encoding that a recorded frame was written in."""
    return _ENCODINGS[row["encoding"]]


def requests() -> list[dict[str, Any]]:
    """Return the frames that clients sent."""
    return [row for row in load("frames") if row["dir"] == "up"]


def responses() -> list[dict[str, Any]]:
    """Return the frames that the server sent."""
    return [row for row in load("frames") if row["dir"] == "down"]


def request_of(row: dict[str, Any]) -> Request:
    """Return a recorded frame of a client as a value."""
    data = bytes.fromhex(row["data"])
    return Request(row["reqIdentifier"], "", row["sendID"], row["operationID"], row["msgIncr"], data)


def response_of(row: dict[str, Any]) -> Response:
    """Return a recorded frame of the server as a value."""
    return Response(
        row["reqIdentifier"],
        row.get("msgIncr", ""),
        row.get("operationID", ""),
        row.get("errCode", 0),
        row.get("errMsg", ""),
        bytes.fromhex(row["data"]),
    )


def sent_messages() -> list[bytes]:
    """Return the encoded MsgData of every recorded 1003."""
    return [bytes.fromhex(row["data"]) for row in requests() if row["reqIdentifier"] == 1003]
