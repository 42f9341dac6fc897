"""Routes that no recording shows, and what recordings can't show of the others."""

from __future__ import annotations

from base64 import b64encode
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from openim_ray.api import friend_changes
from openim_ray.protocol.identifiers import ContentType
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CHAT = "si_alice_bob"


@pytest.fixture
async def api() -> AsyncIterator[ApiClient]:
    """Serve alice and bob, who has three messages from her."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    world.send("alice", "bob", "one", "two", "three")
    async with api_client(world) as client:
        yield client


# --- friends


async def test_black_lists_are_fetched_whole(api: ApiClient) -> None:
    """They have no versions: a client that asks for what changed is told to fetch everything, whatever it says it has."""
    body = {"userID": "alice", "versionID": "1" * 24, "version": 7}
    answer = await api.call("/friend/get_incremental_blacks", body, await api.user_token("alice"))
    assert (answer.data["full"], answer.data["version"], answer.data["versionID"]) == (True, 0, "")
    assert answer.data["insert"] is None


async def test_the_owner_hears_of_a_new_entry_before_the_answer(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wasm SDK syncs at both, and fails if it does so at once; who is no such SDK, as an administrator, waits for nothing."""
    happened: list[str] = []
    apply_effects = api.world.broker.apply_effects

    async def applied(home_keys: Sequence[str]) -> None:
        await apply_effects(home_keys)
        happened.append("told")

    async def slept(seconds: float) -> None:
        assert seconds == friend_changes.PUSH_AHEAD_SECONDS
        happened.append("slept")

    monkeypatch.setattr(api.world.broker, "apply_effects", applied)
    monkeypatch.setattr(friend_changes, "asyncio", SimpleNamespace(sleep=slept))
    body = {"ownerUserID": "alice", "blackUserID": "bob"}
    for token, order in ((await api.user_token("alice"), ["told", "slept"]), (await api.admin_token(), ["told"])):
        happened.clear()
        assert (await api.call("/friend/add_black", body, token)).code == 0
        assert happened == order


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [("/friend/is_friend", "userID1", "userID2"), ("/friend/get_designated_friend_apply", "fromUserID", "toUserID")],
)
async def test_what_belongs_to_two_either_may_ask_for(api: ApiClient, path: str, one: str, other: str) -> None:
    """And nobody else."""
    token = await api.user_token("alice")
    assert (await api.call(path, {one: "alice", other: "bob"}, token)).code == 0
    assert (await api.call(path, {one: "bob", other: "alice"}, token)).code == 0
    assert (await api.call(path, {one: "bob", other: "carol"}, token)).code == 1002


async def test_a_null_is_no_change(api: ApiClient) -> None:
    """Of a friend and of a thing that is kept: what is null or missing stays, what is empty is emptied."""
    token, admin = await api.user_token("alice"), await api.admin_token()
    await api.call("/friend/import_friend", {"ownerUserID": "alice", "friendUserIDs": ["bob"]}, admin)
    named = {"ownerUserID": "alice", "friendUserIDs": ["bob"]}
    await api.call("/friend/update_friends", {**named, "isPinned": True, "remark": "B", "ex": "x"}, token)
    await api.call("/friend/update_friends", {**named, "isPinned": None, "remark": ""}, token)
    (friend,) = (await api.call("/friend/get_designated_friends", named, token)).data["friendsInfo"]
    assert (friend["isPinned"], friend["remark"], friend["ex"]) == (True, "", "x")

    key = {"userID": "alice", "type": 1, "uuid": "u"}
    await api.call("/user/process_user_command_add", {**key, "value": "v", "ex": "e"}, token)
    await api.call("/user/process_user_command_update", {**key, "value": "", "ex": None}, token)
    (kept,) = (await api.call("/user/process_user_command_get", key, token)).data["CommandResp"]
    assert (kept["value"], kept["ex"]) == ("", "e")


