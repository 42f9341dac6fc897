"""
What becomes of stored messages when an account is erased: its own keep their place in the log and nothing that was said
(OpenIM wire, §3.5), notifications of others that tell of it keep everything but what it was called and said.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from openim_ray.protocol.identifiers import NOTIFICATION_CONTENT_TYPES, ContentType, MessageStatus
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from openim_ray.domain.message import StoredMessage

RECEIPTS: Final = frozenset({ContentType.MESSAGE_REVOKED, ContentType.MESSAGES_DELETED, ContentType.HAS_READ_RECEIPT})
"""Notifications that say which seqs something happened to; in an `n_` stream clients go on needing them."""

_KEPT: Final = ("recvID", "groupID", "sessionType", "msgFrom", "createTime")
_PERSONAL: Final = ("senderNickname", "senderFaceURL", "offlinePushInfo", "attachedInfo", "ex")

_OF_USER: Final = {
    "userID": ("nickname", "faceURL", "ex"),
    "fromUserID": ("fromNickname", "fromFaceURL", "reqMsg", "ex"),
    "toUserID": ("toNickname", "toFaceURL", "handleMsg"),
    "handleUserID": ("handleMsg",),
}
"""In an object of a notification's tips: if the key names the user, what beside it is hers (OpenIM wire, Appendix A)."""

_OF_USER_WITHIN: Final = {("userInfo", "userID"): ("reqMsg", "ex"), ("fromToUserID", "toUserID"): ("handleMsg",)}
"""The same, where an object within it names the user."""


def tombstone_body(row: StoredMessage) -> bytes:
    """
    Return the encoded MsgData of a row without what its sender said and was called; ids, times and seq stay, and its status is "deleted".

    SDKs take it as a message that was deleted. A body that can't be read is made anew from the row. The same row yields the same bytes.
    """
    there = _parse(row.body)
    message = MsgData(status=MessageStatus.DELETED)
    for name in _KEPT:
        setattr(message, name, getattr(there, name))
    message.sendID, message.clientMsgID, message.serverMsgID = row.sender_id, row.client_id, row.server_id
    message.contentType, message.seq, message.sendTime = row.content_type, row.seq, row.send_time
    return message.SerializeToString(deterministic=True)


def without_profile(row: StoredMessage) -> bytes:
    """
    Return the encoded MsgData of a notification without what its sender was called; its content stays. The same row yields the same bytes.
    """
    message = _parse(row.body)
    for name in _PERSONAL:
        message.ClearField(name)
    message.DiscardUnknownFields()
    return message.SerializeToString(deterministic=True)


def tells_of(row: StoredMessage, user_id: str) -> bool:
    """
    Tell whether a row is a notification of somebody else that may name a user.
    """
    return (
        row.content_type in NOTIFICATION_CONTENT_TYPES
        and row.content_type not in RECEIPTS
        and row.sender_id != user_id
        and _as_nested(user_id) in row.body
    )


def without_words_of(row: StoredMessage, user_id: str) -> bytes:
    """
    Return the encoded MsgData of a notification without what a user was called and said; the body itself if there is nothing of hers in it.
    """
    message = _parse(row.body)
    try:
        content = json.loads(message.content)
        detail = json.loads(content["detail"])
    except (ValueError, KeyError, TypeError):
        return row.body
    if not _take_words(detail, user_id):
        return row.body
    message.content = _compact({**content, "detail": _compact(detail).decode()})
    return message.SerializeToString(deterministic=True)


def _take_words(value: Any, user_id: str) -> bool:
    """Empty what is a user's in what JSON means, in place; False if there was nothing."""
    if isinstance(value, list):
        taken = [_take_words(one, user_id) for one in value]  # all of them, not up to the first
        return any(taken)
    if not isinstance(value, dict):
        return False
    hers = [name for key, names in _OF_USER.items() if value.get(key) == user_id for name in names]
    for (key, within), names in _OF_USER_WITHIN.items():
        inner = value.get(key)
        if isinstance(inner, dict) and inner.get(within) == user_id:
            hers += names
    hers = [name for name in hers if value.get(name)]
    value.update(dict.fromkeys(hers, ""))
    return _take_words(list(value.values()), user_id) or bool(hers)


def _as_nested(text: str) -> bytes:
    """Return how a text stands in JSON within JSON, as notifications hold it."""
    for _ in range(2):
        text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text.encode()


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _parse(body: bytes) -> MsgData:
    try:
        return MsgData.FromString(body)
    except DecodeError:
        return MsgData()
