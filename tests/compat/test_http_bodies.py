"""The HTTP API against what the official server answered to the same calls."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.api.bodies import PROTOBUF_TYPE
from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route_table import TABLE
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Blocked, Friend, FriendRequest, HandleResult, User, UserCommand
from openim_ray.ports import PresentDevice
from openim_ray.protocol.bodies import from_json_dict, to_json_dict
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb import jssdk_pb2
from tests.compat import recorded
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.memory_world import SECRET, START_MS, MemoryWorld

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = recorded.load("calls")
JSSDK_ANSWERS = {
    "/jssdk/get_active_conversations": jssdk_pb2.GetActiveConversationsResp,
    "/jssdk/get_conversations": jssdk_pb2.GetConversationsResp,
}


def name_of(row: dict[str, Any]) -> str:
    """Return a test id."""
    return f"{row['path']}-{row['response']['errCode']}-{row['needs']}-{row['caller']}"


# --- what there has to be


def nothing(_world: MemoryWorld) -> None:
    """An empty server."""


def users(world: MemoryWorld) -> None:
    """Two users who don't know each other."""
    world.add_users("ann", "ben")


def online(world: MemoryWorld) -> None:
    """Ann is there with two devices."""
    users(world)
    devices = [PresentDevice(platform_id, f"{platform_id}", False, f"{platform_id}") for platform_id in (5, 2)]
    world.broker.online["ann"] = devices


def chat(world: MemoryWorld) -> None:
    """Both had logged in before Ann wrote to Ben, who has read some of it."""
    users(world)
    for user_id in ("ann", "ben"):
        world.tables.directory.conversation_ids(UserID(user_id))
    world.send("ann", "ben", *"abcdefghijkl")
    world.notify("ben", "ann", ContentType.HAS_READ_RECEIPT, "receipt")


def cleared_chat(world: MemoryWorld) -> None:
    """Ann has cleared the chat."""
    chat(world)
    world.clear("ann", "si_ann_ben", 13)


def pinned_chat(world: MemoryWorld) -> None:
    """Ben has pinned the chat."""
    chat(world)
    (row,) = world.tables.directory.conversations(UserID("ben"), ["si_ann_ben"])
    pinned = replace(row, is_pinned=True, recv_msg_opt=1)
    world.tables.directory.change(lambda transaction: transaction.put_conversation(pinned))


def friend(world: MemoryWorld) -> None:
    """Ann and Ben are friends; both lists were looked at before."""
    users(world)
    tables = world.tables.directory
    for owner, other in (("ann", "ben"), ("ben", "ann")):
        tables.friend_ids(UserID(owner))
        row = Friend(owner_user_id=UserID(owner), friend=tables.users([other])[other], create_time=START_MS)
        tables.change(lambda transaction, row=row: transaction.put_friend(row))  # type: ignore[misc]


def chat_with_friend(world: MemoryWorld) -> None:
    """Ann has written to her friend Ben."""
    friend(world)
    world.send("ann", "ben", "hello")


def three_users(world: MemoryWorld) -> None:
    """Nobody knows the others."""
    users(world)
    world.add_users("cid")


def imported_friend(world: MemoryWorld) -> None:
    """Ann and Cid are friends."""
    three_users(world)
    tables = world.tables.directory
    for owner, other in (("ann", "cid"), ("cid", "ann")):
        row = Friend(owner_user_id=UserID(owner), friend=tables.users([other])[other])
        tables.change(lambda transaction, row=row: transaction.put_friend(row))  # type: ignore[misc]


def application(world: MemoryWorld, result: int = HandleResult.PENDING) -> None:
    """Ann would like to be Ben's friend."""
    users(world)
    found = world.tables.directory.users(["ann", "ben"])
    row = FriendRequest(from_user=found["ann"], to_user=found["ben"], handle_result=result, create_time=START_MS)
    world.tables.directory.change(lambda transaction: transaction.put_friend_request(row))


def refused_application(world: MemoryWorld) -> None:
    """Ben doesn't like to."""
    application(world, HandleResult.REFUSED)


def blocked_friend(world: MemoryWorld) -> None:
    """Ann has blocked her friend Ben."""
    friend(world)
    ben = world.tables.directory.users(["ben"])["ben"]
    row = Blocked(owner_user_id=UserID("ann"), blocked=ben, create_time=START_MS)
    world.tables.directory.change(lambda transaction: transaction.put_blocked(row))


def kept_thing(world: MemoryWorld) -> None:
    """Ann keeps something."""
    users(world)
    row = UserCommand(user_id=UserID("ann"), kind=1, uuid="u", value="v")
    world.tables.directory.change(lambda transaction: transaction.put_user_command(row))


def notification_account(world: MemoryWorld) -> None:
    """One that is no person."""
    users(world)
    world.tables.directory.register([User(user_id=UserID("note"), nickname="Notes", app_manager_level=3)])


NEEDS: dict[str, Callable[[MemoryWorld], None]] = {
    "nothing": nothing,
    "users": users,
    "online": online,
    "chat": chat,
    "cleared chat": cleared_chat,
    "pinned chat": pinned_chat,
    "friend": friend,
    "chat with friend": chat_with_friend,
    "three users": three_users,
    "imported friend": imported_friend,
    "application": application,
    "refused application": refused_application,
    "blocked friend": blocked_friend,
    "kept thing": kept_thing,
    "notification account": notification_account,
}


# --- comparing