async def test_an_account_is_disabled_by_administrators_only(api: ApiClient) -> None:
    """The user's calls fail as after a kick, and she gets no token, until she is enabled."""
    token, admin = await api.user_token("alice"), await api.admin_token()
    body, login = {"userID": "alice"}, {"userID": "alice", "platformID": 5}
    assert (await api.call("/user/disable_user", body, token)).code == 1002
    assert (await api.call("/user/disable_user", body, admin)).code == 0
    assert (await api.call("/user/get_users_info", {"userIDs": ["alice"]}, token)).code == 1506
    assert (await api.call("/auth/get_user_token", login, admin)).code == 1002
    assert (await api.call("/user/enable_user", body, admin)).code == 0
    assert (await api.call("/auth/get_user_token", login, admin)).code == 0


# --- tokens


async def test_a_token_can_be_parsed_by_anybody_who_has_it(api: ApiClient) -> None:
    """User, platform and the absolute expiry in seconds, without a token in the header."""
    token = await api.user_token("alice", 2)
    answer = await api.call("/auth/parse_token", {"token": token})
    expires = api.world.clock.now_ms // 1000 + 90 * 86_400
    assert answer.data == {"userID": "alice", "platformID": 2, "expireTimeSeconds": expires}


async def test_an_ended_token_is_parsed_as_such(api: ApiClient) -> None:
    """The codes are those with which the token would be refused."""
    token = await api.user_token("alice")
    await api.call("/auth/force_logout", {"userID": "alice", "platformID": 5}, await api.admin_token())
    assert (await api.call("/auth/parse_token", {"token": token})).code == 1506
    assert (await api.call("/auth/parse_token", {"token": "x"})).code == 1503


async def test_guessing_the_secret_is_limited_by_address(api: ApiClient) -> None:
    """The address of the connection is what counts."""
    body = {"secret": "wrong", "userID": "imAdmin"}
    codes = [(await api.call("/auth/get_admin_token", body)).code for _ in range(11)]
    assert codes == [1002] * 10 + [90004]


# --- accounts


async def test_the_older_update_sets_what_is_not_empty(api: ApiClient) -> None:
    """It can't tell an empty field from one that isn't there; the newer one can."""
    token = await api.user_token("alice")
    await api.call("/user/update_user_info_ex", {"userInfo": {"userID": "alice", "ex": "kept"}}, token)
    await api.call("/user/update_user_info", {"userInfo": {"userID": "alice", "nickname": "Ali", "ex": ""}}, token)
    (info,) = (await api.call("/user/get_users_info", {"userIDs": ["alice"]}, token)).data["usersInfo"]
    assert (info["nickname"], info["ex"]) == ("Ali", "kept")
    await api.call("/user/update_user_info_ex", {"userInfo": {"userID": "alice", "ex": ""}}, token)
    (info,) = (await api.call("/user/get_users_info", {"userIDs": ["alice"]}, token)).data["usersInfo"]
    assert (info["nickname"], info["ex"]) == ("Ali", "")


async def test_what_a_user_wants_of_all_chats_can_be_set(api: ApiClient) -> None:
    """One of the three options, for herself."""
    token = await api.user_token("alice")
    path = "/user/set_global_msg_recv_opt"
    assert (await api.call(path, {"userID": "alice", "globalRecvMsgOpt": 2}, token)).code == 0
    assert (await api.call(path, {"userID": "alice", "globalRecvMsgOpt": 3}, token)).code == 1001
    (info,) = (await api.call("/user/get_users_info", {"userIDs": ["alice"]}, token)).data["usersInfo"]
    assert info["globalRecvMsgOpt"] == 2


# --- reading


async def test_messages_can_be_pulled_over_http(api: ApiClient) -> None:
    """Content is base64; the names that the PyPI client tries are the same route."""
    token = await api.user_token("bob")
    ranges = [{"conversationID": CHAT, "begin": 1, "end": 3, "num": 2}]
    for path in ("pull_msg_by_seq", "pull_message_by_seqs", "pull_msg_by_seqs", "pull_msg_by_range"):
        answer = await api.call(f"/msg/{path}", {"userID": "bob", "seqRanges": ranges, "order": 0}, token)
        part = answer.data["msgs"][CHAT]
        assert [one["content"] for one in part["Msgs"]] == [b64encode(text).decode() for text in (b"two", b"three")]
        assert (part["isEnd"], part["endSeq"]) == (True, 0)
        assert "notificationMsgs" not in answer.data


