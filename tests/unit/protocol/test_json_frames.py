from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openim_ray.protocol import json_frames
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.malformed import ProtocolError

int32 = st.integers(-(1 << 31), (1 << 31) - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)

SAMPLE = {
    "reqIdentifier": 1001,
    "token": "",
    "sendID": "u1",
    "operationID": "op1",
    "msgIncr": "u1_1",
    "data": "CgJ1MQ==",
}
REQUEST = Request(1001, "", "u1", "op1", "u1_1", b"\x0a\x02u1")


def test_the_sample_of_the_wire_is_read_and_written() -> None:
    """The recorded JSON form is what we read and what our client writes."""
    text_ = '{"reqIdentifier":1001,"token":"","sendID":"u1","operationID":"op1","msgIncr":"u1_1","data":"CgJ1MQ=="}'

    assert json_frames.decode_request(text_.encode()) == REQUEST
    assert text_.encode() == json_frames.encode_request(REQUEST)


def test_a_response_has_all_keys_in_order() -> None:
    """The client destructures answers, so empty fields are written too."""
    expected = b'{"reqIdentifier":2001,"msgIncr":"","operationID":"op","errCode":0,"errMsg":"","data":""}'

    assert expected == json_frames.encode_response(Response(2001, "", "op"))


@pytest.mark.parametrize("data", ["", None, "absent"])
def test_data_may_be_empty_null_or_missing(data: str | None) -> None:
    """All three mean an empty payload."""
    sample = {**SAMPLE, "data": data}
    if data == "absent":
        del sample["data"]

    assert json_frames.decode_request(json.dumps(sample).encode()).data == b""


def test_unknown_keys_are_ignored() -> None:
    """A newer client may send more than we know."""
    assert json_frames.decode_request(json.dumps({**SAMPLE, "new": [1, {}]}).encode()) == REQUEST


@pytest.mark.parametrize(
    "change",
    [
        {"reqIdentifier": "1001"},
        {"reqIdentifier": 1001.0},
        {"reqIdentifier": True},
        {"reqIdentifier": None},
        {"reqIdentifier": 1 << 31},
        {"reqIdentifier": -(1 << 31) - 1},
        {"reqIdentifier": 10**30},
        {"sendID": 1},
        {"sendID": None},
        {"sendID": "\ud800"},
        {"operationID": []},
        {"data": "CgJ1MQ"},
        {"data": "CgJ1MQ="},
        {"data": "Cg_-"},
        {"data": 5},
        {"data": [10]},
    ],
    ids=str,
)
def test_wrong_types_are_refused(change: dict[str, Any]) -> None:
    """A value of another type or range raises ProtocolError."""
    with pytest.raises(ProtocolError, match="JSON"):
        json_frames.decode_request(json.dumps({**SAMPLE, **change}).encode())


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"reqIdentifier":1001} x',
        b'{"reqIdentifier":1001,"sendID":"\xff"}',
        b'{"reqIdentifier":1001,"sendID":"\xed\xa0\x80"}',
        b'{"reqIdentifier":1001,"x":' + b"[" * 25_000 + b"]" * 25_000 + b"}",
        b'{"reqIdentifier":NaN}',
    ],
    ids=range(10),
)
def test_malformed_json_is_refused(frame: bytes) -> None:
    """Bytes that are no JSON object of ours raise ProtocolError, deep nesting included."""
    with pytest.raises(ProtocolError, match="JSON"):
        json_frames.decode_request(frame)


def test_a_malformed_response_is_refused() -> None:
    """Our own client trusts no server either."""
    with pytest.raises(ProtocolError, match="JSON"):
        json_frames.decode_response(b'{"reqIdentifier":2001,"data":null}')


@given(st.builds(Request, int32, text, text, text, text, st.binary(max_size=300)))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_requests_round_trip(request: Request) -> None:
    """Every request is read back as it was written, and Python's own parser agrees."""
    frame = json_frames.encode_request(request)

    assert request == json_frames.decode_request(frame)
    assert json.loads(frame)["sendID"] == request.send_id


@given(st.builds(Response, int32, text, text, int32, text, st.binary(max_size=300)))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_responses_round_trip(response: Response) -> None:
    """Every response is read back as it was written."""
    assert response == json_frames.decode_response(json_frames.encode_response(response))
