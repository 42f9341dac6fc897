"""Texts between online clients of all kinds."""

from __future__ import annotations

import pytest

from tests.e2e.client import Client
from tests.e2e.clients import Clients

PAIRS = [("wasm", "js"), ("js", "native"), ("native", "pypi"), ("pypi", "wasm")]
"""Each kind writes first once, and answers once."""


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_texts_pass_both_ways_between_clients_of_any_kind(clients: Clients, one: str, other: str) -> None:
    """What one sends arrives at the other with its sender, and the answer comes back."""
    alice: Client = await clients.open(one, clients.user("alice"))
    bob: Client = await clients.open(other, clients.user("bob"))

    sent = await alice.send_text(bob.user_id, "Grüße, 你好 👋")
    received = await bob.received("Grüße, 你好 👋")
    await bob.send_text(alice.user_id, "and to you")
    answer = await alice.received("and to you")

    assert (received.send_id, received.client_msg_id, received.seq) == (alice.user_id, sent.client_msg_id, 1)
    assert (answer.send_id, answer.seq) == (bob.user_id, 2)
    assert received.send_time <= answer.send_time
