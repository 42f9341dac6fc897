"""
The notification that a user's conversation rows changed: 1300 to herself, not stored (OpenIM wire, §5.2, §5.4).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from openim_ray.core.items import Fanout
from openim_ray.domain.conversation import SessionType, self_stream_id
from openim_ray.protocol.messages import with_position
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from openim_ray.core.items import RowsChanged

CONVERSATION_CHANGED = 1300

_FROM_SYSTEM = 200
_SUCCEEDED = 2
_OPTIONS = {
    "isNotNotification": False,
    "isSendMsg": False,
    "history": False,
    "persistent": False,
    "offlinePush": False,
    "unreadCount": False,
    "conversationUpdate": False,
    "senderSync": True,
    "notPrivate": False,
    "senderConversationUpdate": False,
    "reactionFromCache": False,
}


def rows_changed(user_id: str, change: RowsChanged, wall_ms: int) -> Fanout:
    """
    Return what tells a user's devices that her row of a conversation changed.
    """
    tips = {"userID": user_id, "conversationIDList": [change.conversation_id]}
    message = MsgData(
        sendID=user_id,
        recvID=user_id,
        clientMsgID=change.command_id,
        serverMsgID=change.command_id,
        sessionType=SessionType.SINGLE,
        msgFrom=_FROM_SYSTEM,
        contentType=CONVERSATION_CHANGED,
        content=_compact({"detail": _compact(tips)}).encode(),
        createTime=wall_ms,
        status=_SUCCEEDED,
        options=_OPTIONS,
    )
    return Fanout(
        [user_id],
        self_stream_id(user_id),
        0,
        user_id,
        change.command_id,
        change.operation_id,
        wall_ms,
        with_position(message.SerializeToString(), 0, wall_ms),
    )


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
