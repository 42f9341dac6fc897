"""Groups between official SDKs: each change shows on the other members' devices, on a second device, and after absence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.protocol.identifiers import Platform
from tests.e2e.channel import CallError
from tests.e2e.client import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.clients import Clients
    from tests.e2e.sdk_client import SdkClient
    from tests.e2e.server import Server

MUTED = 1402
NOT_A_MEMBER = 1203
NO_PERMISSION = 1002
REFUSED_BY_THE_SDK = 10006
"""The pure JavaScript SDK asks for itself among the members before it writes, and stops at the 1002 it gets."""

MUTED_SECONDS = 600
NOTICE = 4


async def make(owner: SdkClient, *members: SdkClient, admins: tuple[SdkClient, ...] = ()) -> str:
    """Make a group and return its id."""
    made = await owner.sdk(
        "createGroup",
        {
            "memberUserIDs": [one.user_id for one in members],
            "adminUserIDs": [one.user_id for one in admins],
            "ownerUserID": owner.user_id,
            "groupInfo": {"groupType": 2, "groupName": "team", "needVerification": 0},
        },
    )
    return str(made["groupID"])


async def say(client: SdkClient, group_id: str, text: str) -> None:
    """Write a text into a group; CallError with the code if it is refused."""
    message = await client.sdk("createTextMessage", text)
    await client.sdk("sendMessage", {"recvID": "", "groupID": group_id, "message": message})


async def group_ids(client: SdkClient) -> set[str]:
    """Return the groups that an SDK shows."""
    groups = await client.sdk("getJoinedGroupListPage", {"offset": 0, "count": 100})
    return {one["groupID"] for one in groups or []}


async def member_ids(client: SdkClient, group_id: str) -> list[str]:
    """Return the members that an SDK shows."""
    members = await client.sdk("getGroupMemberList", {"groupID": group_id, "filter": 0, "offset": 0, "count": 100})
    return [one["userID"] for one in members]


async def shows(client: SdkClient, what: str, read: Callable[[], Any], expected: Any) -> None:
    """Wait until an SDK shows what is expected: it learns of changes one after the other."""
    while True:
        position = client.events.position
        shown = await read()
        if shown == expected:
            return
        await client.events.wait(lambda _: True, f"{what} {expected!r} instead of {shown!r}", after=position)


async def heard(client: SdkClient, text: str) -> None:
    """Wait for a text."""
    await client.received(text)


@pytest.mark.parametrize("kinds", [("wasm", "js", "wasm"), ("js", "wasm", "js")], ids="-".join)
async def test_a_life_of_a_group(clients: Clients, kinds: tuple[str, str, str]) -> None:
    """Made with three, everybody hears everybody; then one is muted, one removed, one leaves, and it is over."""
    olga, mia, max_ = [
        await clients.open(kind, clients.user(name)) for kind, name in zip(kinds, ("olga", "mia", "max"), strict=True)
    ]
    group_id = await make(olga, mia, max_)
    members = [olga.user_id, mia.user_id, max_.user_id]
    for one in (olga, mia, max_):
        await shows(one, "groups", lambda one=one: group_ids(one), {group_id})
        await shows(one, "members", lambda one=one: member_ids(one, group_id), members)

    for speaker in (olga, mia, max_):
        await say(speaker, group_id, f"hello from {speaker.user_id}")
        for one in {olga, mia, max_} - {speaker}:
            await heard(one, f"hello from {speaker.user_id}")

    await olga.sdk("changeGroupMemberMute", {"groupID": group_id, "userID": mia.user_id, "mutedSeconds": MUTED_SECONDS})
    with pytest.raises(CallError) as refused:
        await say(mia, group_id, "hush")
    assert refused.value.code == MUTED
    await olga.sdk("changeGroupMemberMute", {"groupID": group_id, "userID": mia.user_id, "mutedSeconds": 0})
    await say(mia, group_id, "again")
    await heard(max_, "again")

    await olga.sdk("kickGroupMember", {"groupID": group_id, "reason": "", "userIDList": [max_.user_id]})
    await shows(max_, "groups", lambda: group_ids(max_), set())
    for one in (olga, mia):
        await shows(one, "members", lambda one=one: member_ids(one, group_id), members[:2])
    clients.expected_refusals.add(("/group/get_group_members_info", NO_PERMISSION))
    with pytest.raises(CallError) as refused:
        await say(max_, group_id, "still here")
    assert refused.value.code in (NOT_A_MEMBER, REFUSED_BY_THE_SDK)
    await say(olga, group_id, "without him")
    await heard(mia, "without him")
    assert "without him" not in max_.received_texts(olga.user_id)

    await mia.sdk("quitGroup", group_id)
    await shows(mia, "groups", lambda: group_ids(mia), set())
    await shows(olga, "members", lambda: member_ids(olga, group_id), members[:1])
    await olga.sdk("dismissGroup", group_id)
    await shows(olga, "groups", lambda: group_ids(olga), set())


async def test_every_device_agrees_also_after_absence(clients: Clients, server: Server) -> None:
    """What happened while a device was away, shows when it is back; a second device of the owner sees it at once."""
    olga = await clients.wasm(clients.user("olga"))
    phone = await clients.js(
        olga.user_id, account=Account(olga.user_id, server.token(olga.user_id, Platform.ANDROID), Platform.ANDROID)
    )
    mia_id, max_id = clients.user("mia"), clients.user("max")
    mia = await clients.wasm(mia_id)
    group_id = await make(olga, mia)
    for one in (mia, phone):
        await shows(one, "groups", lambda one=one: group_ids(one), {group_id})
    # A list that she has not yet is fetched whole, and then this SDK leaves the group as it knows it.
    await shows(mia, "members", lambda: member_ids(mia, group_id), [olga.user_id, mia_id])
    await mia.close()

    token = server.token(olga.user_id, Platform.IPAD)
    for path, body in {
        "set_group_info_ex": {"groupID": group_id, "groupName": "renamed"},
        "invite_user_to_group": {"groupID": group_id, "invitedUserIDs": [max_id]},
        "set_group_member_info": {"members": [{"groupID": group_id, "userID": max_id, "roleLevel": 60}]},
    }.items():
        await asyncio.to_thread(server.call, f"/group/{path}", body, token)
    for one in (olga, phone):
        await shows(one, "members", lambda one=one: member_ids(one, group_id), [olga.user_id, max_id, mia_id])

    mia = await clients.reopen(mia)
    await shows(mia, "members", lambda: member_ids(mia, group_id), [olga.user_id, max_id, mia_id])

    async def shown() -> list[tuple[str, int]]:
        groups = await mia.sdk("getJoinedGroupListPage", {"offset": 0, "count": 100})
        return [(one["groupName"], one["memberCount"]) for one in groups]

    # The SDK writes the group after its members.
    await shows(mia, "group", shown, [("renamed", 3)])


async def test_an_application_and_an_announcement(clients: Clients) -> None:
    """The owner hears of who applies, the applicant of the answer; what is announced catches every member's eye."""
    olga, sue = await clients.wasm(clients.user("olga")), await clients.wasm(clients.user("sue"))
    mia = await clients.js(clients.user("mia"))
    group_id = await make(olga, mia)

    for answer, event in (("refuseGroupApplication", "Rejected"), ("acceptGroupApplication", "Accepted")):
        position = olga.events.position
        await sue.sdk("joinGroup", {"groupID": group_id, "reqMsg": "please", "joinSource": 3})
        added = await olga.events.wait_for("OnGroupApplicationAdded", after=position)
        assert added["data"]["userID"] == sue.user_id
        await olga.sdk(answer, {"groupID": group_id, "fromUserID": sue.user_id, "handleMsg": "because"})
        await sue.events.wait_for(f"OnGroupApplication{event}")
    await shows(sue, "groups", lambda: group_ids(sue), {group_id})
    await shows(mia, "members", lambda: member_ids(mia, group_id), [olga.user_id, mia.user_id, sue.user_id])

    await olga.sdk("transferGroupOwner", {"groupID": group_id, "newOwnerUserID": sue.user_id})
    await shows(mia, "members", lambda: member_ids(mia, group_id), [sue.user_id, olga.user_id, mia.user_id])

    async def mark_of(client: SdkClient) -> int:
        row = await client.sdk("getOneConversation", {"sourceID": group_id, "sessionType": 3})
        return int(row["groupAtType"])

    await sue.sdk("setGroupInfo", {"groupID": group_id, "notification": "be kind"})
    await shows(olga, "mark", lambda: mark_of(olga), NOTICE)
    (shown,) = await olga.sdk("getJoinedGroupListPage", {"offset": 0, "count": 100})
    assert (shown["notification"], shown["ownerUserID"], shown["memberCount"]) == ("be kind", sue.user_id, 3)
