"""
The four encodings of a connection: gob or JSON, gzip or not (OpenIM wire, §2.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from openim_ray.protocol import compression, gob, json_frames
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.limits import MAX_REQUEST_BYTES, MAX_REQUEST_FRAME_BYTES
from openim_ray.protocol.malformed import ProtocolError

# A client trusts its server further than a server its clients; this bounds the memory of one frame all the same.
_RESPONSE_BYTES_MAX: Final = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """
    How the frames of one connection are written.

    There is one instance per encoding, compared by identity: use them as keys to encode a push once for all
    connections that share an encoding.
    """

    name: str
    gzip: bool
    _decode_request: Callable[[bytes | memoryview], Request]
    _encode_request: Callable[[Request], bytes]
    _decode_response: Callable[[bytes | memoryview], Response]
    _encode_response: Callable[[Response], bytes]

    def decode_request(self, frame: bytes) -> Request:
        """
        Read a client's frame as it came from the socket.

        Raises:
            ProtocolError: too large, or not a request; the connection must be closed.
        """
        if len(frame) > MAX_REQUEST_FRAME_BYTES:
            raise ProtocolError(f"frame: larger than {MAX_REQUEST_FRAME_BYTES} bytes")
        return self._decode_request(compression.decompress(frame, MAX_REQUEST_BYTES) if self.gzip else frame)

    def encode_response(self, response: Response) -> bytes:
        """
        Return the frame to write to the socket. Its size is the caller's to watch (`limits`).
        """
        frame = self._encode_response(response)
        return compression.compress(frame) if self.gzip else frame

    def encode_request(self, request: Request) -> bytes:
        """
        Return the frame that a client writes to the socket.
        """
        frame = self._encode_request(request)
        return compression.compress(frame) if self.gzip else frame

    def decode_response(self, frame: bytes) -> Response:
        """
        Read a server's frame as it came from the socket.

        Raises:
            ProtocolError: not a response.
        """
        return self._decode_response(compression.decompress(frame, _RESPONSE_BYTES_MAX) if self.gzip else frame)


_GOB_FUNCTIONS: Final = (gob.decode_request, gob.encode_request, gob.decode_response, gob.encode_response)
_JSON_FUNCTIONS: Final = (
    json_frames.decode_request,
    json_frames.encode_request,
    json_frames.decode_response,
    json_frames.encode_response,
)

GOB: Final = Encoding("gob", False, *_GOB_FUNCTIONS)
GOB_GZIP: Final = Encoding("gob+gzip", True, *_GOB_FUNCTIONS)
JSON: Final = Encoding("json", False, *_JSON_FUNCTIONS)
JSON_GZIP: Final = Encoding("json+gzip", True, *_JSON_FUNCTIONS)

ENCODINGS: Final = (GOB, GOB_GZIP, JSON, JSON_GZIP)


def encoding_for(sdk_type: str, *, gzip: bool) -> Encoding:
    """
    Return the encoding of a connection, by the parameters of its handshake (`sdk_type`: "go" or "js").
    """
    if sdk_type == "js":
        return JSON_GZIP if gzip else JSON
    return GOB_GZIP if gzip else GOB
