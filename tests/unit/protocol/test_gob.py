from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openim_ray.protocol import gob
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.malformed import ProtocolError
from tests.compat import recorded
from tests.unit.protocol.gob_samples import (
    BYTES,
    COMPLEX,
    FLOAT,
    INT,
    INTERFACE,
    REQUEST_DEFINITION_64,
    REQUEST_DEFINITION_65,
    RESPONSE_DEFINITION,
    STRING,
    UINT,
    chunk,
    definition,
    signed,
    unsigned,
    value,
)

int32 = st.integers(-(1 << 31), (1 << 31) - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.mark.parametrize(
    ("response", "encoded"),
    [
        (Response(1001, "u1_1", "op1", data=b"\x0a\x02"), "16ff8001fe07d2010475315f3101036f703103020a0200"),
        (Response(2002), "07ff8001fe0fa400"),
        (
            Response(2001, "", "op1", data=b"A" * 300),
            "fe013cff8001fe0fa202036f703103fe012c" + "41" * 300 + "00",
        ),
        (
            Response(1003, "u1_1", "op1", 1001, "ArgsError"),
            "21ff8001fe07d6010475315f3101036f703101fe07d20109417267734572726f7200",
        ),
    ],
    ids=["answer", "kick", "push", "error"],
)
def test_responses_are_the_bytes_that_real_go_reads(response: Response, encoded: str) -> None:
    """Each frame equals, byte for byte, the sample that the Go decoder accepted."""
    frame = RESPONSE_DEFINITION + bytes.fromhex(encoded)

    assert frame == gob.encode_response(response)
    assert response == gob.decode_response(frame)


def test_requests_are_written_as_the_browser_build_does() -> None:
    """The definition of a request is the one recorded from the official build."""
    assert gob.encode_request(Request(1001)) == REQUEST_DEFINITION_64 + bytes.fromhex("07ff8001fe07d200")


@pytest.mark.parametrize(("start", "type_id"), [(REQUEST_DEFINITION_64, "ff80"), (REQUEST_DEFINITION_65, "ff82")])
def test_both_definitions_of_real_clients_are_read(start: bytes, type_id: str) -> None:
    """Browser, PyPI and native programs differ in the type id and mean the same."""
    frame = start + bytes.fromhex(f"1c{type_id}01fe07d20202753101036f7031010475315f3101040a02753100")

    assert Request(1001, "", "u1", "op1", "u1_1", b"\x0a\x02u1") == gob.decode_request(frame)


@given(st.builds(Request, int32, text, text, text, text, st.binary(max_size=300)))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_requests_round_trip(request: Request) -> None:
    """Every request is read back as it was written."""
    assert request == gob.decode_request(gob.encode_request(request))


@given(st.builds(Response, int32, text, text, int32, text, st.binary(max_size=300)))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_responses_round_trip(response: Response) -> None:
    """Every response is read back as it was written."""
    assert response == gob.decode_response(gob.encode_response(response))


def test_a_memoryview_is_read_like_bytes() -> None:
    """The caller need not copy what it received."""
    frame = gob.encode_request(Request(1003, data=b"x"))

    assert Request(1003, data=b"x") == gob.decode_request(memoryview(frame))


# Definitions that no official client sends today


def test_fields_are_found_by_name() -> None:
    """Order, struct name and type id don't matter."""
    fields = [("Data", BYTES), ("MsgIncr", STRING), ("ReqIdentifier", INT)]
    frame = definition(70, fields, "Other") + value(70, [(0, chunk(b"d")), (1, chunk(b"m")), (2, signed(-7))])

    assert Request(-7, msg_incr="m", data=b"d") == gob.decode_request(frame)


def test_a_struct_without_a_name_is_read() -> None:
    """Anonymous structs leave the name out of their definition."""
    frame = definition(65, [("SendID", STRING)], name="") + value(65, [(0, chunk(b"u"))])

    assert Request(0, send_id="u") == gob.decode_request(frame)


def test_unknown_fields_of_basic_types_are_skipped() -> None:
    """A newer client may send more than we know."""
    fields = [("Flag", 1), ("ReqIdentifier", INT), ("Ratio", FLOAT), ("Note", STRING), ("Blob", BYTES), ("Z", COMPLEX)]
    values = [
        (0, unsigned(1)),
        (1, signed(1003)),
        (2, unsigned(1 << 60)),
        (3, chunk(b"\xff not text")),
        (4, chunk(bytes(200))),
        (5, unsigned(300) + unsigned(1)),
    ]

    assert Request(1003) == gob.decode_request(definition(64, fields) + value(64, values))


def test_an_unsigned_identifier_is_read() -> None:
    """Integers of either kind are taken."""
    frame = definition(64, [("ReqIdentifier", UINT)]) + value(64, [(0, unsigned(1003))])

    assert Request(1003) == gob.decode_request(frame)


def test_several_definitions_are_read() -> None:
    """Types that the value doesn't use may be anything, a slice for example."""
    slice_type = chunk(signed(-66) + bytes.fromhex("02010102ff84000104 0000"))
    frame = slice_type + definition(64, [("ReqIdentifier", INT)]) + value(64, [(0, signed(1))])

    assert Request(1) == gob.decode_request(frame)


def test_further_definitions_may_follow_a_known_one() -> None:
    """A client may define more types behind the usual one."""
    frame = REQUEST_DEFINITION_64 + definition(66, [("Other", INT)]) + value(64, [(0, signed(1001))])

    assert Request(1001) == gob.decode_request(frame)


def test_an_unused_field_of_a_user_type_makes_the_struct_unusable() -> None:
    """Only basic types can be skipped."""
    frame = definition(64, [("ReqIdentifier", INT), ("Extra", 66)]) + value(64, [(0, signed(1))])

    with pytest.raises(ProtocolError, match="unknown type"):
        gob.decode_request(frame)


# Hostile bytes


GOOD = definition(64, [("ReqIdentifier", INT), ("SendID", STRING), ("Data", BYTES), ("Z", COMPLEX)])


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (b"", "truncated"),
        (b"\x00", "truncated"),
        (b"\x01", "truncated"),
        (b"\xf7" + bytes(20), "more than 8 bytes"),
        (b"\xff", "truncated"),
        (b"\xf8" + b"\xff" * 8, "truncated"),
        (GOOD, "truncated"),
        (GOOD + value(65, []), "unknown type"),
        (value(64, []), "unknown type"),
        (GOOD + GOOD + value(64, []), "defined twice"),
        (GOOD + value(64, []) + b"\0", "bytes after the value"),
        (GOOD + value(64, [])[:-1], "truncated"),
        (GOOD + chunk(signed(64) + b"\0\0"), "bytes after the value"),
        (GOOD + chunk(signed(64) + b"\x05\x00\0"), "field number"),
        (GOOD + chunk(signed(64) + b"\xf8" + b"\xff" * 8), "field number"),
        (GOOD + chunk(signed(64) + b"\x02\x7fabc\0"), "truncated"),
        (GOOD + chunk(signed(64) + b"\x02\xf8" + b"\xff" * 8), "truncated"),
        (GOOD + value(64, [(1, chunk(b"\xff"))]), "not UTF-8"),
        (GOOD + value(64, [(1, chunk(b"\xed\xa0\x80"))]), "not UTF-8"),
        (GOOD + value(64, [(0, signed(1 << 31))]), "32 bits"),
        (GOOD + value(64, [(0, signed(-(1 << 31) - 1))]), "32 bits"),
        (GOOD + value(64, [(3, unsigned(1))]), "truncated"),
        (definition(63, []) + value(64, []), "basic type redefined"),
        (definition(64, [("SendID", BYTES)]), "another type"),
        (definition(64, [("ReqIdentifier", STRING)]), "another type"),
        (definition(64, [("ReqIdentifier", 0)]), "malformed definition"),
        (definition(64, [("X", -5)]), "malformed definition"),
        (definition(64, [("X", INTERFACE)]) + value(64, []), "unknown type"),
        (definition(64, [("x" * 5000, INT)]), "too long"),
        (b"".join(definition(64 + index, []) for index in range(40)), "too many"),
        (chunk(signed(-64) + b"\x03\x01\x01\x7fshort"), "truncated"),
        (chunk(signed(-64) + b"\x03\x01\x05"), "malformed definition"),
        (chunk(signed(-64) + b"\x03\x01\x01\x01a\x01\xff\x80\0\x01\xf8" + b"\xff" * 8), "malformed|truncated"),
    ],
)
def test_malformed_frames_are_refused(frame: bytes, fault: str) -> None:
    """Every fault is a ProtocolError that says what it was."""
    with pytest.raises(ProtocolError, match=fault):
        gob.decode_request(frame)


