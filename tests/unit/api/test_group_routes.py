"""Groups by HTTP: what a body means, and a life of a group through all routes that change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.groups.group_world import GROUP, GroupWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = {"pageNumber": 1, "showNumber": 10}


class Callers:
    """
    Calls routes as different users.
    """

    def __init__(self, api: ApiClient, world: GroupWorld) -> None:
        self._api = api
        self._tokens: dict[str, str] = {}
        self.world = world

    async def call(self, user_id: str, path: str, **body: Any) -> Any:
        """Return the data of a group's route, which must do what it should; "root" is an administrator."""
        return (await self._answer(user_id, path, body)).data

    async def code(self, user_id: str, path: str, **body: Any) -> int:
        """Return the errCode of a group's route."""
        return (await self._answer(user_id, path, body)).code

    async def _answer(self, user_id: str, path: str, body: dict[str, Any]) -> Any:
        if user_id not in self._tokens:
            is_root = user_id == "root"
            self._tokens[user_id] = await (self._api.admin_token() if is_root else self._api.user_token(user_id))
        return await self._api.call(f"/group/{path}", body, self._tokens[user_id])


@pytest.fixture
async def callers() -> AsyncIterator[Callers]:
    """Return callers of a world without groups."""
    world = GroupWorld()
    async with api_client(world) as api:
        yield Callers(api, world)


async def make(callers: Callers, **info: Any) -> None:
    """Make the group by HTTP."""
    group_info = {"groupID": GROUP, "groupName": "G", "groupType": 2, **info}
    await callers.call(
        "olga",
        "create_group",
        groupInfo=group_info,
        ownerUserID="olga",
        adminUserIDs=["ada"],
        memberUserIDs=["mia", "max"],
    )
    callers.world.told()


def types(callers: Callers) -> list[int]:
    """Return the notifications that wait for the group."""
    return [one.type for one in callers.world.told()]


async def test_a_life_of_a_group(callers: Callers) -> None:
    """Each call does what its name says, and is told of."""
    await make(callers, needVerification=2)
    await callers.call("sue", "join_group", groupID=GROUP, joinSource=3, inviterUserID="sue")
    await callers.call("sid", "join_group", groupID=GROUP)
    await callers.call("sid", "quit_group", groupID=GROUP)
    await callers.call("mia", "invite_user_to_group", groupID=GROUP, invitedUserIDs=["sid"], reason="r")
    await callers.call("ada", "kick_group", groupID=GROUP, kickedUserIDs=["sid"], reason="r")
    await callers.call("ada", "mute_group_member", groupID=GROUP, userID="mia", mutedSeconds=60)
    await callers.call("ada", "cancel_mute_group_member", groupID=GROUP, userID="mia")
    await callers.call("ada", "mute_group", groupID=GROUP)
    await callers.call("ada", "cancel_mute_group", groupID=GROUP)
    await callers.call("olga", "set_group_member_info", members=[{"groupID": GROUP, "userID": "max", "roleLevel": 60}])
    await callers.call("olga", "transfer_group", groupID=GROUP, oldOwnerUserID="olga", newOwnerUserID="mia")
    await callers.call("mia", "dismiss_group", groupID=GROUP)
    assert types(callers) == [1510, 1510, 1504, 1509, 1508, 1512, 1513, 1514, 1515, 1517, 1507, 1511]
    assert await callers.code("mia", "mute_group", groupID=GROUP) == 1204
    (info,) = (await callers.call("sue", "get_groups_info", groupIDs=[GROUP]))["groupInfos"]
    assert (info["status"], info["memberCount"], info["ownerUserID"]) == (2, 0, "")


async def test_applications_by_http(callers: Callers) -> None:
    """Listed for who may answer, counted, answered once."""
    await make(callers)
    await callers.call("sue", "join_group", groupID=GROUP, reqMessage="please", inviterUserID="sue")
    listed = await callers.call("ada", "get_recv_group_applicationList", fromUserID="ada", pagination=PAGE)
    (request,) = listed["groupRequests"]
    assert (listed["total"], request["reqMsg"], request["groupInfo"]["memberCount"]) == (1, "please", 4)
    own = await callers.call("sue", "get_user_req_group_applicationList", userID="sue", pagination=PAGE)
    assert own == listed
    body = {"groupID": GROUP, "userIDs": ["sue", "sid"]}
    assert await callers.call("ada", "get_group_users_req_application_list", **body) == listed
    count = await callers.call("ada", "get_group_application_unhandled_count", userID="ada", time=0)
    assert count == {"count": 1}
    answer = {"groupID": GROUP, "fromUserID": "sue", "handleResult": 1, "handledMsg": "ok"}
    await callers.call("ada", "group_application_response", **answer)
    assert await callers.code("olga", "group_application_response", **answer) == 1206
    assert types(callers) == [1510]


