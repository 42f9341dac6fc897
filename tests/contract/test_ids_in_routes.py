"""
Ids of every kind as callers name them: the same ones are accepted whatever the directory, distinct ones stay distinct, and a refusal names the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.unit.api.direct_calls import DirectCalls
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenDirectoryStore

PLAIN: Final = (
    *map(str, range(0, 10_000, 909)),
    "00",
    "a",
    "A",
    "a" * 64,
    "a" * 63 + "b",
    "a b",
    " a",
    "a ",
    "%",
    "a%",
    "a/b",
    "#",
    "\U0001f642",
    "\U0001f643",
    "\U0001f642" * 16,
    "Bob",
    "bob",
    "\u00e9",  # é of one code point
    "e\u0301",  # é of two
    "'\"\\",
    "null",
)
UNDERSCORED: Final = ("n_x", "si_a_b", "sg_x", "_", "a_b", "a_")
LONGER: Final = ("b" * 65, "b" * 255, "b" * 254 + "c", "\U0001f642" * 63 + "abc")
"""For users only."""

REFUSED: Final = {
    "a:b": "contains ':'",
    ":": "contains ':'",
    "a\tb": "contains a control character",
    "\x7f": "contains a control character",
    "c" * 256: "is longer than 255 bytes",
    "\u00e9" * 128: "is longer than 255 bytes",
    "a\0": "contains a NUL character",
    "\ud800": "not valid Unicode",
}
USERS: Final = (*PLAIN, *UNDERSCORED, *LONGER)
PAGE: Final = {"pageNumber": 1, "showNumber": 1000}


@pytest.fixture
async def api(directory: OpenDirectoryStore) -> DirectCalls:
    """Call routes over each directory, in which Olga has an account."""
    calls = DirectCalls(MemoryWorld(directory=directory).services)
    await accepted(calls, "/user/user_register", {"users": [{"userID": "olga", "nickname": "olga"}]})
    return calls


async def accepted(api: DirectCalls, path: str, body: dict[str, Any], user_id: str = "imAdmin") -> Any:
    """Call a route that must not refuse, and return its data."""
    answer = await api.call(path, body, user_id)
    assert answer.code == 0, (path, answer, ascii(body)[:300])
    return answer.data


async def register(api: DirectCalls) -> None:
    """Make an account of each id."""
    for one in USERS:
        await accepted(api, "/user/user_register", {"users": [{"userID": one, "nickname": one}]})


def group(group_id: str) -> dict[str, Any]:
    """Return a body that makes a group of Olga's."""
    return {"groupInfo": {"groupID": group_id, "groupName": group_id, "groupType": 2}, "ownerUserID": "olga"}


async def test_users_of_every_kind(api: DirectCalls) -> None:
    """Each is one account, one friend, one entry of a black list; nobody is taken for somebody else."""
    await register(api)
    await accepted(api, "/friend/import_friend", {"ownerUserID": "olga", "friendUserIDs": USERS})

    found = (await accepted(api, "/user/get_users_info", {"userIDs": USERS}))["usersInfo"]
    assert [(one["userID"], one["nickname"]) for one in found] == [(one, one) for one in USERS]
    friends = (await accepted(api, "/friend/get_friend_list", {"userID": "olga", "pagination": PAGE}))["friendsInfo"]
    assert sorted(one["friendUser"]["userID"] for one in friends) == sorted(USERS)
    for one in USERS:
        await accepted(api, "/friend/set_friend_remark", {"ownerUserID": "olga", "friendUserID": one, "remark": one})
        await accepted(api, "/friend/add_black", {"ownerUserID": "olga", "blackUserID": one})
    friends = (await accepted(api, "/friend/get_friend_list", {"userID": "olga", "pagination": PAGE}))["friendsInfo"]
    assert {one["friendUser"]["userID"]: one["remark"] for one in friends} == {one: one for one in USERS}
    assert (await accepted(api, "/friend/get_black_list", {"userID": "olga", "pagination": PAGE}))["total"] == len(
        USERS
    )
    for one in USERS:
        taken = await api.call("/user/user_register", {"users": [{"userID": one}]})
        assert taken.code == 1102


