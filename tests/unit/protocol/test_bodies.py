from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from openim_ray.protocol.bodies import from_json_dict, to_json_dict
from openim_ray.protocol.malformed import ProtocolError
from openim_ray.protocol.pb.conversation_pb2 import ConversationReq, SetConversationsReq
from openim_ray.protocol.pb.group_pb2 import (
    BatchGetIncrementalGroupMemberResp,
    CreateGroupReq,
    getIncrementalGroupMemberResp,
)
from openim_ray.protocol.pb.msg_pb2 import GetActiveUserResp, SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import (
    FriendInfo,
    GetMaxSeqResp,
    GroupInfo,
    GroupMemberFullInfo,
    MarkAsReadTips,
    MsgData,
    PullMessageBySeqsReq,
    PullMessageBySeqsResp,
    PullMsgs,
    UserInfo,
    UserInfoWithEx,
)
from openim_ray.protocol.pb.sending_pb2 import SendMessageReq
from openim_ray.protocol.pb.third_pb2 import AccessURLReq
from openim_ray.protocol.pb.user_pb2 import searchNotificationAccountReq
from tests.compat import recorded


def test_all_fields_are_present_under_their_names() -> None:
    """Zero values are written, 64-bit integers as numbers, absent messages as null."""
    assert to_json_dict(FriendInfo()) == {
        "ownerUserID": "",
        "remark": "",
        "createTime": 0,
        "friendUser": None,
        "addSource": 0,
        "operatorUserID": "",
        "ex": "",
        "isPinned": False,
    }


def test_large_integers_are_numbers() -> None:
    """Not texts, as in protobuf's own JSON form."""
    assert to_json_dict(UserInfo(createTime=(1 << 63) - 1))["createTime"] == (1 << 63) - 1


def test_lists_are_null_when_empty() -> None:
    """Go writes an empty list so."""
    assert to_json_dict(MarkAsReadTips())["seqs"] is None
    assert to_json_dict(MarkAsReadTips(seqs=[1, 2]))["seqs"] == [1, 2]


def test_maps_are_left_out_when_empty() -> None:
    """The one kind of field that may be missing."""
    assert to_json_dict(GetMaxSeqResp()) == {}
    assert to_json_dict(GetMaxSeqResp(maxSeqs={"b": 2, "a": 1})) == {"maxSeqs": {"a": 1, "b": 2}}


def test_messages_in_maps_and_lists_are_written_in_full() -> None:
    """The rules hold at every depth."""
    body = to_json_dict(PullMessageBySeqsResp(msgs={"si_a_b": PullMsgs(Msgs=[MsgData(seq=1, content=b"x")])}))

    assert body["msgs"]["si_a_b"]["endSeq"] == 0
    assert body["msgs"]["si_a_b"]["Msgs"][0]["content"] == "eA=="
    assert body["msgs"]["si_a_b"]["Msgs"][0]["offlinePushInfo"] is None
    assert "options" not in body["msgs"]["si_a_b"]["Msgs"][0]


def test_wrapped_scalars_are_plain_or_null() -> None:
    """A present zero is not the same as an absent value."""
    body = to_json_dict(UserInfoWithEx(nickname={"value": ""}, globalRecvMsgOpt={"value": 2}))

    assert body == {"userID": "", "nickname": "", "faceURL": None, "ex": None, "globalRecvMsgOpt": 2}


def test_optional_scalars_are_plain_or_null() -> None:
    """Fields marked optional keep the difference, too."""
    assert to_json_dict(CreateGroupReq())["sendMessage"] is None
    assert to_json_dict(CreateGroupReq(sendMessage=False))["sendMessage"] is False


def test_an_unmodified_message_is_left_out_of_the_send_answer() -> None:
    """The recorded answer of the send call has three keys."""
    assert list(to_json_dict(SendMsgResp())) == ["serverMsgID", "clientMsgID", "sendTime"]
    assert to_json_dict(SendMsgResp(modify={"seq": 3}))["modify"]["seq"] == 3


# Reading