def shape(value: Any) -> Any:
    """Return keys and types of a body; lists by their first element, empty lists like null."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else None
    return None if value is None else type(value).__name__


def answered(row: dict[str, Any], envelope: dict[str, Any]) -> dict[str, Any]:
    """Return our answer in the form in which the recorded one is kept."""
    if not row.get("protobuf"):
        return envelope
    data = to_json_dict(JSSDK_ANSWERS[row["path"]].FromString(b64decode(envelope["data"])))
    for one in data["conversations"] or []:
        one["lastMsg"] = {"seq": one["lastMsg"]["seq"]}
    return {**envelope, "data": data}


# --- replaying


async def headers_of(api: ApiClient, caller: str) -> dict[str, str]:
    """Return the headers with which somebody calls."""
    if caller == "without operationID":
        return {"token": await api.user_token("ann")}
    headers = {"operationID": "recorded"}
    if caller == "admin":
        headers["token"] = await api.admin_token()
    elif caller in ("ann", "ben"):
        headers["token"] = await api.user_token(caller)
    elif caller == "garbage":
        headers["token"] = "garbage"
    return headers


def body_of(row: dict[str, Any], world: MemoryWorld) -> dict[str, Any]:
    """Return the recorded request, with our secret and our versions in place of theirs."""
    body = dict(row["request"])
    if "secret" in body:
        body["secret"] = SECRET if row["response"]["errCode"] == 0 else "wrong"
    if body.get("versionID"):
        tables = world.tables.directory
        read = {
            "/friend/get_incremental_friends": tables.friend_ids,
            "/group/get_incremental_join_groups": tables.joined_group_ids,
            "/conversation/get_incremental_conversations": tables.conversation_ids,
        }[row["path"]]
        version, body["versionID"], _ = read(UserID(body["userID"]))
        body["version"] = version - 1 if row["response"]["data"]["insert"] else version
    return body


async def replay(api: ApiClient, row: dict[str, Any]) -> dict[str, Any]:
    """Send a recorded call as it was sent and return the envelope."""
    headers, body = await headers_of(api, row["caller"]), body_of(row, api.world)
    if row.get("protobuf"):
        data = from_json_dict(TABLE[row["path"]].request, body).SerializeToString()
        response = await api.http.post(row["path"], data=data, headers={**headers, "Content-Type": PROTOBUF_TYPE})
    else:
        response = await api.http.post(row["path"], json=body, headers=headers)
    assert response.status == 200
    envelope: dict[str, Any] = await response.json()
    return envelope


@pytest.mark.parametrize("row", CALLS, ids=name_of)
async def test_recorded_calls_are_answered_alike(row: dict[str, Any]) -> None:
    """The same code and name, and data with the same keys and types, as the official server gave."""
    world = MemoryWorld()
    NEEDS[row["needs"]](world)
    if row["needs"] != "nothing":
        await world.services.users.ensure_admins(["imAdmin"])
    async with api_client(world) as api:
        envelope = answered(row, await replay(api, row))
    expected = row["response"]
    assert (envelope["errCode"], envelope["errMsg"]) == (expected["errCode"], expected["errMsg"]), envelope
    assert shape(envelope.get("data")) == shape(expected.get("data"))
    assert ("data" in envelope) == ("data" in expected)


async def test_times_come_in_the_unit_of_their_route() -> None:
    """As recorded: lists tell when somebody became a friend or was blocked in seconds, look-ups by name in milliseconds."""
    world = MemoryWorld()
    blocked_friend(world)
    async with api_client(world) as api:
        token = await api.user_token("ann")
        page = {"pageNumber": 1, "showNumber": 10}
        blacks = await api.call("/friend/get_black_list", {"userID": "ann", "pagination": page}, token)
        named = {"ownerUserID": "ann", "userIDList": ["ben"]}
        exact = await api.call("/friend/get_specified_blacks", named, token)
        infos = await api.call("/friend/get_specified_friends_info", named, token)
        friends = await api.call("/friend/get_friend_list", {"userID": "ann", "pagination": page}, token)
    assert blacks.data["blacks"][0]["createTime"] == START_MS // 1000
    assert exact.data["blacks"][0]["createTime"] == START_MS
    assert friends.data["friendsInfo"][0]["createTime"] == START_MS // 1000
    (info,) = infos.data["infos"]
    assert info["friendInfo"]["createTime"] == info["blackInfo"]["createTime"] == START_MS
    assert (info["friendInfo"]["friendUser"], info["blackInfo"]["blackUserInfo"]) == (None, None)


async def test_nothing_active_is_an_empty_text() -> None:
    """As recorded, a user without conversations gets "" from one route and, so that the client can read it, CAA= from the other."""
    world = MemoryWorld()
    users(world)
    async with api_client(world) as api:
        headers = {**await headers_of(api, "ben"), "Content-Type": PROTOBUF_TYPE}
        for path, expected in [("/jssdk/get_active_conversations", ""), ("/jssdk/get_conversations", "CAA=")]:
            request = TABLE[path].request(ownerUserID="ben")
            response = await api.http.post(path, data=request.SerializeToString(), headers=headers)
            assert (await response.json())["data"] == expected


async def test_asked_in_json_the_jssdk_answers_in_json() -> None:
    """Native clients ask that way."""
    world = MemoryWorld()
    chat(world)
    async with api_client(world) as api:
        body = {"ownerUserID": "ben", "count": 20}
        answer = await api.call("/jssdk/get_active_conversations", body, await api.user_token("ben"))
    assert answer.data["unreadCount"] == 12
    assert answer.data["conversations"][0]["conversation"]["conversationID"] == "si_ann_ben"


def test_every_recorded_route_is_known() -> None:
    """
    Whatever real clients called stands in the table, and is replayed here if it is built.

    The official server answers null to `/user/subscribe_users_status`; that it says something here is meant.
    """
    paths = {row["path"] for row in recorded.load("http")}
    assert paths <= set(TABLE)
    replayed = {row["path"] for row in (*CALLS, *recorded.load("group_calls"))}
    assert paths - set(NOT_BUILT) - replayed <= {"/user/subscribe_users_status"}
