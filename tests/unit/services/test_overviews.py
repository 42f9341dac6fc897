"""Conversations as the pure-JavaScript client wants them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Friend
from tests.unit.api.api_client import api_client
from tests.unit.services.groups.group_world import GROUP, GroupWorld
from tests.unit.services.memory_world import START_MS, MemoryWorld


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server where alice has unread messages from bob and carol, and an empty chat with dave."""
    world = MemoryWorld()
    world.add_users("alice", "bob", "carol", "dave")
    world.send("bob", "alice", "b1", "b2")
    world.send("carol", "alice", "c1")
    world.add_chat("alice", "dave")
    return world


def pin(world: MemoryWorld, owner: str, conversation_id: str) -> None:
    """Pin a conversation."""
    (row,) = world.tables.directory.conversations(UserID(owner), [conversation_id])
    world.tables.directory.change(lambda transaction: transaction.put_conversation(replace(row, is_pinned=True)))


async def test_active_conversations_come_newest_first(world: MemoryWorld) -> None:
    """With row, newest message, peer and numbers; unread counts all; a chat without message is left out."""
    overview = await world.services.overviews.active("alice", 20)
    assert overview.unread == 3
    assert [one.conversation.conversationID for one in overview.conversations] == ["si_alice_carol", "si_alice_bob"]
    bob = overview.conversations[1]
    assert (bob.lastMsg.content, bob.lastMsg.seq, bob.maxSeq, bob.readSeq) == (b"b2", 2, 2, 0)
    assert (bob.user.userID, bob.user.nickname) == ("bob", "Bob")
    assert not bob.HasField("friend")
    assert not bob.HasField("group")


async def test_pinned_conversations_come_first(world: MemoryWorld) -> None:
    """However old they are."""
    pin(world, "alice", "si_alice_bob")
    overview = await world.services.overviews.active("alice", 20)
    assert [one.conversation.userID for one in overview.conversations] == ["bob", "carol"]


async def test_only_so_many_are_given_but_all_are_counted(world: MemoryWorld) -> None:
    """`count` limits the list, not the number of unread messages."""
    overview = await world.services.overviews.active("alice", 1)
    assert (overview.unread, len(overview.conversations)) == (3, 1)


async def test_friendship_comes_with_the_peer(world: MemoryWorld) -> None:
    """In milliseconds, and without the account, which stands beside it."""
    bob = world.tables.directory.users(["bob"])["bob"]
    friend = Friend(owner_user_id=UserID("alice"), friend=bob, remark="Bobby", create_time=START_MS)
    world.tables.directory.change(lambda transaction: transaction.put_friend(friend))
    (one,) = (await world.services.overviews.some("alice", ["si_alice_bob"])).conversations
    assert (one.friend.friendUserID, one.friend.remark, one.friend.createTime) == ("bob", "Bobby", START_MS)


async def test_a_group_comes_with_its_name_and_numbers() -> None:
    """As it is, beside the newest message; in the list of the newer route, too."""
    world = GroupWorld()
    await world.make(face_url="http://face/g")
    world.write("hello")
    (one,) = (await world.services.overviews.active("mia", 20)).conversations
    assert (one.conversation.groupID, one.group.groupName, one.group.memberCount) == (GROUP, "G", 4)
    assert not one.HasField("user")
    async with api_client(world) as api:
        body = {"userID": "mia", "conversationIDs": [], "pagination": {"pageNumber": 1, "showNumber": 10}}
        answer = await api.call("/conversation/get_sorted_conversation_list", body, await api.user_token("mia"))
    (element,) = answer.data["conversationElems"]
    info = element["msgInfo"]
    assert (info["groupName"], info["groupFaceURL"], info["groupType"], info["groupMemberCount"]) == (
        "G",
        "http://face/g",
        2,
        4,
    )


async def test_named_conversations_count_for_themselves(world: MemoryWorld) -> None:
    """Unread counts what was asked for; foreign and unknown ids are left out."""
    overview = await world.services.overviews.some("alice", ["si_alice_carol", "si_bob_carol", "nothing"])
    assert (overview.unread, len(overview.conversations)) == (1, 1)


async def test_a_cleared_conversation_is_not_shown(world: MemoryWorld) -> None:
    """There is no message in it that she may see."""
    world.clear("alice", "si_alice_bob", 3)
    overview = await world.services.overviews.active("alice", 20)
    assert [one.conversation.userID for one in overview.conversations] == ["carol"]


async def test_nothing_is_nothing(world: MemoryWorld) -> None:
    """A user without conversations gets an empty overview."""
    assert await world.services.overviews.active("nobody", 20) == (0, [])


async def test_the_sorted_list_comes_by_page(world: MemoryWorld) -> None:
    """Total and unread count all that hold a message, the page only some; named conversations limit both."""
    overviews = world.services.overviews
    total, page = await overviews.sorted_page("alice", [], 2, 1)
    assert (total, page.unread, [one.conversation.userID for one in page.conversations]) == (2, 3, ["bob"])
    total, page = await overviews.sorted_page("alice", ["si_alice_carol", "si_alice_dave"], 1, 10)
    assert (total, page.unread, [one.conversation.userID for one in page.conversations]) == (1, 1, ["carol"])