def test_missing_and_null_values_are_zero() -> None:
    """Clients leave out what they don't set, or write null."""
    body = {"groupName": "G", "ownerUserID": None, "memberCount": None}

    assert GroupInfo(groupName="G") == from_json_dict(GroupInfo, body)
    assert GroupInfo() == from_json_dict(GroupInfo, {})


def test_null_is_absent_for_messages_and_wrapped_scalars() -> None:
    """An empty object is present, null is not."""
    assert not from_json_dict(FriendInfo, {"friendUser": None}).HasField("friendUser")
    assert from_json_dict(FriendInfo, {"friendUser": {}}).HasField("friendUser")
    assert not from_json_dict(UserInfoWithEx, {"nickname": None}).HasField("nickname")
    assert from_json_dict(UserInfoWithEx, {"nickname": ""}).HasField("nickname")
    assert from_json_dict(ConversationReq, {"isPinned": False}).HasField("isPinned")
    assert from_json_dict(searchNotificationAccountReq, {"appManagerLevel": 0}).HasField("appManagerLevel")
    assert not from_json_dict(searchNotificationAccountReq, {"appManagerLevel": None}).HasField("appManagerLevel")


def test_unknown_keys_are_ignored() -> None:
    """Whatever their values are."""
    assert UserInfo(userID="a") == from_json_dict(UserInfo, {"userID": "a", "new": {"x": [1]}, "": 1})


def test_names_are_found_in_another_case() -> None:
    """As Go's JSON reader does."""
    assert UserInfo(userID="a", faceURL="f") == from_json_dict(UserInfo, {"userid": "a", "FaceUrl": "f"})


def test_maps_are_read() -> None:
    """Maps of scalars and of messages."""
    assert AccessURLReq(query={"a": "b"}) == from_json_dict(AccessURLReq, {"query": {"a": "b"}})
    body = {"respList": {"g": {"full": True, "insert": [{"userID": "u"}]}}}
    answer = getIncrementalGroupMemberResp(full=True, insert=[GroupMemberFullInfo(userID="u")])
    expected = BatchGetIncrementalGroupMemberResp(respList={"g": answer})
    assert expected == from_json_dict(BatchGetIncrementalGroupMemberResp, body)


def test_an_empty_message_in_a_map_keeps_its_key() -> None:
    """The key says something even if the value has no fields."""
    body: dict[str, Any] = {"msgs": {"si_a_b": {}}}

    assert list(from_json_dict(PullMessageBySeqsResp, body).msgs) == ["si_a_b"]


def test_enumerations_are_numbers() -> None:
    """As Go writes them."""
    assert from_json_dict(PullMessageBySeqsReq, {"order": 1}).order == 1
    assert to_json_dict(PullMessageBySeqsReq(order="Desc"))["order"] == 1


def _nested(depth: int) -> dict[str, Any]:
    """Return objects within each other."""
    body: dict[str, Any] = {}
    for _ in range(depth):
        body = {"a": body}
    return body


NESTED = {"content": _nested(10_000)}


