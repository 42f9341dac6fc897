"""Friends, black lists and profiles, as the official SDKs show them on each side and on all devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.protocol.identifiers import Platform
from tests.e2e.channel import CallError
from tests.e2e.client import Account

if TYPE_CHECKING:
    from tests.e2e.clients import Clients
    from tests.e2e.events import Event
    from tests.e2e.sdk_client import SdkClient
    from tests.e2e.server import Server

PAIRS = [("wasm", "js"), ("js", "wasm")]
BLOCKED_BY_PEER = 1302
PAGE = {"offset": 0, "count": 100}


async def told(client: SdkClient, name: str, **fields: object) -> None:
    """Wait until the SDK tells something with these fields."""

    def matches(event: Event) -> bool:
        return event.name == name and all(event.data["data"].get(key) == value for key, value in fields.items())

    await client.events.wait(matches, f"{name} with {fields}")


async def friends(client: SdkClient) -> dict[str, dict[str, Any]]:
    """Return the friends that the SDK shows, by id."""
    return {friend["userID"]: friend for friend in await client.sdk("getFriendListPage", PAGE)}


async def shows_friends(client: SdkClient, *user_ids: str) -> None:
    """Wait until the SDK shows exactly these friends: after a later login it syncs them behind the messages."""
    while True:
        position = client.events.position
        shown = list(await friends(client))
        if shown == list(user_ids):
            return
        await client.events.wait(lambda _: True, f"friends {user_ids} instead of {shown}", after=position)


async def befriend(clients: Clients, server: Server, one: str, other: str) -> tuple[str, str]:
    """Register two users who are friends."""
    alice, bob = clients.user(one), clients.user(other)
    server.call("/friend/import_friend", {"ownerUserID": alice, "friendUserIDs": [bob]})
    return alice, bob


async def on_a_mac(clients: Clients, server: Server, kind: str, user_id: str) -> SdkClient:
    """Log a user in on a further device."""
    account = Account(user_id, server.token(user_id, Platform.OSX), Platform.OSX)
    client: SdkClient = await clients.open(kind, user_id, account=account)
    return client


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_an_application_is_refused_then_accepted(clients: Clients, one: str, other: str) -> None:
    """Each step shows at once on the other side; then both lists and the line in the chat; and all of it after absence."""
    alice: SdkClient = await clients.open(one, clients.user("alice"))
    bob: SdkClient = await clients.open(other, clients.user("bob"))

    await alice.sdk("addFriend", {"toUserID": bob.user_id, "reqMsg": "It's me"})
    await told(bob, "OnFriendApplicationAdded", fromUserID=alice.user_id, reqMsg="It's me")
    await bob.sdk("refuseFriendApplication", {"toUserID": alice.user_id, "handleMsg": "Who?"})
    await told(alice, "OnFriendApplicationRejected", toUserID=bob.user_id, handleMsg="Who?")
    assert (await friends(alice), await friends(bob)) == ({}, {})
    await alice.sdk("addFriend", {"toUserID": bob.user_id, "reqMsg": "Alice!"})
    await told(bob, "OnFriendApplicationAdded", fromUserID=alice.user_id, reqMsg="Alice!")
    await bob.sdk("acceptFriendApplication", {"toUserID": alice.user_id, "handleMsg": "Hello"})

    await told(alice, "OnFriendApplicationAccepted", toUserID=bob.user_id, handleMsg="Hello")
    if one == "wasm":
        # The pure-JavaScript SDK forgets to sync its list where it is accepted; it asks the server when it is to show it.
        await told(alice, "OnFriendAdded", userID=bob.user_id)
    await told(bob, "OnFriendAdded", userID=alice.user_id)
    await alice.shows_unread(bob.user_id, 1)
    alice = await clients.reopen(alice)
    for client, friend in ((alice, bob), (bob, alice)):
        await shows_friends(client, friend.user_id)
    await alice.send_text(bob.user_id, "Now we are friends")
    await bob.received("Now we are friends")


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_changes_of_friends_show_on_the_other_device(
    clients: Clients, server: Server, one: str, other: str
) -> None:
    """Remark and pin, then the end of the friendship, which the friend's list does not follow."""
    user_id, friend_id = await befriend(clients, server, "alice", "bob")
    bob: SdkClient = await clients.wasm(friend_id)
    phone: SdkClient = await clients.open(one, user_id)
    mac = await on_a_mac(clients, server, other, user_id)

    changes = {"friendUserIDs": [friend_id], "isPinned": True, "remark": "Bobby"}
    await phone.sdk("updateFriends", changes)
    await told(mac, "OnFriendInfoChanged", userID=friend_id, remark="Bobby", isPinned=True)
    await phone.sdk("deleteFriend", friend_id)
    await told(mac, "OnFriendDeleted", userID=friend_id)

    mac = await clients.reopen(mac)
    await shows_friends(phone)
    await shows_friends(mac)
    await shows_friends(bob, user_id)


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_who_is_blocked_is_refused_from_the_next_message_on(
    clients: Clients, server: Server, one: str, other: str
) -> None:
    """1302 at once, on a chat that has been in use; the entry shows on the other device; unblocked, messages pass again."""
    user_id, friend_id = await befriend(clients, server, "alice", "bob")
    alice: SdkClient = await clients.open(one, user_id)
    mac = await on_a_mac(clients, server, other, user_id)
    bob: SdkClient = await clients.open(other, friend_id)
    await bob.send_text(user_id, "before")
    await alice.received("before")

    await alice.sdk("addBlack", {"toUserID": friend_id})
    with pytest.raises(CallError) as refused:
        await bob.send_text(user_id, "meanwhile")
    assert refused.value.code == BLOCKED_BY_PEER
    await told(mac, "OnBlackAdded", userID=friend_id)
    await bob.sdk("getFriendListPage", PAGE)

    await alice.sdk("removeBlack", friend_id)
    await bob.send_text(user_id, "after")
    await alice.received("after")
    await told(mac, "OnBlackDeleted", userID=friend_id)
    assert alice.received_texts(friend_id) == ["before", "after"]


@pytest.mark.parametrize(("one", "other"), PAIRS[1:])
async def test_a_new_name_shows_everywhere(clients: Clients, server: Server, one: str, other: str) -> None:
    """On the user's other device, and with her friend."""
    user_id, friend_id = await befriend(clients, server, "alice", "bob")
    bob: SdkClient = await clients.open(one, friend_id)
    phone: SdkClient = await clients.open(one, user_id)
    mac = await on_a_mac(clients, server, other, user_id)

    await phone.sdk("setSelfInfo", {"nickname": "Alice the Second"})

    await told(mac, "OnSelfInfoUpdated", nickname="Alice the Second")
    await told(bob, "OnFriendInfoChanged", userID=user_id, nickname="Alice the Second")
