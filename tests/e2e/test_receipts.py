"""Read receipts and unread counts, on both sides and on all devices."""

from __future__ import annotations

import pytest

from tests.e2e.client import Client
from tests.e2e.clients import Clients
from tests.e2e.native_client import NativeClient

PAIRS = [("wasm", "js"), ("js", "native"), ("native", "wasm")]


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
async def test_reading_clears_the_count_and_tells_the_writer(clients: Clients, writer: str, reader: str) -> None:
    """
    Each message counts as unread until the reader marks the chat; then the writer learns which messages were read.

    So in both directions: a question, and what answers it.
    """
    alice = await clients.open(writer, clients.user("alice"))
    bob = await clients.open(reader, clients.user("bob"))
    question = await bob.send_text(alice.user_id, "question")
    await alice.received("question")
    await alice.shows_unread(bob.user_id, 1)
    assert await bob.unread(alice.user_id) == 0

    await alice.mark_read(bob.user_id)

    await bob.receipt_of(question)
    await alice.shows_unread(bob.user_id, 0)
    answers = [await alice.send_text(bob.user_id, text) for text in ("one", "two", "three")]
    await bob.received("three")
    await bob.shows_unread(alice.user_id, 3)

    await bob.mark_read(alice.user_id)

    for answer in answers:
        await alice.receipt_of(answer)
    await bob.shows_unread(alice.user_id, 0)
    await alice.shows_unread(bob.user_id, 0)


@pytest.mark.parametrize("kind", ["wasm", "js", "native"])
async def test_the_devices_of_a_user_count_alike(clients: Clients, kind: str) -> None:
    """
    What a user wrote on one device is unread on none of them, and what she has read on one is read on the others.

    So it stays after a reconnect and after a restart: own and read messages stay read, and unread ones unread.
    """
    bob, carol = clients.user("bob"), await clients.native(clients.user("carol"))
    user = clients.user("alice")
    phone = await clients.native(user) if kind != "native" else await clients.js(user)
    other = await clients.open(kind, user)
    sent = await phone.send_text(bob, "from my phone")
    await other.events.wait(lambda event: sent.client_msg_id in str(event.data), "own message of the other device")
    assert await other.unread(bob) == 0
    await _receive(carol, "read", phone, other)
    await other.shows_unread(carol.user_id, 1)
    before = other.events.position

    # The pure JavaScript SDK doesn't hear of what another device has read before it asks anew.
    await (other if kind == "js" else phone).mark_read(carol.user_id)

    if kind == "wasm":
        await other.events.wait(
            lambda event: event.name == "OnTotalUnreadMessageCountChanged" and event.data["data"] == 0,
            "unread count of 0",
            after=before,
        )
    await other.shows_unread(carol.user_id, 0)
    await _receive(carol, "unread", phone, other)
    for device in (phone, other):
        before = device.events.position
        clients.wire(device).cut()
        await device.events.wait_for("OnConnectSuccess", after=before)
    for again in [await clients.reopen(phone), await clients.reopen(other)]:
        assert await again.unread(bob) == 0
        await again.shows_unread(carol.user_id, 1)


async def _receive(sender: NativeClient, text: str, *devices: Client) -> None:
    """Let all devices of a user be told of a text."""
    await sender.send_text(devices[0].user_id, text)
    for device in devices:
        await device.received(text)