@pytest.mark.parametrize(
    ("message_class", "body", "field"),
    [
        (UserInfo, None, "UserInfo: not an object"),
        (UserInfo, [], "UserInfo: not an object"),
        (UserInfo, {"userID": 1}, "UserInfo.userID: not a string"),
        (UserInfo, {"userID": "\ud800"}, "UserInfo.userID: not valid Unicode"),
        (UserInfo, {"createTime": "1"}, "UserInfo.createTime: not an integer"),
        (UserInfo, {"createTime": 1.0}, "UserInfo.createTime: not an integer"),
        (UserInfo, {"createTime": True}, "UserInfo.createTime: not an integer"),
        (UserInfo, {"createTime": 1 << 63}, "UserInfo.createTime: out of range"),
        (UserInfo, {"appMangerLevel": 1 << 31}, "UserInfo.appMangerLevel: out of range"),
        (UserInfo, {"appMangerLevel": -(1 << 31) - 1}, "UserInfo.appMangerLevel: out of range"),
        (GroupInfo, {"memberCount": -1}, "GroupInfo.memberCount: out of range"),
        (GroupInfo, {"memberCount": 1 << 32}, "GroupInfo.memberCount: out of range"),
        (FriendInfo, {"isPinned": 1}, "FriendInfo.isPinned: not a boolean"),
        (FriendInfo, {"friendUser": "ann"}, "FriendInfo.friendUser: not an object"),
        (FriendInfo, {"friendUser": {"userID": []}}, "FriendInfo.friendUser.userID: not a string"),
        (MarkAsReadTips, {"seqs": 5}, "MarkAsReadTips.seqs: not a list"),
        (MarkAsReadTips, {"seqs": {"0": 5}}, "MarkAsReadTips.seqs: not a list"),
        (MarkAsReadTips, {"seqs": [1, None]}, "MarkAsReadTips.seqs[1]: not an integer"),
        (MsgData, {"content": "eA"}, "MsgData.content: not base64"),
        (MsgData, {"content": "é"}, "MsgData.content: not base64"),
        (MsgData, {"content": {}}, "MsgData.content: not base64"),
        (SendMessageReq, {"content": "text"}, "SendMessageReq.content: not an object"),
        (SendMessageReq, {"content": [1]}, "SendMessageReq.content: not an object"),
        (SendMessageReq, {"content": {"a": "\ud800"}}, "SendMessageReq.content: not valid Unicode"),
        (SendMessageReq, NESTED, "SendMessageReq.content: nested too deeply"),
        (MsgData, {"options": []}, "MsgData.options: not an object"),
        (MsgData, {"options": {"history": 0}}, "MsgData.options[history]: not a boolean"),
        (MsgData, {"options": {"history": None}}, "MsgData.options[history]: not a boolean"),
        (MsgData, {"options": {"\ud800": True}}, "MsgData.options: not valid Unicode"),
        (PullMessageBySeqsReq, {"order": "Desc"}, "PullMessageBySeqsReq.order: not an integer"),
        (UserInfoWithEx, {"nickname": {"value": "x"}}, "UserInfoWithEx.nickname: not a string"),
        (SetConversationsReq, {"conversation": {"isPinned": 1}}, "SetConversationsReq.conversation.isPinned"),
        (GetActiveUserResp, {"users": [{}, {"user": {"ex": 1}}]}, "GetActiveUserResp.users[1].user.ex"),
    ],
    ids=lambda one: "nested" if one is NESTED else str(one),
)
def test_wrong_types_name_their_field(message_class: type[Message], body: Any, field: str) -> None:
    """A wrong value is error 1001 and says where it stands."""
    with pytest.raises(ProtocolError) as raised:
        from_json_dict(message_class, body)

    assert raised.value.detail.startswith(field)
    assert raised.value.code == 1001


MESSAGE_TYPES = sorted(
    {row[key] for row in recorded.load("http") for key in ("request_type", "response_type") if key in row}
    | {row["detail_type"] for row in recorded.load("notifications")}
)


@pytest.mark.parametrize("name", MESSAGE_TYPES)
def test_empty_messages_round_trip(name: str) -> None:
    """Every body is written from zero values and read back as them."""
    message = recorded.message_class(name)()

    body = json.loads(json.dumps(to_json_dict(message)))

    assert message == from_json_dict(recorded.message_class(name), body)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
"""A NUL is refused: not every store can hold it."""


@given(
    st.builds(
        MsgData,
        sendID=TEXT,
        content=st.binary(),
        seq=st.integers(-(1 << 63), (1 << 63) - 1),
        status=st.integers(-(1 << 31), (1 << 31) - 1),
        options=st.dictionaries(TEXT, st.booleans()),
        atUserIDList=st.lists(TEXT),
        offlinePushInfo=st.none() | st.just({"title": "t"}),
    )
)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_messages_round_trip(message: MsgData) -> None:
    """What is written is read back as it was, through any JSON text."""
    assert message == from_json_dict(MsgData, json.loads(json.dumps(to_json_dict(message))))
