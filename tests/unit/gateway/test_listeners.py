"""Connections are counted, and end, whether they say anything or not; on both event loops that a gateway may have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import uvloop
from aiohttp import web

from openim_ray.config import ServerSection
from openim_ray.config.settings import GatewaySection
from openim_ray.gateway import address_limits, listeners
from openim_ray.gateway.listeners import Listeners
from tests.certificates import make_pair
from tests.e2e.ports import free_ports

WAIT_SECONDS = 20.0
TEXT = b"here"
LONG_SECONDS = 60.0
SHORT_SECONDS = 0.3
PER_ADDRESS, IN_ALL, MORE = 2, 5, 1
LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
NewLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_limits, "REFUSED_AT_ONCE", MORE)
    monkeypatch.setattr(listeners, "SILENCE_CHECK_SECONDS", 0.05)


def run(new_loop: NewLoop, test: Callable[[], Awaitable[None]]) -> None:
    """Run a test on a loop of this kind."""

    async def bounded() -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await test()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(bounded())


class Client(NamedTuple):
    """A connection that a test holds."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def is_served(self) -> bool:
        """Ask for something, and tell whether an answer came."""
        try:
            self.writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head.startswith(b"HTTP/1.1 200") and await self.reader.readexactly(len(TEXT)) == TEXT
        except (ConnectionError, asyncio.IncompleteReadError):
            return False

    async def gone(self) -> None:
        """Wait for the end of the connection."""
        try:
            assert await self.reader.read() == b""
        except ConnectionError:
            return

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class Place:
    """Running listeners; all connections go to the one for WebSockets."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._clients: list[Client] = []

    async def connect(self, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Client:
        """Connect from an address of this machine."""
        streams = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0), ssl=tls)
        self._clients.append(Client(*streams))
        return self._clients[-1]

    async def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            await client.close()

    async def is_full(self, address: str = "127.0.0.1") -> bool:
        """Tell whether one more connection of an address is closed, before it says anything."""
        client = await self.connect(address)
        served = await client.is_served()
        await client.close()
        return not served


async def answer(_request: web.Request) -> web.Response:
    """Answer anything."""
    return web.Response(body=TEXT)


async def answer_late(request: web.Request) -> web.Response:
    """Answer what has a body, long after the time that a first request has to arrive."""
    await request.read()
    await asyncio.sleep(4 * SHORT_SECONDS)
    return web.Response(body=TEXT)


@asynccontextmanager
async def listening(
    *, certificate: str = "", key: str = "", seconds: float = LONG_SECONDS, trusted: tuple[str, ...] = ()
) -> AsyncIterator[Place]:
    """Listen on free ports for the length of a block."""
    ports = free_ports(2)
    server = ServerSection(
        hosts=("127.0.0.1",),
        ws_port=ports[0],
        api_port=ports[1],
        tls_certificate=certificate,
        tls_key=key,
        trusted_proxies=trusted,
    )
    limits = GatewaySection(connections_max=IN_ALL, connections_per_address_max=PER_ADDRESS, handshake_seconds=seconds)
    applications = []
    for _ in ports:
        application = web.Application()
        application.router.add_get("/", answer)
        application.router.add_post("/", answer_late)
        applications.append(application)
    running = Listeners(server, limits)
    await running.start(*applications)
    place = Place(ports[0])
    try:
        yield place
    finally:
        await place.close()
        await running.close()


async def until_room(place: Place, address: str = "127.0.0.1") -> None:
    """Connect until it succeeds: a server learns of the end of a connection when it gets to it."""
    while await place.is_full(address):
        pass


@LOOPS
def test_silent_connections_count(new_loop: NewLoop) -> None:
    """From the first moment, by address and in all; one more is closed at once, and a place that came free is given again."""

    async def test() -> None:
        async with listening() as place:
            held = [await place.connect() for _ in range(PER_ADDRESS + MORE)]
            await (await place.connect()).gone()
            others = [await place.connect(f"127.0.0.{number}") for number in (2, 3, 4)]
            await (await place.connect("127.0.0.5")).gone()
            assert all([await client.is_served() for client in (*held[1:], *others)])
            await held[0].close()
            await until_room(place)

    run(new_loop, test)


@LOOPS
def test_a_request_has_time_to_arrive_and_its_answer_has_its_own(new_loop: NewLoop) -> None:
    """Whoever sends half a body is cut off; whoever has sent it all may wait for the answer as long as that takes."""

    async def test() -> None:
        async with listening(seconds=SHORT_SECONDS) as place:
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
            half, whole = await place.connect(), await place.connect()
            half.writer.write(head + b"ab")
            whole.writer.write(head + b"abcd")
            await half.gone()
            assert (await whole.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")

    run(new_loop, test)


@LOOPS
def test_a_trusted_proxy_may_have_all_there_are(new_loop: NewLoop) -> None:
    """Its connections are those of many clients, but not without end."""

    async def test() -> None:
        async with listening(trusted=("127.0.0.1",)) as place:
            held = [await place.connect() for _ in range(IN_ALL + MORE)]
            assert all([await client.is_served() for client in held])
            await (await place.connect()).gone()

    run(new_loop, test)


@LOOPS
def test_connections_that_do_not_even_begin_tls_count(new_loop: NewLoop, tmp_path: Path) -> None:
    """And have the same time as a first request: then they are closed, and others have their place."""
    pair = make_pair(tmp_path, "pair")
    trusting = ssl.create_default_context(cafile=str(pair.certificate))

    async def test() -> None:
        options = {"certificate": str(pair.certificate), "key": str(pair.key)}
        async with listening(**options) as place:
            held = [await place.connect() for _ in range(PER_ADDRESS + MORE)]
            with pytest.raises(OSError):  # noqa: PT011 - it depends on the moment which one
                await place.connect(tls=trusting)
            assert len(held) == PER_ADDRESS + MORE
        async with listening(seconds=SHORT_SECONDS, **options) as place:
            held = [await place.connect() for _ in range(PER_ADDRESS + MORE)]
            for client in held:
                await client.gone()
            served = await place.connect(tls=trusting)
            assert await served.is_served()
            silent = await place.connect(tls=trusting)
            await silent.gone()
            assert await served.is_served()

    run(new_loop, test)
