"""What was sent while nobody listened: counted, pulled and paged by every kind of client."""

from __future__ import annotations

import pytest

from tests.e2e.client import Client
from tests.e2e.clients import Clients

PAGE = 20
MESSAGES = 70
"""More than a Go SDK pulls at once (10), asks of a history page (50) or a page shows (20)."""

PYPI_MESSAGES = 230
"""More than two of the PyPI client's pages of 100."""

STORING = ["wasm", "native", "pypi"]
SHOWING_HISTORY = ["wasm", "js", "native"]


async def _send(sender: Client, peer: str, count: int) -> list[str]:
    texts = [f"text {number}" for number in range(1, count + 1)]
    for text in texts:
        await sender.send_text(peer, text)
    return texts


async def _assert_whole_history(client: Client, peer: str, texts: list[str]) -> None:
    pages = await client.whole_history(peer, PAGE)
    messages = [message for page in reversed(pages) for message in page]
    assert [message.text for message in messages] == texts
    assert [message.seq for message in messages] == list(range(1, len(texts) + 1))
    assert len(pages) >= len(texts) // PAGE


@pytest.mark.parametrize("kind", SHOWING_HISTORY)
async def test_a_device_that_was_away_counts_and_shows_everything(clients: Clients, kind: str) -> None:
    """A known device that comes back counts 70 unread messages and pages through them to the start."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    await bob.send_text(alice.user_id, "I'll be back")
    await bob.close()
    texts = await _send(alice, bob.user_id, MESSAGES)

    bob = await clients.reopen(bob)

    await bob.shows_unread(alice.user_id, MESSAGES)
    await _assert_whole_history(bob, alice.user_id, ["I'll be back", *texts])


async def test_the_pypi_client_pulls_everything_it_missed(clients: Clients) -> None:
    """The PyPI client, which has no history, pulls 230 messages in pages of 100 when it logs in."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.pypi(clients.user("bob"))
    await alice.send_text(bob.user_id, "first")
    await bob.received("first")
    await bob.close()
    texts = await _send(alice, bob.user_id, PYPI_MESSAGES)

    bob = await clients.reopen(bob)

    assert bob.received_texts(alice.user_id) == texts
    assert [message.text for message in await bob.stored(alice.user_id)] == ["first", *texts]
    assert await bob.last_seq(alice.user_id) == PYPI_MESSAGES + 1


@pytest.mark.parametrize("kind", SHOWING_HISTORY)
async def test_a_new_device_shows_the_whole_conversation(clients: Clients, kind: str) -> None:
    """A new installation finds the conversation, its unread count and all messages of both sides."""
    alice = await clients.native(clients.user("alice"))
    bob = clients.user("bob")
    old_phone = await clients.native(bob)
    texts = await _send(alice, bob, PAGE)
    await old_phone.received(texts[-1])
    await old_phone.send_text(alice.user_id, "read them")
    await old_phone.mark_read(alice.user_id)
    more = await _send(alice, bob, PAGE + 3)

    new_device = await clients.open(kind, bob)

    await new_device.shows_unread(alice.user_id, len(more))
    await _assert_whole_history(new_device, alice.user_id, [*texts, "read them", *more])


@pytest.mark.parametrize("kind", STORING)
async def test_what_arrived_live_is_not_told_again(clients: Clients, kind: str) -> None:
    """A device that restarts with everything on it is told of nothing a second time."""
    alice = await clients.native(clients.user("alice"))
    bob = await clients.open(kind, clients.user("bob"))
    texts = await _send(alice, bob.user_id, 5)
    await bob.received(texts[-1])
    assert bob.received_texts(alice.user_id) == texts

    bob = await clients.reopen(bob)
    await alice.send_text(bob.user_id, "something new")
    await bob.received("something new")

    assert bob.received_texts(alice.user_id) == ["something new"]
