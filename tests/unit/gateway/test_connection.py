"""The end of a connection, on sockets of both event loops that a gateway may have."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from openim_ray.gateway.connection import Connection, QueueLimits
from openim_ray.gateway.rate_limit import RateLimit
from openim_ray.protocol.encoding import GOB


class _Noted(asyncio.Protocol):
    """Tells when its transport has come to its end."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost.set()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_may_be_cut_off_more_than_once(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """By its queue, and then by whoever reads it; by then the system has closed the socket, and its number may be another's."""

    async def cut_off_twice() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        noted = _Noted()
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: noted, sock=ours)
        limits = QueueLimits(256, 8 << 20)
        connection = Connection(1, "alice", 5, GOB, transport, limits, RateLimit(500, 1000, 0.0), 0.0)
        connection.abort()
        await noted.lost.wait()
        connection.abort()
        assert connection.gone
        assert theirs.recv(1) == b""
        theirs.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(cut_off_twice())
