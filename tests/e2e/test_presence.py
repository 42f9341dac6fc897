"""Who is online, as the official SDKs show it."""

from __future__ import annotations

from typing import Any

import pytest

from openim_ray.protocol.identifiers import Platform
from tests.e2e.client import Client
from tests.e2e.clients import Clients

ANDROID, WEB = int(Platform.ANDROID), int(Platform.WEB)


async def shows(client: Client, user_id: str, *platforms: int, after: int) -> None:
    """Wait until the SDK tells that a user is on these platforms now."""

    def matches(event: Any) -> bool:
        if event.name != "OnUserStatusChanged" or event.data["data"]["userID"] != user_id:
            return False
        data = event.data["data"]
        return sorted(data["platformIDs"] or []) == list(platforms) and data["status"] == int(bool(platforms))

    await client.events.wait(matches, f"{user_id} on {platforms}", after=after)


async def subscribe(client: Any, user_id: str) -> list[int]:
    """Subscribe to a user; returns on which platforms the SDK says she is."""
    (state,) = await client.sdk("subscribeUsersStatus", [user_id])
    assert state["userID"] == user_id
    return sorted(state["platformIDs"] or [])


@pytest.mark.parametrize("kind", ["wasm", "js"])
async def test_friends_see_each_other_come_and_go(clients: Clients, kind: str) -> None:
    """A subscriber is told when somebody comes, with each of her devices, and when she goes; and no more once she asked for it."""
    alice = await clients.open(kind, clients.user("alice"))
    bob = clients.user("bob")
    assert await subscribe(alice, bob) == []

    before = alice.events.position
    phone = await clients.native(bob)
    await shows(alice, bob, ANDROID, after=before)
    tab = await clients.js(bob)
    await shows(alice, bob, ANDROID, WEB, after=before)
    before = alice.events.position
    await phone.logout()
    await shows(alice, bob, WEB, after=before)
    await tab.close()
    await shows(alice, bob, after=before)

    await alice.sdk("unsubscribeUsersStatus", [bob])
    carol = await clients.native(clients.user("carol"))
    assert await subscribe(alice, carol.user_id) == [ANDROID]
    before = alice.events.position
    await clients.native(bob)
    await carol.logout()
    await shows(alice, carol.user_id, after=before)
    told = alice.events.named("OnUserStatusChanged", after=before)
    assert [event.data["data"]["userID"] for event in told] == [carol.user_id]


async def test_a_reconnected_page_learns_who_came_meanwhile(clients: Clients) -> None:
    """The pure JavaScript SDK subscribes again by itself, and takes over what the answer says without an event."""
    alice = await clients.js(clients.user("alice"))
    bob = clients.user("bob")
    assert await subscribe(alice, bob) == []
    await clients.wire(alice).down()
    phone = await clients.native(bob)

    before = alice.events.position
    await clients.wire(alice).up()
    await alice.events.wait_for("OnSyncServerFinish", after=before)
    assert await alice.sdk("getSubscribeUsersStatus") == [{"userID": bob, "status": 1, "platformIDs": [ANDROID]}]

    await phone.logout()
    await shows(alice, bob, after=before)


async def test_a_wasm_page_in_the_background_goes_on(clients: Clients) -> None:
    """Only iOS stops apps there; the SDK's call is answered, and messages come as ever, there as such of an app that isn't looked at."""
    alice = await clients.wasm(clients.user("alice"))
    bob = await clients.js(clients.user("bob"))
    await alice.sdk("setAppBackgroundStatus", True)
    await bob.send_text(alice.user_id, "are you there?")
    await alice.events.wait_for("OnTotalUnreadMessageCountChanged")
    await alice.sdk("setAppBackgroundStatus", False)
    await bob.send_text(alice.user_id, "now you are")
    await alice.received("now you are")
    page = await alice.history(bob.user_id, 10)
    assert [message.text for message in page.messages] == ["are you there?", "now you are"]
