"""
Text frames: keep-alive of clients that can't send control frames (OpenIM wire, §2.5).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from openim_ray.protocol.malformed import ProtocolError

_NULL: Final = msgspec.Raw(b"null")


class TextFrameType(StrEnum):
    """
    The two text frames that a client may send.
    """

    PING = "ping"
    PONG = "pong"


class TextFrame(msgspec.Struct, frozen=True, gc=False):
    """
    A keep-alive. `body` is JSON as it came, never interpreted; null if there was none.
    """

    type: TextFrameType
    body: msgspec.Raw = _NULL


_DECODER: Final = msgspec.json.Decoder(TextFrame)


def parse_text_frame(text: str) -> TextFrame:
    """
    Read a client's text frame.

    Raises:
        ProtocolError: neither a ping nor a pong.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ProtocolError(f"text frame: {type(error).__name__}") from None


def pong(ping: TextFrame) -> str:
    """
    Return the answer to a ping: the same body, because the browser build waits for its own text.
    """
    return msgspec.json.encode(TextFrame(TextFrameType.PONG, ping.body)).decode()