async def test_an_administrator_reads_for_a_user(api: ApiClient) -> None:
    """The named user's messages, and only what that user may see."""
    token = await api.admin_token()
    ranges = [{"conversationID": CHAT, "begin": 1, "end": 3, "num": 9}]
    answer = await api.call("/msg/pull_msg_by_seq", {"userID": "bob", "seqRanges": ranges}, token)
    assert len(answer.data["msgs"][CHAT]["Msgs"]) == 3
    answer = await api.call("/msg/pull_msg_by_seq", {"userID": "carol", "seqRanges": ranges}, token)
    assert answer.data == {}


async def test_the_newest_seqs_are_those_of_the_user(api: ApiClient) -> None:
    """As 1001: her chats and her notification streams."""
    api.world.notify("bob", "alice", ContentType.HAS_READ_RECEIPT, "receipt")
    answer = await api.call("/msg/newest_seq", {"userID": "alice"}, await api.user_token("alice"))
    assert answer.data == {"maxSeqs": {CHAT: 3, "n_alice_bob": 1}}


# --- read positions


async def test_an_administrator_writes_to_a_group_for_its_members(api: ApiClient) -> None:
    """Who is no member is refused (1203), as on the socket; administrators are not; 2 is taken for 3, as there."""
    await api.world.services.users.ensure_admins(["imAdmin"])
    admin = await api.admin_token()
    made = {"groupInfo": {"groupID": "g1", "groupName": "G", "groupType": 2}, "ownerUserID": "alice"}
    assert (await api.call("/group/create_group", made, admin)).code == 0
    text = {"groupID": "g1", "contentType": 101, "content": {"content": "hello"}}
    for sender_id, session_type, code in (("alice", 3, 0), ("alice", 2, 0), ("bob", 3, 1203), ("imAdmin", 3, 0)):
        body = {**text, "sendID": sender_id, "sessionType": session_type}
        assert (await api.call("/msg/send_msg", body, admin)).code == code, sender_id
    sent = [(one.conversation_id, one.sender_id, operation_id) for one, operation_id in api.world.broker.sent]
    assert sent == [("sg_g1", sender_id, "operation") for sender_id in ("alice", "alice", "imAdmin")]


async def test_marks_carry_the_operation_of_their_call(api: ApiClient) -> None:
    """The pure-JavaScript client knows its own actions by it."""
    token = await api.user_token("bob")
    body = {"conversationID": CHAT, "userID": "bob", "hasReadSeq": 2, "seqs": [1, 2]}
    assert (await api.call("/msg/mark_conversation_as_read", body, token, headers={"operationID": "mine"})).code == 0
    assert api.world.broker.marked == [("bob", CHAT, 2, [1, 2], "mine")]


async def test_marked_messages_set_the_highest_position(api: ApiClient) -> None:
    """Whatever order the client names them in; in groups it may name none for the conversation as a whole."""
    token = await api.user_token("bob")
    body = {"conversationID": CHAT, "userID": "bob", "seqs": [3, 1]}
    assert (await api.call("/msg/mark_msgs_as_read", body, token)).code == 0
    assert api.world.broker.marked == [("bob", CHAT, 3, [1, 3], "operation")]
    assert (await api.call("/msg/mark_msgs_as_read", {**body, "seqs": None}, token)).code == 1001


async def test_a_position_can_be_set_silently(api: ApiClient) -> None:
    """The flag noNotification spares the user's other devices."""
    token = await api.user_token("bob")
    for seq, silent in [(3, False), (1, True)]:
        body = {"conversationID": CHAT, "userID": "bob", "hasReadSeq": seq, "noNotification": silent}
        assert (await api.call("/msg/set_conversation_has_read_seq", body, token)).code == 0
    assert [(one[2], one[4]) for one in api.world.broker.positions_set] == [(3, True), (1, False)]
    above = {"conversationID": CHAT, "userID": "bob", "hasReadSeq": 4}
    assert (await api.call("/msg/set_conversation_has_read_seq", above, token)).code == 1001