@pytest.mark.parametrize("request_", [recorded.request_of(row) for row in recorded.requests()[:6]])
def test_every_truncation_is_refused(request_: Request) -> None:
    """No prefix of a frame is a frame."""
    frame = gob.encode_request(request_)

    for length in range(len(frame)):
        with pytest.raises(ProtocolError):
            gob.decode_request(frame[:length])


def test_mutated_frames_are_read_or_refused() -> None:
    """A thousand damaged frames raise nothing but ProtocolError, and what is read is a request that encodes."""
    dice = random.Random(7)
    frames = [gob.encode_request(recorded.request_of(row)) for row in recorded.requests()]
    outcomes: dict[str, int] = {"read": 0, "refused": 0}

    for _ in range(3000):
        frame = mutate(dice, dice.choice(frames))
        try:
            request = gob.decode_request(frame)
        except ProtocolError:
            outcomes["refused"] += 1
        else:
            outcomes["read"] += 1
            assert request == gob.decode_request(gob.encode_request(request))

    assert min(outcomes.values()) > 200


def mutate(dice: random.Random, frame: bytes) -> bytes:
    """Change, insert, delete or repeat a few bytes."""
    damaged = bytearray(frame)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(damaged))
        action: Any = dice.randrange(4)
        if action == 0:
            damaged[place] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
        elif action == 1:
            damaged.insert(place, dice.randrange(256))
        elif action == 2 and len(damaged) > 1:
            del damaged[place]
        else:
            damaged[place:place] = damaged[place : place + dice.randrange(8)]
    return bytes(damaged)


def test_hostile_definitions_cannot_fill_the_memory() -> None:
    """What is remembered is bounded, and the real clients' definitions stay."""
    reader = gob._REQUESTS
    for number in range(500):
        gob.decode_request(definition(64, [("ReqIdentifier", INT), (f"x{number}", INT)]) + value(64, []))

    assert len(reader._known) <= gob._REMEMBERED_MAX
    assert all(len(known) <= 128 for known in reader._known)
    assert {REQUEST_DEFINITION_64, REQUEST_DEFINITION_65} <= reader._known.keys()
