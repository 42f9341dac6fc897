"""Chats that go on while the server, or a part of it, is killed."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

import pytest

from tests.e2e.client import Client, received_of
from tests.e2e.clients import Clients
from tests.e2e.events import Event
from tests.e2e.native_client import NativeClient, new_client_msg_id
from tests.e2e.native_connection import RequestError
from tests.e2e.server import Server

INNER_ACTORS = ("InboxActor", "PersistenceActor", "SupervisorActor")
SENT_AFTER = 10
"""How many messages each writer sends after a kill."""

PAUSE_SECONDS = 0.05
ALL_ARRIVED_SECONDS = 60.0


class Writer:
    """Sends numbered texts until it is told to end, each again and again until the server has answered."""

    def __init__(self, client: NativeClient, peer: str) -> None:
        self.client = client
        self.texts: list[str] = []
        """What the server has acknowledged."""

        self._peer = peer
        self._ended = False
        self._sent = asyncio.Event()
        self._running = asyncio.create_task(self._write())

    @property
    def user_id(self) -> str:
        """Who writes."""
        return self.client.user_id

    async def wrote(self, count: int) -> None:
        """Return when this many are acknowledged."""
        async with asyncio.timeout(ALL_ARRIVED_SECONDS):
            while len(self.texts) < count:
                self._sent.clear()
                await self._sent.wait()

    async def end(self) -> None:
        """Return when the text under way is acknowledged; it is the last."""
        self._ended = True
        await self._running

    async def _write(self) -> None:
        for number in itertools.count(1):
            text = f"{self.user_id} {number}"
            await self._send(text)
            self.texts.append(text)
            self._sent.set()
            if self._ended:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, text: str) -> None:
        client_msg_id = new_client_msg_id()
        while True:
            attempt = self.client.events.position
            try:
                await self.client.send_text(self._peer, text, client_msg_id=client_msg_id)
                return
            except RequestError as error:
                if error.code == 0:  # no connection: the next attempt makes sense once there is one
                    await self.client.events.wait_for("OnConnectSuccess", after=attempt, seconds=ALL_ARRIVED_SECONDS)
                else:
                    await asyncio.sleep(0.5)


@dataclass
class Cast:
    """Two who write, and three devices of those who read: native, wasm and pure JavaScript."""

    writers: list[Writer]
    readers: list[tuple[Client, Writer]]

    async def go_on(self) -> None:
        """
        Let the writers go on until each reader is told of what they write now.

        The pure JavaScript SDK tells its app nothing of what was sent while it was not connected.
        """
        for writer in self.writers:
            await writer.wrote(len(writer.texts) + SENT_AFTER)
        for reader, writer in self.readers:
            await _is_told_again(reader, writer)

    async def finish(self) -> None:
        """Let the writers go on, end them, and wait until all is told."""
        await self.go_on()
        await asyncio.gather(*(writer.end() for writer in self.writers))
        for reader, writer in self.readers:
            await reader.received(writer.texts[-1], seconds=ALL_ARRIVED_SECONDS)


async def _is_told_again(reader: Client, writer: Writer) -> None:
    old = set(writer.texts)

    def is_new(event: Event) -> bool:
        return any(message.send_id == writer.user_id and message.text not in old for message in received_of(event))

    await reader.events.wait(is_new, f"news from {writer.user_id}", seconds=ALL_ARRIVED_SECONDS)


async def _cast(clients: Clients) -> Cast:
    bob, carol = clients.user("bob"), clients.user("carol")
    alice, dave = await clients.native(clients.user("alice")), await clients.native(clients.user("dave"))
    phone, tab, page = await clients.native(bob), await clients.wasm(bob), await clients.js(carol)
    to_bob, to_carol = Writer(alice, bob), Writer(dave, carol)
    for writer in (to_bob, to_carol):
        await writer.wrote(10)
    return Cast([to_bob, to_carol], [(phone, to_bob), (tab, to_bob), (page, to_carol)])


async def _assert_whole(reader: Client, writer: Writer) -> None:
    """The device shows every acknowledged text once, in order, and told its app of none twice."""
    told = reader.received_texts(writer.user_id)
    assert len(set(told)) == len(told), "told twice"
    pages = await reader.whole_history(writer.user_id, 20)
    messages = [message for page in reversed(pages) for message in page]
    assert [message.text for message in messages] == writer.texts
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))


async def test_killing_one_actor_loses_and_doubles_nothing(clients: Clients, server: Server) -> None:
    """
    While one actor after the other is killed and comes back, every acknowledged message reaches every device once.

    Only the gateway holds connections: when another is killed they live on, and nothing on them is repeated or skipped.
    """
    cast = await _cast(clients)

    for actor in INNER_ACTORS:
        server.kill_actor(actor)
        await cast.go_on()
    for reader, writer in cast.readers:
        assert clients.wire(reader).accepted == 1, "the connection did not live through it"
        told = reader.received_texts(writer.user_id)
        assert told == [f"{writer.user_id} {number}" for number in range(1, len(told) + 1)]
        assert reader.events.named("gap", "repeated push") == []

    server.kill_actor("GatewayActor")
    await cast.finish()

    for reader, writer in cast.readers:
        await _assert_whole(reader, writer)


async def test_killing_the_server_loses_and_doubles_nothing(clients: Clients, server: Server) -> None:
    """
    After a crash and a new start on the same data all clients reconnect by themselves and have everything once.

    First every process ends at once; then `up`, which the rest must follow.
    """
    cast = await _cast(clients)

    for kill in (server.kill_everything, server.kill):
        await asyncio.to_thread(kill)
        await asyncio.to_thread(server.restart)
        await cast.go_on()
    await cast.finish()

    for reader, writer in cast.readers:
        await _assert_whole(reader, writer)
    for reader, writer in cast.readers:
        await reader.send_text(writer.user_id, f"{reader.account.platform} is back")
        await writer.client.received(f"{reader.account.platform} is back")


@pytest.mark.parametrize("kind", ["native", "wasm"])
async def test_a_reconnect_right_after_the_login_misses_nothing(clients: Clients, kind: str) -> None:
    """
    A Go SDK that loses its connection within 5 s of its synchronisation doesn't synchronise again when it reconnects.

    What was sent in between reaches it all the same: the server closes the connection, and the next one synchronises. A device that
    took longer to come back synchronises at once.
    """
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    await alice.send_text(bob.user_id, "first")
    await bob.received("first")
    wire = clients.wire(bob)

    await wire.down()
    await alice.send_text(bob.user_id, "into the gap")
    await wire.up()

    await bob.received("into the gap")
    assert bob.received_texts(alice.user_id) == ["first", "into the gap"]


@pytest.mark.parametrize("kind", ["wasm", "js", "js-modern", "native", "pypi"])
async def test_a_lost_connection_is_made_again_and_catches_up(clients: Clients, kind: str) -> None:
    """A device that was cut off for some messages has them all after it reconnected by itself."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    await alice.send_text(bob.user_id, "first")
    await bob.received("first")
    before = bob.events.position

    await clients.wire(bob).down()
    texts = [f"cut off {number}" for number in range(15)]
    for text in texts:
        await alice.send_text(bob.user_id, text)
    await clients.wire(bob).up()
    await bob.events.wait_for("OnConnectSuccess" if kind == "pypi" else "OnSyncServerFinish", after=before)
    await alice.send_text(bob.user_id, "last")

    await bob.received("last")
    everything = ["first", *texts, "last"]
    if kind == "pypi":
        assert bob.received_texts(alice.user_id) == everything
        return
    shown = [message.text for page in reversed(await bob.whole_history(alice.user_id, 20)) for message in page]
    assert shown == everything
    await bob.shows_unread(alice.user_id, len(everything))
    told = bob.received_texts(alice.user_id)
    assert len(set(told)) == len(told)
    if kind == "js-modern":
        assert told == ["first", *texts[-10:], "last"]
