"""Our reading and writing against what was recorded between the official clients and the official server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from openim_ray.protocol.bodies import from_json_dict, to_json_dict
from openim_ray.protocol.encoding import GOB, GOB_GZIP, JSON
from openim_ray.protocol.handshake import parse_handshake
from openim_ray.protocol.identifiers import ContentType, Platform, RequestIdentifier
from openim_ray.protocol.messages import encode_unplaced, parse_message, with_position
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from tests.compat import recorded


def name_of(row: dict[str, Any]) -> str:
    """Return a test id."""
    return str(row.get("path") or row.get("content_type") or f"{row['reqIdentifier']}-{row['encoding']}")


@pytest.mark.parametrize("row", recorded.requests(), ids=name_of)
def test_recorded_requests_survive_their_encoding(row: dict[str, Any]) -> None:
    """A client's frame is read back as the fields that were recorded."""
    request = recorded.request_of(row)
    encoding = recorded.encoding_of(row)

    assert request == encoding.decode_request(encoding.encode_request(request))


@pytest.mark.parametrize("row", recorded.responses(), ids=name_of)
def test_recorded_responses_survive_their_encoding(row: dict[str, Any]) -> None:
    """A server's frame is read back as the fields that were recorded."""
    response = recorded.response_of(row)
    encoding = recorded.encoding_of(row)

    assert response == encoding.decode_response(encoding.encode_response(response))


@pytest.mark.parametrize("row", recorded.load("frames"), ids=name_of)
def test_recorded_identifiers_are_known(row: dict[str, Any]) -> None:
    """Every identifier that was seen has a name."""
    assert row["reqIdentifier"] in set(RequestIdentifier)


@pytest.mark.parametrize("row", [row for row in recorded.load("frames") if row["data_type"]], ids=name_of)
def test_recorded_messages_have_no_unknown_fields(row: dict[str, Any]) -> None:
    """The field tables cover all that was seen: reading and writing gives the same bytes."""
    message = recorded.message_class(row["data_type"]).FromString(bytes.fromhex(row["data"]))

    assert bytes.fromhex(row["data"]) == message.SerializeToString(deterministic=True)


@pytest.mark.parametrize("data", recorded.sent_messages(), ids=lambda data: str(MsgData.FromString(data).contentType))
def test_recorded_messages_pass_admission(data: bytes) -> None:
    """What official clients send is accepted and changed in nothing but seq and sendTime."""
    expected = MsgData.FromString(data)
    expected.seq, expected.sendTime = 7, 1_795_494_081_955

    placed = with_position(encode_unplaced(parse_message(data)), 7, 1_795_494_081_955)

    assert expected == MsgData.FromString(placed)
    assert expected.contentType in set(ContentType)


@pytest.mark.parametrize("row", [row for row in recorded.load("http") if "request_type" in row], ids=name_of)
def test_recorded_http_requests_are_read(row: dict[str, Any]) -> None:
    """Every scalar of a recorded call arrives in the message."""
    message = from_json_dict(recorded.message_class(row["request_type"]), row["request"])

    written = to_json_dict(message)
    assert without_zeros(row["request"]) == without_zeros(written)


@pytest.mark.parametrize("row", [row for row in recorded.load("http") if "response_type" in row], ids=name_of)
def test_recorded_http_responses_are_written_alike(row: dict[str, Any]) -> None:
    """An answer is written with the same keys in the same order, the same nulls and the same omissions."""
    message = from_json_dict(recorded.message_class(row["response_type"]), row["response"])

    # The entries of a map have no order: they differ between two recordings of one answer.
    by_key = any(
        field.message_type and field.message_type.GetOptions().map_entry for field in message.DESCRIPTOR.fields
    )
    written = to_json_dict(message)
    assert json.dumps(row["response"], sort_keys=by_key) == json.dumps(written, sort_keys=by_key)


@pytest.mark.parametrize("row", recorded.load("notifications"), ids=name_of)
def test_recorded_notification_details_are_written_alike(row: dict[str, Any]) -> None:
    """A notification's detail is written with the same keys in the same order and the same nulls."""
    message = from_json_dict(recorded.message_class(row["detail_type"]), row["detail"])

    assert json.dumps(row["detail"]) == json.dumps(to_json_dict(message))
    assert row["content_type"] in set(ContentType)


@pytest.mark.parametrize(
    ("index", "platform", "encoding", "wants_answer"),
    [(0, Platform.WEB, GOB_GZIP, True), (1, Platform.WEB, JSON, True), (2, Platform.LINUX, GOB_GZIP, False)],
    ids=["wasm", "javascript", "pypi"],
)
def test_recorded_handshakes_are_read(index: int, platform: Platform, encoding: object, wants_answer: bool) -> None:
    """Each client's parameters give its platform, its encoding and whether it waits for an answer."""
    query = recorded.load("handshakes")[index]

    handshake = parse_handshake(urlencode(query), {})

    assert query["sendID"] == handshake.user_id
    assert query["token"] == handshake.token
    assert query["operationID"] == handshake.operation_id
    assert (platform, encoding, wants_answer) == (handshake.platform, handshake.encoding, handshake.wants_answer)
    assert handshake.encoding is not GOB
    assert not handshake.is_background


def without_zeros(value: Any) -> Any:
    """Drop what means the same whether it is there or not: zeros, empty texts, empty lists and null."""
    if isinstance(value, dict):
        parts = {key: without_zeros(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part not in (None, "", 0, False, [], {})}
    if isinstance(value, list):
        return [without_zeros(part) for part in value]
    return value
