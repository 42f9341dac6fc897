"""
Read receipts: the 2200 notification of a single chat (OpenIM wire, §5.1, §5.2, §7.7).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from openim_ray.domain.conversation import SessionType, notification_stream_id
from openim_ray.domain.ids import ClientMessageID, ServerMessageID, UserID
from openim_ray.domain.message import Draft
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from openim_ray.core.items import MarkRead

HAS_READ_RECEIPT = 2200
RECEIPT_SEQS_MAX = 1000
"""A stored 2200 names at most this many seqs, the newest ones; clients mark only what they are named."""

_OPTIONS = {
    "isNotNotification": False,
    "isSendMsg": False,
    "history": True,
    "persistent": True,
    "offlinePush": False,
    "unreadCount": False,
    "conversationUpdate": False,
    "senderConversationUpdate": False,
    "senderSync": True,
    "notPrivate": False,
    "reactionFromCache": False,
}


def receipt_seqs(mark: MarkRead, read_before: int, sent_seq: int) -> list[int]:
    """
    Return the seqs a receipt names: the union of the newly read range and of those the reader listed.

    The range begins above the reader's own newest message: her messages must not be named, or her peer's SDK takes them for
    read by the peer and never says that he has read them. So the union matters: the range alone is often empty (OpenIM wire, §7.7).

    Args:
        mark: what the reader says.
        read_before: up to where she had said so before.
        sent_seq: the seq of her own newest message.
    """
    first = max(read_before + 1, sent_seq + 1, mark.has_read_seq - RECEIPT_SEQS_MAX + 1, 1)
    seqs = set(range(first, mark.has_read_seq + 1))
    seqs.update(seq for seq in mark.seqs if 0 < seq <= mark.has_read_seq)
    return sorted(seqs)[-RECEIPT_SEQS_MAX:]


def receipt_draft(mark: MarkRead, peer_id: str, seqs: list[int], wall_ms: int, *, stored: bool = True) -> Draft:
    """
    Build the 2200 from the reader to her peer (or, unstored, to herself).
    """
    tips = {
        "markAsReadUserID": mark.user_id,
        "conversationID": mark.conversation_id,
        "seqs": seqs,
        "hasReadSeq": mark.has_read_seq,
    }
    stream = notification_stream_id(mark.conversation_id)
    message = MsgData(
        sendID=mark.user_id,
        recvID=peer_id,
        clientMsgID=mark.command_id,
        serverMsgID=mark.command_id,
        sessionType=SessionType.SINGLE,
        msgFrom=200,
        contentType=HAS_READ_RECEIPT,
        content=json.dumps({"detail": json.dumps(tips, separators=(",", ":"))}, separators=(",", ":")).encode(),
        createTime=wall_ms,
        status=2,
        options=_OPTIONS if stored else {**_OPTIONS, "history": False, "persistent": False},
    )
    return Draft(
        conversation_id=stream,
        sender_id=UserID(mark.user_id),
        client_id=ClientMessageID(mark.command_id),
        server_id=ServerMessageID(mark.command_id),
        content_type=HAS_READ_RECEIPT,
        sender_sync=True,
        operation_id=mark.operation_id,
        body=message.SerializeToString(),
        read=(mark.user_id, mark.has_read_seq),
    )
