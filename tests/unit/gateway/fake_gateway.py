"""
A gateway process without sockets and stores: transports that may refuse to take anything, a reader that is told what to do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.gateway.hub import Device, Hub
from openim_ray.core.gateway.session import ClientKind, Session
from openim_ray.core.placement import Placement
from openim_ray.gateway.connection import Connection, QueueLimits
from openim_ray.gateway.deadlines import Times
from openim_ray.gateway.process import GatewayProcess
from openim_ray.gateway.rate_limit import RateLimit
from openim_ray.gateway.requests import Client
from openim_ray.protocol.encoding import GOB

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from openim_ray.domain.message import DamagedRow, StoredMessage

    Rows = Sequence[StoredMessage | DamagedRow]

WALL_MS = 1_800_000_000_000
SHARD = "inbox-0"


class FakeTransport(asyncio.Transport):
    """
    Keeps what is written. One that is `stuck` never hands anything on, and so never gets to the end of a close.
    """

    def __init__(self, *, stuck: bool = False) -> None:
        super().__init__()
        self.written = b""
        self.closed = asyncio.Event()
        self.aborted = False
        self._stuck = stuck

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes."""
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        """Return what waits for the peer."""
        return len(self.written) if self._stuck else 0

    def is_closing(self) -> bool:
        """Tell whether the end has begun."""
        return self.closed.is_set()

    def close(self) -> None:
        """Begin the end: it is reached when all is written."""
        self.closed.set()

    def abort(self) -> None:
        """End at once."""
        self.aborted = True
        self.closed.set()


class FakeReader:
    """
    Reads ranges by a function of the test.
    """

    def __init__(self) -> None:
        self.reading = 0
        self.done: asyncio.Queue[None] = asyncio.Queue()
        self.read: Callable[[int, int], Awaitable[Rows]] = _nothing

    async def read_range(self, _conversation_id: str, begin: int, end: int, _newest: int) -> Rows:
        """See `ports.MessageReader`."""
        self.reading += 1
        try:
            return await self.read(begin, end)
        finally:
            self.reading -= 1
            self.done.put_nowait(None)


class FakeGateway:
    """
    A gateway process with one shard behind it, that is played by the test.
    """

    def __init__(self, *, write_seconds: float = 10.0) -> None:
        self.reader = FakeReader()
        self.sent: list[items.AnyItem] = []
        self.hub = Hub(Placement(epoch=1, shards=(SHARD,)), ("persistence-0",), "first")
        self.process = GatewayProcess(
            self.hub,
            self.reader,  # type: ignore[arg-type]
            lambda _peer, item: self.sent.append(item),
            lambda: None,
            lambda: WALL_MS,
            Times(read=30.0, write=write_seconds, web_ping=27.0),
        )

    def connect(
        self, user_id: str, kind: ClientKind = ClientKind.GO, *, stuck: bool = False
    ) -> tuple[Client, FakeTransport]:
        """Let a client connect and be registered."""
        loop = asyncio.get_running_loop()
        now, transport = loop.time(), FakeTransport(stuck=stuck)
        number = self.hub.next_connection()
        connection = Connection(
            number, user_id, 1, GOB, transport, QueueLimits(256, 8 << 20), RateLimit(500, 1000, now), now
        )
        session = Session(number, user_id, kind)
        self.process.add(connection)
        self.hub.open(session, Device(1, "digest", 1 << 40, WALL_MS), Waiting(), now + 10.0)
        self.process.perform()
        register = next(item for item in reversed(self.sent) if isinstance(item, items.Register))
        self.process.receive(SHARD, [items.Reply(register.call)])
        connection.upgraded()
        return Client(connection, session), transport

    def push(self, client: Client, seq: int, conversation_id: str = "si_alice_bob") -> None:
        """Let the shard deliver a message of alice to one client."""
        delivery = items.Delivery(
            conversation_id, seq, "alice", f"client-{seq}", "op", b"body", [client.connection.number]
        )
        self.process.receive(SHARD, [delivery])


class Waiting:
    """
    Who waits for a request.
    """

    def __init__(self) -> None:
        self.replies: list[object] = []

    def complete(self, reply: object, _error: object) -> None:
        """Hear how it ended."""
        self.replies.append(reply)


async def _nothing(_begin: int, _end: int) -> list[StoredMessage]:
    return []