async def test_null_stays_and_empty_is_set(callers: Callers) -> None:
    """In the newer form."""
    await make(callers, introduction="i", ex="e")
    await callers.call("ada", "set_group_info_ex", groupID=GROUP, introduction=None, ex="", needVerification=0)
    group = callers.world.group()
    assert (group.introduction, group.ex, group.group_name) == ("i", "", "G")
    assert types(callers) == [1502]


async def test_the_older_change_sets_what_is_not_empty(callers: Callers) -> None:
    """Its texts can't be null; `ex` and the numbers can."""
    await make(callers, introduction="i", ex="e", needVerification=1)
    info = {"groupID": GROUP, "groupName": "H", "introduction": "", "ex": None, "needVerification": 0}
    await callers.call("ada", "set_group_info", groupInfoForSet=info)
    group = callers.world.group()
    assert (group.group_name, group.introduction, group.ex, group.need_verification) == ("H", "i", "e", 0)
    assert types(callers) == [1520, 1502]


@pytest.mark.parametrize(("value", "in_chat"), [(None, True), (True, True), (False, False)])
async def test_send_message_decides_about_the_line_in_the_chat(
    callers: Callers, value: bool | None, in_chat: bool
) -> None:
    """For making, inviting, removing and ending."""
    info = {"groupID": GROUP, "groupType": 2}
    await callers.call("olga", "create_group", groupInfo=info, ownerUserID="olga", sendMessage=value)
    await callers.call("olga", "invite_user_to_group", groupID=GROUP, invitedUserIDs=["mia"], sendMessage=value)
    await callers.call("olga", "kick_group", groupID=GROUP, kickedUserIDs=["mia"], sendMessage=value)
    await callers.call("olga", "dismiss_group", groupID=GROUP, sendMessage=value)
    told = callers.world.told()
    assert [one.type for one in told] == [1501, 1509, 1508, 1511]
    assert {bool(one.effect.clone) for one in told} == {in_chat}


async def test_a_group_is_made_for_oneself(callers: Callers) -> None:
    """1002 for another's, unless an administrator does it."""
    info = {"groupID": GROUP, "groupType": 2}
    assert await callers.code("mia", "create_group", groupInfo=info, ownerUserID="olga") == 1002
    assert await callers.code("mia", "create_group", groupInfo=info, ownerUserID="") == 1002
    made = await callers.call("root", "create_group", groupInfo=info, ownerUserID="olga")
    assert (made["groupInfo"]["ownerUserID"], made["groupInfo"]["creatorUserID"]) == ("olga", "imAdmin")
    assert await callers.code("root", "create_group", groupInfo=info, ownerUserID="olga") == 1202
    assert await callers.code("root", "create_group", groupInfo=info, ownerUserID="") == 1001


async def test_groups_are_searched_by_administrators(callers: Callers) -> None:
    """With their owners."""
    await make(callers)
    found = await callers.call("root", "get_groups", pagination=PAGE, groupName="", groupID="")
    (one,) = found["groups"]
    assert (found["total"], one["groupOwnerUserID"], one["groupOwnerUserName"]) == (1, "olga", "Olga")
    assert one["groupInfo"]["memberCount"] == 4
    assert await callers.code("olga", "get_groups", pagination=PAGE) == 1002


async def test_what_is_foreign_is_answered_as_unchanged(callers: Callers) -> None:
    """In a batch: without a group, without a member."""
    body = {"userID": "sue", "reqList": [{"groupID": "none", "versionID": "", "version": 0}]}
    answers = (await callers.call("sue", "get_incremental_group_members_batch", **body))["respList"]
    assert answers["none"]["group"] is None
    assert not answers["none"]["full"]
    one = {"groupID": "none", "versionID": "", "version": 0}
    assert await callers.code("sue", "get_incremental_group_members", **one) == 1004
