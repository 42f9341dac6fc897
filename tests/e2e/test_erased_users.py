"""What clients make of a chat with a user who was erased."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.clients import Clients
    from tests.e2e.server import Server

PAGE = 20
MESSAGES = 30
WAIT_SECONDS = 60.0


@pytest.mark.parametrize("kind", ["native", "js", "wasm"])
async def test_a_new_device_shows_what_the_others_said(server: Server, clients: Clients, kind: str) -> None:
    """With the seqs that it has: what the erased user said is not shown, keeps nothing from being loaded, and breaks no client."""
    alice = await clients.native(clients.user("alice"))
    bob = clients.user("bob")
    phone = await clients.native(bob)
    for number in range(MESSAGES):
        await alice.send_text(bob, f"hers {number}")
        await phone.send_text(alice.user_id, f"his {number}")
    await alice.close()
    await phone.close()
    await asyncio.to_thread(erase, server, alice.user_id)

    device = await clients.open(kind, bob)
    pages = await device.whole_history(alice.user_id, PAGE)
    shown = {message.seq: message.text for page in pages for message in page}
    assert shown == {2 * number + 2: f"his {number}" for number in range(MESSAGES)}


def erase(server: Server, user_id: str) -> None:
    """Erase a user, and wait until it is done."""
    server.call("/user/erase_user", {"userID": user_id})
    deadline = time.monotonic() + WAIT_SECONDS
    while server.call("/user/get_erasure", {"userID": user_id})["phase"] != "done":
        assert time.monotonic() < deadline, "it goes on for ever"
        time.sleep(0.2)
