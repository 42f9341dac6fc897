"""Read receipts and unread counts, on both sides and on all devices."""

from __future__ import annotations

import pytest

from tests.e2e.clients import Clients

PAIRS = [("wasm", "js"), ("js", "native"), ("native", "wasm")]


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
async def test_reading_clears_the_count_and_tells_the_writer(clients: Clients, writer: str, reader: str) -> None:
    """Each message counts as unread until the reader marks the chat; then the writer learns which messages were read."""
    alice = await clients.open(writer, clients.user("alice"))
    bob = await clients.open(reader, clients.user("bob"))
    sent = [await alice.send_text(bob.user_id, text) for text in ("one", "two", "three")]
    await bob.received("three")
    await bob.shows_unread(alice.user_id, 3)
    assert await alice.unread(bob.user_id) == 0

    await bob.mark_read(alice.user_id)

    for message in sent:
        await alice.receipt_of(message)
    await bob.shows_unread(alice.user_id, 0)


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_a_dialogue_is_read_on_both_sides(clients: Clients, one: str, other: str) -> None:
    """A question and two answers: each side's count becomes 0, and each learns what the other has read."""
    alice = await clients.open(one, clients.user("alice"))
    bob = await clients.open(other, clients.user("bob"))
    question = await bob.send_text(alice.user_id, "question")
    await alice.received("question")
    await alice.mark_read(bob.user_id)
    await bob.receipt_of(question)
    answers = [await alice.send_text(bob.user_id, text) for text in ("answer", "and another")]
    await bob.received("and another")
    await bob.shows_unread(alice.user_id, 2)

    await bob.mark_read(alice.user_id)

    for answer in answers:
        await alice.receipt_of(answer)
    await bob.shows_unread(alice.user_id, 0)
    await alice.shows_unread(bob.user_id, 0)


@pytest.mark.parametrize("kind", ["wasm", "js", "native"])
async def test_unread_counts_survive_a_restart(clients: Clients, kind: str) -> None:
    """After a restart of the device, read messages stay read and unread ones unread."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    await alice.send_text(bob.user_id, "read")
    await bob.received("read")
    await bob.mark_read(alice.user_id)
    await alice.send_text(bob.user_id, "unread")
    await bob.received("unread")

    bob = await clients.reopen(bob)

    await bob.shows_unread(alice.user_id, 1)


@pytest.mark.parametrize("kind", ["wasm", "js", "native"])
async def test_own_messages_never_count_as_unread(clients: Clients, kind: str) -> None:
    """What a user wrote on one device is unread on none of them, neither live nor after a reconnect."""
    bob = clients.user("bob")
    user = clients.user("alice")
    phone = await clients.native(user) if kind != "native" else await clients.js(user)
    other = await clients.open(kind, user)
    sent = await phone.send_text(bob, "from my phone")
    await other.events.wait(lambda event: sent.client_msg_id in str(event.data), "own message of the other device")
    assert await other.unread(bob) == 0

    for device in (phone, other):
        before = device.events.position
        clients.wire(device).cut()
        await device.events.wait_for("OnConnectSuccess", after=before)
    again = [await clients.reopen(phone), await clients.reopen(other)]

    assert [await device.unread(bob) for device in again] == [0, 0]


async def test_reading_on_one_device_clears_the_others(clients: Clients) -> None:
    """A chat that is read on the phone is read in the browser, too."""
    alice = await clients.native(clients.user("alice"))
    bob = clients.user("bob")
    phone, tab = await clients.native(bob), await clients.wasm(bob)
    await alice.send_text(bob, "hello")
    await tab.received("hello")
    await phone.received("hello")
    await tab.shows_unread(alice.user_id, 1)
    before = tab.events.position

    await phone.mark_read(alice.user_id)

    await tab.events.wait(
        lambda event: event.name == "OnTotalUnreadMessageCountChanged" and event.data["data"] == 0,
        "unread count of 0",
        after=before,
    )
    assert await tab.unread(alice.user_id) == 0
