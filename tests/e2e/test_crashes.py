"""Chats that go on while the server, or a part of it, is killed."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.e2e.client import Client, Message, conversation
from tests.e2e.clients import Clients
from tests.e2e.native_client import NativeClient, new_client_msg_id
from tests.e2e.native_connection import RequestError
from tests.e2e.server import Server

ACTORS = ["GatewayActor", "InboxActor", "PersistenceActor", "SupervisorActor"]
SENT_AFTER = 20
"""How many messages each writer sends after the kill."""

ALL_ARRIVED_SECONDS = 60.0


class Writer:
    """Sends numbered texts until it is told to stop, each again and again until the server has answered."""

    def __init__(self, client: NativeClient, peer: str) -> None:
        self.acknowledged: list[Message] = []
        self._client = client
        self._peer = peer
        self._stop_at: int | None = None
        self._sent = asyncio.Event()
        self._running = asyncio.create_task(self._write())

    async def wrote(self, count: int) -> None:
        """Return when this many are acknowledged."""
        while len(self.acknowledged) < count:
            self._sent.clear()
            await self._sent.wait()

    async def finish(self, more: int) -> list[str]:
        """Send some more, stop, and return all acknowledged texts."""
        self._stop_at = len(self.acknowledged) + more
        await self._running
        return [message.text for message in self.acknowledged]

    async def _write(self) -> None:
        for number in itertools.count(1):
            if self._stop_at is not None and len(self.acknowledged) >= self._stop_at:
                return
            self.acknowledged.append(await self._send(f"{self._client.account.user_id} {number}"))
            self._sent.set()

    async def _send(self, text: str) -> Message:
        client_msg_id = new_client_msg_id()
        while True:
            attempt = self._client.events.position
            try:
                return await self._client.send_text(self._peer, text, client_msg_id=client_msg_id)
            except RequestError as error:
                if error.code == 0:  # no connection: the next attempt makes sense once there is one
                    await self._client.events.wait_for("OnConnectSuccess", after=attempt, seconds=ALL_ARRIVED_SECONDS)
                else:
                    await asyncio.sleep(0.5)


async def _assert_converged(client: Client, peer: str, texts: list[str]) -> None:
    """The device shows every text once, in order, and told the app of none twice."""
    told = client.received_texts(peer)
    assert sorted(set(told)) == sorted(told), "told twice"
    pages = await client.whole_history(peer, 20)
    assert [message.text for page in reversed(pages) for message in page] == texts


@pytest.mark.parametrize("actor", ACTORS)
async def test_killing_one_actor_loses_and_doubles_nothing(clients: Clients, server: Server, actor: str) -> None:
    """While an actor is killed and comes back, every acknowledged message reaches every device of the receiver once."""
    bob = clients.user("bob")
    alice, phone, tab = await clients.native(clients.user("alice")), await clients.native(bob), await clients.wasm(bob)
    writer = Writer(alice, bob)
    await writer.wrote(10)

    server.kill_actor(actor)
    texts = await writer.finish(SENT_AFTER)

    await alice.send_text(bob, "that was all")
    for device in (phone, tab):
        await device.received("that was all", seconds=ALL_ARRIVED_SECONDS)
        await _assert_converged(device, alice.user_id, [*texts, "that was all"])
    seqs = phone.device.messages[conversation(bob, alice.user_id)]
    assert sorted(seqs) == list(range(1, len(texts) + 2))


@pytest.mark.parametrize("everything", [False, True], ids=["up", "every process"])
async def test_killing_the_server_loses_and_doubles_nothing(clients: Clients, server: Server, everything: bool) -> None:
    """After a crash and a new start on the same data all clients reconnect by themselves and have everything once."""
    bob, carol = clients.user("bob"), clients.user("carol")
    alice, dave = await clients.native(clients.user("alice")), await clients.native(clients.user("dave"))
    tab, page = await clients.wasm(bob), await clients.js(carol)
    writers = [Writer(alice, bob), Writer(dave, carol)]
    for writer in writers:
        await writer.wrote(10)

    await asyncio.to_thread(server.kill_everything if everything else server.kill)
    await asyncio.to_thread(server.restart)
    to_bob, to_carol = [await writer.finish(SENT_AFTER) for writer in writers]

    for sender, receiver, texts in ((alice, tab, to_bob), (dave, page, to_carol)):
        await sender.send_text(receiver.user_id, "that was all")
        await receiver.received("that was all", seconds=ALL_ARRIVED_SECONDS)
        await _assert_converged(receiver, sender.user_id, [*texts, "that was all"])
    await tab.send_text(alice.user_id, "we are back")
    await alice.received("we are back")


@pytest.mark.parametrize("kind", ["native", "wasm"])
async def test_a_reconnect_right_after_the_login_misses_nothing(clients: Clients, kind: str) -> None:
    """
    A Go SDK that loses its connection within 5 s of its synchronisation doesn't synchronise again when it reconnects.

    What was sent in between reaches it all the same.
    """
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    await alice.send_text(bob.user_id, "first")
    await bob.received("first")
    wire = clients.wire(bob)

    wire.cut()
    await alice.send_text(bob.user_id, "into the gap")

    await bob.received("into the gap")
    assert wire.accepted == 3, "the server should have closed the connection that was not synchronised"


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
    await bob.events.wait_for("OnConnectSuccess", after=before)
    await alice.send_text(bob.user_id, "last")

    await bob.received("last")
    if kind == "pypi":
        await bob.received(texts[-1])
        assert [message.text for message in await bob.stored(alice.user_id)] == ["first", *texts, "last"]
    else:
        await _assert_converged(bob, alice.user_id, ["first", *texts, "last"])
    if kind == "js-modern":
        assert bob.received_texts(alice.user_id) == ["first", *texts[-10:], "last"]
