from __future__ import annotations

import gzip

import pytest

from openim_ray.protocol import compression, gob, json_frames
from openim_ray.protocol.encoding import ENCODINGS, GOB, GOB_GZIP, JSON, JSON_GZIP, Encoding, encoding_for
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.limits import (
    MAX_REQUEST_BYTES,
    MAX_REQUEST_FRAME_BYTES,
    MAX_RESPONSE_FRAME_BYTES,
    TARGET_RESPONSE_FRAME_BYTES,
)
from openim_ray.protocol.malformed import ProtocolError

REQUEST = Request(1003, "", "ann", "operation", "ann_1", b"payload" * 300)
RESPONSE = Response(1003, "ann_1", "operation", 1001, "ArgsError", b"payload" * 300)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_frames_round_trip(encoding: Encoding) -> None:
    """All four encodings carry requests and responses."""
    assert encoding.decode_request(encoding.encode_request(REQUEST)) == REQUEST
    assert encoding.decode_response(encoding.encode_response(RESPONSE)) == RESPONSE


@pytest.mark.parametrize(
    ("sdk_type", "gzip_", "encoding"),
    [("go", False, GOB), ("go", True, GOB_GZIP), ("js", False, JSON), ("js", True, JSON_GZIP)],
)
def test_a_connection_has_the_encoding_it_asked_for(sdk_type: str, gzip_: bool, encoding: Encoding) -> None:
    """The two handshake parameters name one of four instances."""
    assert encoding is encoding_for(sdk_type, gzip=gzip_)


def test_encodings_wrap_the_right_form() -> None:
    """Gob or JSON inside, gzip around it or not."""
    assert gob.encode_response(RESPONSE) == GOB.encode_response(RESPONSE)
    assert gob.encode_response(RESPONSE) == gzip.decompress(GOB_GZIP.encode_response(RESPONSE))
    assert json_frames.encode_response(RESPONSE) == JSON.encode_response(RESPONSE)
    assert json_frames.encode_response(RESPONSE) == gzip.decompress(JSON_GZIP.encode_response(RESPONSE))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_other_encodings_are_refused(encoding: Encoding) -> None:
    """A frame of another encoding raises ProtocolError."""
    for other in ENCODINGS:
        if other is not encoding:
            with pytest.raises(ProtocolError):
                encoding.decode_request(other.encode_request(REQUEST))


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
def test_a_frame_over_the_limit_is_refused_unread(encoding: Encoding) -> None:
    """The official server's limit holds for the bytes on the wire."""
    with pytest.raises(ProtocolError, match="larger than 51200"):
        encoding.decode_request(bytes(MAX_REQUEST_FRAME_BYTES + 1))


def test_a_frame_at_the_limit_is_read() -> None:
    """A frame of exactly as many bytes as allowed passes."""
    spare = MAX_REQUEST_FRAME_BYTES - len(GOB.encode_request(Request(1003, data=bytes(50_000))))
    frame = GOB.encode_request(Request(1003, data=bytes(50_000 + spare)))

    assert len(frame) == MAX_REQUEST_FRAME_BYTES
    assert GOB.decode_request(frame).req_identifier == 1003


def test_a_bomb_is_refused() -> None:
    """A small frame that unpacks to more than the limit is refused."""
    frame = compression.compress(bytes(MAX_REQUEST_BYTES + 1))

    assert len(frame) < MAX_REQUEST_FRAME_BYTES
    with pytest.raises(ProtocolError, match="larger than allowed"):
        GOB_GZIP.decode_request(frame)


def test_what_may_come_in_can_go_out() -> None:
    """The largest request fits a push to a client without compression."""
    assert MAX_REQUEST_FRAME_BYTES < MAX_REQUEST_BYTES <= TARGET_RESPONSE_FRAME_BYTES < MAX_RESPONSE_FRAME_BYTES
