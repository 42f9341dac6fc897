"""What a hostile or broken client sends ends its own connection and disturbs nobody (OpenIM wire, §2.2, §2.7)."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable

import pytest

from openim_ray.protocol.encoding import GOB, GOB_GZIP, JSON_GZIP, Encoding
from openim_ray.protocol.frames import Request
from openim_ray.protocol.limits import MAX_REQUEST_FRAME_BYTES
from tests.integration.connection import JS, NATIVE, Connection
from tests.integration.people import People
from tests.integration.websocket import BINARY, CONTINUATION, PING, TEXT, masked_frame


def request(user_id: str, identifier: int = 1001, encoding: Encoding = GOB_GZIP) -> bytes:
    """Return the frame of a request."""
    return encoding.encode_request(Request(identifier, "", user_id, "operation", "1"))


def bomb() -> bytes:
    """Return 50 MB of zeros in less than a frame."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(48)) + packer.flush()
    assert len(packed) < MAX_REQUEST_FRAME_BYTES
    return packed


REQUESTS: dict[str, Callable[[str], bytes]] = {
    "unknown identifier": lambda user_id: request(user_id, 4711),
    "identifier of a push": lambda user_id: request(user_id, 2001),
    "identifier zero": lambda user_id: request(user_id, 0),
    "another user": lambda user_id: request("alice"),
    "no user": lambda user_id: request(""),
    "not compressed": lambda user_id: request(user_id, encoding=GOB),
    "another encoding": lambda user_id: request(user_id, encoding=JSON_GZIP),
    "cut short": lambda user_id: request(user_id)[:-9],
    "something behind": lambda user_id: request(user_id) + b"x",
    "two streams": lambda user_id: request(user_id) + request(user_id),
    "two requests in one": lambda user_id: gzip.compress(request(user_id, encoding=GOB) * 2),
}
"""Frames that come close to a request; what is right in them names the user of the connection."""

NOISE: dict[str, bytes] = {
    "noise": masked_frame(BINARY, os.urandom(1000)),
    "compressed noise": masked_frame(BINARY, gzip.compress(os.urandom(1000))),
    "nothing": masked_frame(BINARY, b""),
    "gzip bomb": masked_frame(BINARY, bomb()),
    "bomb in gob": masked_frame(BINARY, gzip.compress(b"\xf8" + b"\xff" * 8)),
    "too large": masked_frame(BINARY, bytes(MAX_REQUEST_FRAME_BYTES + 1)),
    "promise of an endless frame": bytes((0x82, 0xFF)) + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0",
    "too large in pieces": masked_frame(BINARY, bytes(40_000), final=False) + masked_frame(CONTINUATION, bytes(40_000)),
    "no mask": bytes((0x82, 5)) + b"hello",
    "continuation of nothing": masked_frame(CONTINUATION, b"hello"),
    "reserved bits": bytes((0xF2, 0x80)) + b"\0\0\0\0",
    "unknown opcode": masked_frame(0x5, b"hello"),
    "large control frame": masked_frame(PING, bytes(126)),
    "split control frame": masked_frame(PING, b"x", final=False),
    "text of no kind": masked_frame(TEXT, b"hello"),
    "text of another kind": masked_frame(TEXT, b'{"type":"pung"}'),
    "text without end": masked_frame(TEXT, b'{"type":"ping","body":' + b"[" * 20_000),
    "text that is none": masked_frame(TEXT, b"\xff\xfe"),
    "no WebSocket": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.fixture
async def bystander(people: People) -> Connection:
    """Somebody who chats."""
    return await people.connect("bystander")


async def expect_end(people: People, eve: Connection, bystander: Connection) -> None:
    """The connection is closed; others, another one of the same user included, go on."""
    await eve.ended()
    page = await people.connect(await people.login(eve.user_id, JS), JS)
    for client in (page, bystander):
        await client.send_text(client.user_id, "still here")


@pytest.mark.parametrize("make", REQUESTS.values(), ids=REQUESTS)
async def test_what_is_no_request_ends_its_connection_only(
    people: People, bystander: Connection, make: Callable[[str], bytes]
) -> None:
    """Clients never send it, so it isn't answered."""
    eve = await people.connect("eve", NATIVE, silent=True)
    eve.socket.send(BINARY, make(eve.user_id))
    await expect_end(people, eve, bystander)
    assert not eve.received


@pytest.mark.parametrize("data", NOISE.values(), ids=NOISE)
async def test_hostile_bytes_end_their_connection_only(people: People, bystander: Connection, data: bytes) -> None:
    """Whatever stands in a frame, and whatever is no frame at all."""
    eve = await people.connect("eve", NATIVE, silent=True)
    eve.socket.write(data)
    await expect_end(people, eve, bystander)


async def test_a_request_in_pieces_is_one_request(people: People) -> None:
    """Frames may be split by the protocol's rules, with control frames in between."""
    alice = await people.connect("alice", silent=True)
    data = request(alice.user_id)
    alice.socket.send(BINARY, data[:10], final=False)
    alice.socket.send(PING, b"between")
    alice.socket.send(CONTINUATION, data[10:20], final=False)
    alice.socket.send(CONTINUATION, data[20:])
    await alice.until(lambda: bool(alice.received), "answer")
    assert alice.pongs == [b"between"]
