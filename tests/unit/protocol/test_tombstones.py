"""
What notifications of others keep of an erased account.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.bodies import to_json_dict
from openim_ray.protocol.pb.sdkws_pb2 import (
    FriendApplicationApprovedTips,
    FriendRequest,
    FromToUserID,
    GroupInfo,
    GroupMemberFullInfo,
    MemberInvitedTips,
    MsgData,
)
from openim_ray.protocol.tombstones import tells_of, without_words_of

HERS, THEIRS = "her words", "the words of others"


def row_of(tips: Any, content_type: int, sender: str = "bob") -> StoredMessage:
    """Return the clone of a notification."""
    detail = json.dumps(to_json_dict(tips), separators=(",", ":"), ensure_ascii=False)
    content = json.dumps({"detail": detail}, separators=(",", ":"), ensure_ascii=False).encode()
    body = MsgData(sendID=sender, contentType=content_type, content=content, seq=1, status=2).SerializeToString()
    return StoredMessage(
        ConversationID("sg_7"),
        ConversationSeq(1),
        UserID(sender),
        ClientMessageID("c"),
        ServerMessageID("s"),
        1,
        content_type,
        sender_sync=True,
        operation_id="",
        body=body,
    )


def tips_of(body: bytes) -> Any:
    """Return what a notification tells."""
    return json.loads(json.loads(MsgData.FromString(body).content)["detail"])


@pytest.mark.parametrize("alice", ["alice", 'a"\\é😀'])
def test_an_accepted_application_keeps_who_they_are_and_not_what_she_said(alice: str) -> None:
    """Whoever of the two is erased; the other's name and words stay."""
    request = FriendRequest(
        fromUserID=alice,
        fromNickname=HERS,
        fromFaceURL=HERS,
        toUserID="bob",
        toNickname=THEIRS,
        toFaceURL=THEIRS,
        reqMsg=HERS,
        handleMsg=THEIRS,
        ex=HERS,
    )
    pair = FromToUserID(fromUserID=alice, toUserID="bob")
    row = row_of(FriendApplicationApprovedTips(fromToUserID=pair, handleMsg=THEIRS, request=request), 1201)
    assert tells_of(row, alice)
    body = without_words_of(row, alice)
    assert HERS.encode() not in body
    assert tips_of(body)["fromToUserID"] == {"fromUserID": alice, "toUserID": "bob"}
    assert tips_of(body)["handleMsg"] == THEIRS
    assert without_words_of(row._replace(body=body), alice) == body

    body = without_words_of(row, "bob")
    assert THEIRS.encode() not in body
    assert tips_of(body)["request"]["reqMsg"] == HERS


def test_a_group_keeps_who_came_and_not_what_she_was_called() -> None:
    """Also deep in lists; the group's own texts stay."""
    members = [
        GroupMemberFullInfo(userID=user_id, nickname=text, faceURL=text, ex=text)
        for user_id, text in (("carol", THEIRS), ("alice", HERS), ("dave", THEIRS))
    ]
    tips = MemberInvitedTips(group=GroupInfo(groupID="7", ex=THEIRS), opUser=members[0], invitedUserList=members)
    body = without_words_of(row_of(tips, 1509), "alice")
    assert HERS.encode() not in body
    assert tips_of(body)["group"]["ex"] == THEIRS
    assert [one["userID"] for one in tips_of(body)["invitedUserList"]] == ["carol", "alice", "dave"]
    assert tips_of(body)["invitedUserList"][2]["nickname"] == THEIRS


def test_only_notifications_are_looked_into() -> None:
    """What people write stays as they wrote it, as do receipts, notifications that don't name her, and what isn't JSON."""
    tips = MemberInvitedTips(invitedUserList=[GroupMemberFullInfo(userID="alice", nickname=HERS)])
    assert tells_of(row_of(tips, 1509), "alice")
    assert not tells_of(row_of(tips, 101), "alice")
    assert not tells_of(row_of(tips, 2101), "alice")
    assert not tells_of(row_of(tips, 1509, sender="alice"), "alice")
    assert not tells_of(row_of(tips, 1509), "erin")
    for content in (b"", b"alice", b"[]", b'{"detail": 1}', b'{"detail": "alice"}', b'{"detail": "[\\"alice\\"]"}'):
        row = row_of(tips, 1509)
        row = row._replace(body=MsgData(content=content).SerializeToString())
        assert without_words_of(row, "alice") == row.body
