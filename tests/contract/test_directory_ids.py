"""
Ids of every kind: the same ones are accepted by every store, come back as they are, and never stand for each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.group import Cut, Group, GroupRequest, Member
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.people import Blocked, Friend, FriendRequest, User, UserCommand
from openim_ray.transactions import Window

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

IDS = (
    *map(str, range(0, 10_000, 611)),
    "00",
    "a",
    "A",
    "a" * 64,
    "a" * 63 + "b",
    "b" * 255,
    "b" * 254 + "c",
    "a b",
    "a  b",
    " a",
    "a ",
    "%",
    "_",
    "a%",
    "a_b",
    "a/b",
    "#",
    "a#b",
    "\U0001f642",
    "\U0001f643",
    "\U0001f44d\U0001f3fb",
    "Bob",
    "bob",
    "\u00e9",  # é of one code point
    "e\u0301",  # é of two
    "n_x",
    "si_a_b",
    "sg_x",
    "\u0131",  # dotless i, which some collations take for i
    "i",
    "I",
    "\u00df",  # sharp s, which some take for ss
    "ss",
    "\uff41",  # a full-width a
    "'\"\\",
    "{1,2}",
    "null",
)
EVERYTHING = Window(0, 1000)


async def test_ids_stay_distinct(directory: OpenDirectoryStore) -> None:
    """As users, friends, blocked, applicants, groups, members, conversations, logs, and as keys of what users keep."""
    assert len(set(IDS)) == len(IDS)
    users = {one: User(user_id=UserID(one), nickname=one) for one in IDS}
    await directory.register(list(users.values()))
    me = users["bob"]

    def fill(transaction: DirectoryTransaction) -> None:
        for one, user in users.items():
            group_id = GroupID(one)
            transaction.put_friend(Friend(owner_user_id=me.user_id, friend=user, remark=one))
            transaction.put_blocked(Blocked(owner_user_id=me.user_id, blocked=user, ex=one))
            transaction.put_friend_request(FriendRequest(from_user=user, to_user=me, req_msg=one))
            transaction.put_user_command(UserCommand(user_id=me.user_id, kind=1, uuid=one, value=one))
            transaction.put_group(Group(group_id=group_id, group_name=one))
            transaction.put_member(Member(group_id=group_id, user=me, nickname=one))
            transaction.put_group_request(GroupRequest(group_id=group_id, user=user, req_msg=one))
            transaction.put_effect(one, one.encode(), 1)
        transaction.put_client_config(me.user_id, {one: one for one in IDS})
        transaction.put_members(
            [Member(group_id=GroupID("Bob"), user=user, nickname=one) for one, user in users.items()]
        )
        transaction.put_conversations([_row(me.user_id, one) for one in IDS])
        transaction.cut(
            "sg_Bob", "Bob", [Cut(user_id=user.user_id, min_seq=number) for number, user in enumerate(users.values())]
        )

    def look(view: DirectoryView) -> None:
        assert list(view.users(IDS).items()) == list(users.items())
        assert [(key, one.remark) for key, one in view.friends_among("bob", IDS).items()] == [(one, one) for one in IDS]
        assert {key: one.ex for key, one in view.blacks_among("bob", IDS).items()} == {one: one for one in IDS}
        total, requests = view.received_friend_requests("bob", [], EVERYTHING)
        assert (total, {one.from_user.user_id: one.req_msg for one in requests}) == (
            len(IDS),
            {one: one for one in IDS},
        )
        assert {one.uuid: one.value for one in view.user_commands("bob", 1)} == {one: one for one in IDS}
        assert view.client_config("bob") == {one: one for one in IDS}
        assert {key: one.group_name for key, one in view.groups(IDS).items()} == {one: one for one in IDS}
        assert view.joined_group_ids("bob", "", 1000) == sorted(IDS)
        assert {key: one.nickname for key, one in view.members("Bob", IDS).items()} == {one: one for one in IDS}
        assert view.member_count("Bob") == len(IDS)
        assert view.member_count("\u00e9") == view.member_count("e\u0301") == 1
        _, sent = view.requests_to_groups(IDS, [], EVERYTHING)
        assert {one.group_id: one.req_msg for one in sent} == {one: one for one in IDS}
        assert sorted(view.logs_with_effects(1000)) == sorted(IDS)
        for one in IDS:
            assert [effect.payload for effect in view.waiting_effects(one, 9)] == [one.encode()]
            assert [request.req_msg for request in [view.group_request(one, one)] if request] == [one]
        cut = view.rows_of("sg_Bob", IDS)
        assert [(key, row.min_seq) for key, row in cut.items()] == [(one, number) for number, one in enumerate(IDS)]

    await directory.change(fill)
    await directory.view(look)

    rows = [row.user_id for row in await directory.conversations(me.user_id) if row.conversation_type == 1]
    assert rows == list(IDS)
    assert sorted((await directory.joined_group_ids(me.user_id))[2]) == sorted(IDS)
    assert sorted((await directory.member_ids("Bob"))[2]) == sorted(IDS)
    roles = {("Bob", "bob"): 20, ("\u00e9", "bob"): 20, ("\u00e9", "e\u0301"): 0, ("a", "a "): 0}
    assert {pair: (await directory.group_chat_facts(*pair)).role_level for pair in roles} == roles


def _row(owner: UserID, peer: str) -> Conversation:
    return Conversation(
        owner_user_id=owner,
        conversation_id=ConversationID(single_chat_id(owner, peer)),
        conversation_type=1,
        user_id=peer,
    )
