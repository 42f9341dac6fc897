"""What clients make of a chat with a user who was erased."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio

from tests.integration.people import People

if TYPE_CHECKING:
    from tests.e2e.clients import Clients
    from tests.e2e.server import Server

PAGE = 20
MESSAGES = 30
WAIT_SECONDS = 60.0


class ErasedChat(NamedTuple):
    """Two users who wrote in turn, of whom the first is erased."""

    alice: str
    bob: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chat(shared_server: Server) -> ErasedChat:
    """A chat that is erased once for all tests: it begins ten seconds after it was asked for."""
    if not shared_server.running:
        shared_server.start()
    people = People(shared_server)
    alice, bob = await people.connect("alice"), await people.connect("bob")
    for number in range(MESSAGES):
        await alice.send_text(bob.user_id, f"hers {number}")
        await bob.send_text(alice.user_id, f"his {number}")
    await people.close()
    shared_server.call("/user/erase_user", {"userID": alice.user_id})
    deadline = time.monotonic() + WAIT_SECONDS
    while shared_server.call("/user/get_erasure", {"userID": alice.user_id})["phase"] != "done":
        assert time.monotonic() < deadline, "it goes on for ever"
        time.sleep(0.2)  # noqa: ASYNC251 - nobody else is there
    return ErasedChat(alice.user_id, bob.user_id)


@pytest.mark.parametrize("kind", ["native", "js", "wasm"])
async def test_a_new_device_shows_what_the_others_said(chat: ErasedChat, clients: Clients, kind: str) -> None:
    """With the seqs that it has: what the erased user said is not shown, keeps nothing from being loaded, and breaks no client."""
    device = await clients.open(kind, chat.bob)
    pages = await device.whole_history(chat.alice, PAGE)
    shown = {message.seq: message.text for page in pages for message in page}
    assert shown == {2 * number + 2: f"his {number}" for number in range(MESSAGES)}
