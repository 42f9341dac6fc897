"""
Connections that are opened and aborted, in every way there is: `python -m tests.integration.abort_storm --connections 100000`.

A chat goes on beside them. Before and after, the gateway's descriptors and memory are read; what is left over divided by the number of
connections is what each of them leaked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from openim_ray.domain.conversation import single_chat_id
from openim_ray.protocol.frames import Request
from tests.e2e.server import Server
from tests.integration.connection import KINDS, NATIVE, WASM, Account, Connection, target
from tests.integration.measures import (
    client_sockets,
    descriptors,
    pss_kilobytes,
    until,
    until_connections,
)
from tests.integration.people import People
from tests.integration.websocket import BINARY, HOST, masked_frame, upgrade_request

AT_ONCE: Final = 100
WARM_UP: Final = 2_000
"""Connections before the first reading: heaps and caches have their size then."""

_LINGER_RESET: Final = struct.pack("ii", 1, 0)


@dataclass
class Reading:
    """What the gateway holds at one moment."""

    client_sockets: int
    descriptors: int
    gateway_pss_kilobytes: int
    inbox_pss_kilobytes: int


@dataclass
class Report:
    """What a storm left behind."""

    seed: int
    connections: int
    ways: dict[str, int] = field(default_factory=dict)
    before: Reading | None = None
    after: Reading | None = None
    texts_beside: int = 0


class Stranger:
    """A client that breaks off: one TCP connection, without any courtesy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setblocking(False)

    async def connect(self) -> None:
        """Open the connection."""
        await self._loop.sock_connect(self._socket, (HOST, self._port))

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        await self._loop.sock_sendall(self._socket, data)

    async def hear(self) -> bytes:
        """Return the first bytes that come."""
        try:
            return await self._loop.sock_recv(self._socket, 1 << 16)
        except ConnectionError:
            return b""

    def reset(self) -> None:
        """Break off with a TCP reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._socket.close()

    def close(self) -> None:
        """Break off in order."""
        self._socket.close()


def _gzip_bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush()


BOMBS: Final = tuple(masked_frame(BINARY, data) for data in (_gzip_bomb(), bytes(1000), bytes(60_000)))

Way = Callable[[Stranger, random.Random, Account], Awaitable[None]]


async def _nothing(_stranger: Stranger, _random: random.Random, _account: Account) -> None:
    """Say nothing at all."""


async def _half(stranger: Stranger, chance: random.Random, account: Account) -> None:
    """Begin a handshake."""
    request = upgrade_request(target(account, WASM))
    await stranger.say(request[: chance.randrange(1, len(request) - 1)])


async def _noise(stranger: Stranger, chance: random.Random, _account: Account) -> None:
    """Speak no HTTP; TLS perhaps."""
    await stranger.say(b"\x16\x03\x01" + chance.randbytes(chance.randrange(300)))


async def _bad_token(stranger: Stranger, chance: random.Random, account: Account) -> None:
    """Be refused in either form, and wait for it or not."""
    kind = chance.choice(KINDS)
    await stranger.say(upgrade_request(target(account._replace(token="garbage"), kind)))
    if chance.random() < 0.5:
        assert await stranger.hear()


async def _hasty(stranger: Stranger, chance: random.Random, account: Account) -> None:
    """Shake hands rightly and not wait for the answer."""
    await stranger.say(upgrade_request(target(account, chance.choice(KINDS))))


async def _upgraded(stranger: Stranger, chance: random.Random, account: Account) -> None:
    """Be connected, and perhaps ask something."""
    await stranger.say(upgrade_request(target(account, NATIVE)))
    assert b"101" in await stranger.hear()
    if chance.random() < 0.5:
        request = Request(1001, "", account.user_id, "operation", "1")
        data = masked_frame(BINARY, NATIVE.encoding.encode_request(request))
        await stranger.say(data[: chance.randrange(1, len(data) + 1)])


async def _bomb(stranger: Stranger, chance: random.Random, account: Account) -> None:
    """Be connected, and send what ends the connection: a gzip bomb, noise, or more than a frame may hold."""
    await stranger.say(upgrade_request(target(account, NATIVE)))
    assert b"101" in await stranger.hear()
    await stranger.say(chance.choice(BOMBS))
    while await stranger.hear():
        pass


WAYS: Final[Mapping[Way, int]] = {_nothing: 4, _half: 4, _noise: 4, _bad_token: 2, _hasty: 2, _upgraded: 2, _bomb: 1}
"""How often each of them is gone: those that are dear to both sides seldom."""

TEXT_PAUSE_SECONDS: Final = 0.05
"""Between two texts of a chat beside: it shall go on, and not be what the machine is busy with."""


class Storm:
    """Strangers of the users of a server."""

    def __init__(self, people: People, accounts: list[Account], seed: int) -> None:
        self._port = people.server.ws_port
        self._accounts = accounts
        self._random = random.Random(seed)
        self.ways: Counter[str] = Counter()

    async def blow(self, count: int) -> None:
        """Open and abort so many connections, some at once."""
        left = iter(range(count))

        async def some() -> None:
            for _ in left:
                await self._one()

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def _one(self) -> None:
        (way,) = self._random.choices(list(WAYS), list(WAYS.values()))
        self.ways[way.__name__.lstrip("_")] += 1
        stranger = Stranger(self._port)
        try:
            await stranger.connect()
            await way(stranger, self._random, self._random.choice(self._accounts))
        finally:
            if self._random.random() < 0.8:
                stranger.reset()
            else:
                stranger.close()


class Chat:
    """Two users who write to each other all the while; nothing may be lost, repeated or disturbed."""

    def __init__(self, alice: Connection, bob: Connection) -> None:
        self._alice = alice
        self._bob = bob
        self._stopped = asyncio.Event()
        self._writing = asyncio.create_task(self._write())

    async def finish(self) -> int:
        """Stop, and return how many texts both saw."""
        self._stopped.set()
        count = await self._writing
        chat = single_chat_id(self._alice.user_id, self._bob.user_id)
        for client in (self._alice, self._bob):
            pushes = await client.pushed(count, chat)
            assert [(push.seq, push.text) for push in pushes] == [(seq, str(seq)) for seq in range(1, count + 1)]
        return count

    async def _write(self) -> int:
        count = 0
        while not self._stopped.is_set():
            for sender, receiver in ((self._alice, self._bob), (self._bob, self._alice)):
                count += 1
                await sender.send_text(receiver.user_id, str(count))
            await asyncio.sleep(TEXT_PAUSE_SECONDS)
        return count


async def read(server: Server, sockets: int) -> Reading:
    """Wait until the gateway holds so many connections of clients, and read what it holds."""
    (gateway,), (inbox,) = server.actors("GatewayActor"), server.actors("InboxActor")
    await until_connections(server, sockets)
    port = server.ws_port
    held = await until(lambda: client_sockets(gateway, port), lambda value: value == sockets, f"{sockets} sockets")
    return Reading(held, descriptors(gateway), pss_kilobytes(gateway), pss_kilobytes(inbox))


async def run(server: Server, *, connections: int, seed: int) -> Report:
    """Let a storm pass over a server that nobody else uses."""
    report = Report(seed, connections)
    people = People(server)
    try:
        accounts = [await people.account(f"stranger{number}") for number in range(20)]
        alice, bob = await people.connect("alice"), await people.connect("bob")
        storm = Storm(people, accounts, seed)
        await storm.blow(WARM_UP)
        report.before = await read(server, 2)
        storm.ways.clear()
        chat = Chat(alice, bob)
        await storm.blow(connections)
        report.texts_beside = await chat.finish()
        report.after = await read(server, 2)
        report.ways = dict(storm.ways)
    finally:
        await people.close()
    return report


def main() -> int:
    """Run by hand and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        server.start()
        try:
            print(json.dumps(asdict(asyncio.run(run(server, **vars(options))))))
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
