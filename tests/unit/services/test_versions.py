"""Lists that clients keep a copy of."""

from __future__ import annotations

from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Blocked, Friend
from openim_ray.services.notifications import Cause
from openim_ray.services.versions import full_ids, id_hash
from tests.unit.services.memory_world import START_MS, MemoryWorld

NEVER = ("", 0)


def befriend(world: MemoryWorld, owner: str, friend: str) -> None:
    """Put a friend into one user's list."""
    user = world.tables.directory.users([friend])[friend]
    row = Friend(owner_user_id=UserID(owner), friend=user, create_time=START_MS)
    world.tables.directory.change(lambda transaction: transaction.put_friend(row))


async def test_a_client_without_version_fetches_everything() -> None:
    """`full`, with the version to start from; an empty list has a version, too."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    empty = await world.services.relations.friend_changes("alice", *NEVER)
    assert empty.delta.full
    assert empty.delta.version >= 1
    assert len(empty.delta.version_id) == 24
    joined = (await world.services.groups.lists.joined_changes("alice", *NEVER)).delta
    assert (joined.full, len(joined.version_id)) == (True, 24)


async def test_changes_come_with_the_elements() -> None:
    """What was inserted since a version is answered in full."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    delta = (await world.services.relations.friend_changes("alice", *NEVER)).delta
    befriend(world, "alice", "bob")
    changes = await world.services.relations.friend_changes("alice", delta.version_id, delta.version)
    assert [friend.friend.nickname for friend in changes.inserted] == ["Bob"]
    assert (changes.updated, changes.delta.full) == ([], False)


async def test_new_conversations_are_changes() -> None:
    """A row that was made since a version is inserted."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    delta = (await world.services.conversations.changes("alice", *NEVER)).delta
    chat_id = world.add_chat("alice", "bob")
    changes = await world.services.conversations.changes("alice", delta.version_id, delta.version)
    assert [row.conversation_id for row in changes.inserted] == [chat_id]


async def test_a_change_of_profile_is_a_change_of_the_friend() -> None:
    """The friend's list shows the new nickname at the next sync."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    befriend(world, "alice", "bob")
    delta = (await world.services.relations.friend_changes("alice", *NEVER)).delta
    await world.services.profiles.update(Cause("bob", "", 0), "bob", {"nickname": "Benjamin"})
    changes = await world.services.relations.friend_changes("alice", delta.version_id, delta.version)
    assert [friend.friend.nickname for friend in changes.updated] == ["Benjamin"]


async def test_friends_and_blocked_are_listed() -> None:
    """Pages with totals; designated friends in the order asked for, without strangers."""
    world = MemoryWorld()
    world.add_users("alice", "bob", "carol")
    befriend(world, "alice", "bob")
    befriend(world, "alice", "carol")
    carol = world.tables.directory.users(["carol"])["carol"]
    entry = Blocked(owner_user_id=UserID("alice"), blocked=carol)
    world.tables.directory.change(lambda transaction: transaction.put_blocked(entry))
    relations = world.services.relations
    total, page = await relations.friends("alice", 1, 1)
    assert (total, [friend.friend.user_id for friend in page]) == (2, ["bob"])
    designated = await relations.designated_friends("alice", ["carol", "nobody", "bob"])
    assert [friend.friend.user_id for friend in designated] == ["carol", "bob"]
    assert await relations.friend_ids("alice") == ["bob", "carol"]
    total, blocked = await relations.blocked("alice", 1, 10)
    assert (total, [entry.blocked.user_id for entry in blocked]) == (1, ["carol"])


def test_the_hash_of_ids_is_the_official_one() -> None:
    """0 for an empty list, else the first eight bytes of the MD5 of the JSON array."""
    assert id_hash([]) == 0
    assert id_hash(["a", "é"]) == 0x5DF2833ADB5CDB96


def test_ids_are_given_unless_the_client_has_them() -> None:
    """An empty list equals the hash 0 that SDKs send; any other list doesn't."""
    assert full_ids(1, "id", [], 0).equal
    answer = full_ids(3, "id", ["a", "b"], 0)
    assert (answer.equal, answer.ids) == (False, ["a", "b"])
    same = full_ids(3, "id", ["a", "b"], id_hash(["a", "b"]))
    assert (same.equal, same.ids) == (True, [])
