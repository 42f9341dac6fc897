"""
What stands for a message whose sender was erased: its place in the log, and nothing that she said (OpenIM wire, §3.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from openim_ray.protocol.identifiers import ContentType, MessageStatus
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from openim_ray.domain.message import StoredMessage

RECEIPTS: Final = frozenset({ContentType.MESSAGE_REVOKED, ContentType.MESSAGES_DELETED, ContentType.HAS_READ_RECEIPT})
"""Notifications that say which seqs something happened to; in an `n_` stream clients go on needing them."""

_KEPT: Final = ("recvID", "groupID", "sessionType", "msgFrom", "createTime")
_PERSONAL: Final = ("senderNickname", "senderFaceURL", "offlinePushInfo", "attachedInfo", "ex")


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


def _parse(body: bytes) -> MsgData:
    try:
        return MsgData.FromString(body)
    except DecodeError:
        return MsgData()
