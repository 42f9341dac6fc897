"""How much of one client is in work at once."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import WSMessage, WSMsgType

from openim_ray.core import items
from openim_ray.gateway.rate_limit import RateLimit
from openim_ray.gateway.requests import Requests
from openim_ray.gateway.server import Limits, WebSocketServer
from openim_ray.protocol.encoding import GOB
from openim_ray.protocol.frames import Request
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from tests.unit.gateway.fake_gateway import SHARD, WALL_MS, FakeGateway


def test_something_big_takes_more_of_the_rate() -> None:
    """What was saved up serves for a burst, and comes back with time."""
    rate = RateLimit(10.0, 20.0, 0.0)
    assert rate.allows(0.0, 15.0)
    assert not rate.allows(0.0, 6.0)
    assert rate.allows(0.1, 6.0)


class Socket:
    """
    A client that sends what it has, then nothing more.
    """

    def __init__(self, frames: list[bytes]) -> None:
        self.left = list(frames)

    async def receive(self) -> WSMessage:
        """See `aiohttp.web.WebSocketResponse`."""
        if not self.left:
            await asyncio.Event().wait()
        return WSMessage(WSMsgType.BINARY, self.left.pop(0), None)


def send_frame(number: int, size: int) -> bytes:
    """Return the frame of a message whose content has so many bytes."""
    message = MsgData(
        sendID="bob", recvID="alice", clientMsgID=f"m{number}", content=b"x" * size, contentType=101, sessionType=1
    )
    request = Request(RequestIdentifier.SEND_MSG, send_id="bob", msg_incr=str(number), data=message.SerializeToString())
    return GOB.encode_request(request)


def make_server(gateway: FakeGateway, **limits: int) -> WebSocketServer:
    """Return a server of a gateway whose reads are never asked."""
    all_limits = Limits(100, 256, 8 << 20, 500.0, 1000.0, 10.0, **limits)
    requests = Requests(gateway.process, None, 8.0)  # type: ignore[arg-type]
    nobody: Any = None
    return WebSocketServer(gateway.process, requests, nobody, nobody, all_limits, lambda: WALL_MS, nobody)


async def test_large_messages_are_not_read_before_earlier_ones_are_answered() -> None:
    """A client must not fill the memory with what it has no answer for; small ones go on side by side."""
    gateway = FakeGateway()
    client, _ = gateway.connect("bob")
    socket = Socket([send_frame(number, 20_000) for number in range(10)])
    server = make_server(gateway, send_bytes_under_way_max=50_000)
    reading = asyncio.create_task(server._serve(socket, client))  # type: ignore[arg-type]
    for _ in range(20):
        await asyncio.sleep(0)
    submitted = [item for item in gateway.sent if isinstance(item, items.Submit)]
    assert len(submitted) == 3

    gateway.process.receive(SHARD, [items.Accepted(submitted[0].call, 1, "server", WALL_MS)])
    for _ in range(20):
        await asyncio.sleep(0)
    assert len([item for item in gateway.sent if isinstance(item, items.Submit)]) == 4
    reading.cancel()


async def test_who_sends_more_bytes_than_allowed_is_cut_off() -> None:
    """What a small frame unpacks to is work for everybody's gateway."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    client.connection.rate = RateLimit(1.0, 10.0, asyncio.get_running_loop().time())
    socket = Socket([send_frame(number, 40_000) for number in range(10)])
    await make_server(gateway)._serve(socket, client)  # type: ignore[arg-type]
    assert transport.aborted
    assert len(socket.left) == 6