async def test_groups_of_every_kind(api: DirectCalls) -> None:
    """Each is one group with a list of its own, whose members may have ids of every kind, too."""
    await register(api)
    ids = (*PLAIN, *UNDERSCORED)
    for one in ids:
        await accepted(api, "/group/create_group", {**group(one), "memberUserIDs": [one]})
    found = (await accepted(api, "/group/get_groups_info", {"groupIDs": ids}))["groupInfos"]
    assert {one["groupID"]: one["groupName"] for one in found} == {one: one for one in ids}
    for one in ids:
        members = await accepted(api, "/group/get_group_member_list", {"groupID": one, "pagination": PAGE})
        assert sorted(member["userID"] for member in members["members"]) == sorted(("olga", one))
        assert (await api.call("/group/create_group", group(one))).code == 1202
    await accepted(api, "/group/invite_user_to_group", {"groupID": "Bob", "invitedUserIDs": [*set(USERS) - {"Bob"}]})
    members = await accepted(api, "/group/get_full_group_member_user_ids", {"groupID": "Bob"})
    assert sorted(members["userIDs"]) == sorted((*USERS, "olga"))


async def test_refused_ids(api: DirectCalls) -> None:
    """The rule is named, and nothing is made."""
    await accepted(api, "/user/user_register", {"users": [{"userID": "x"}]})
    before = await accepted(api, "/user/get_users", {"pagination": PAGE})
    for one, rule in REFUSED.items():
        answer = await api.call("/user/user_register", {"users": [{"userID": one}]})
        assert (answer.code, rule in answer.detail, "userID" in answer.detail) == (1001, True, True), answer
        made = await api.call("/group/create_group", group(one))
        assert made.code == 1001
        assert rule.replace("255", "64") in made.detail
        assert "groupID" in made.detail
    for one in LONGER:
        assert "longer than 64 bytes" in (await api.call("/group/create_group", group(one))).detail
    assert await accepted(api, "/user/get_users", {"pagination": PAGE}) == before
    assert (await accepted(api, "/group/get_groups", {"pagination": PAGE}))["total"] == 0


async def test_no_user_places_a_group_where_a_pair_writes(api: DirectCalls) -> None:
    """The log of a group `a_b` would be that of the chat of `a` and `b`: only an administrator may, where there is none yet."""
    for one in UNDERSCORED:
        answer = await api.call("/group/create_group", group(one), "olga")
        assert (answer.code, answer.detail) == (1001, "groupID contains '_'")
    assert (await accepted(api, "/group/get_groups", {"pagination": PAGE}))["total"] == 0


async def test_pairs_that_make_one_conversation_id(api: DirectCalls) -> None:
    """`a` with `b_c` and `a_b` with `c`: what they are to each other is kept apart."""
    await accepted(api, "/user/user_register", {"users": [{"userID": one} for one in ("a", "b_c", "a_b", "c")]})
    await accepted(api, "/friend/add_friend", {"fromUserID": "a", "toUserID": "b_c", "reqMsg": "one"}, "a")
    await accepted(api, "/friend/add_friend", {"fromUserID": "a_b", "toUserID": "c", "reqMsg": "other"}, "a_b")
    answer = {"fromUserID": "a", "toUserID": "b_c", "handleResult": 1}
    await accepted(api, "/friend/add_friend_response", answer, "b_c")
    await accepted(api, "/friend/add_black", {"ownerUserID": "a_b", "blackUserID": "c"}, "a_b")

    friends = {}
    for one, other in (("a", "b_c"), ("b_c", "a"), ("a_b", "c"), ("c", "a_b")):
        told = await accepted(api, "/friend/is_friend", {"userID1": one, "userID2": other}, one)
        friends[one] = told["inUser1Friends"], told["inUser2Friends"]
    assert friends == {"a": (True, True), "b_c": (True, True), "a_b": (False, False), "c": (False, False)}
    waiting = await accepted(api, "/friend/get_friend_apply_list", {"userID": "c", "pagination": PAGE}, "c")
    assert [one["reqMsg"] for one in waiting["FriendRequests"]] == ["other"]
    assert (await accepted(api, "/friend/get_black_list", {"userID": "a", "pagination": PAGE}, "a"))["total"] == 0
