"""
A message on its way in: everything about a send that needs no shared state (OpenIM wire, §3.3, §3.10, §4.5, §4.6).

The server's view wins: who sends, to whom, in which kind of conversation, from whom it comes; what a client says of seq, sendTime,
status and isRead is dropped. A client must not be able to forge a system message.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from openim_ray.domain import errors
from openim_ray.domain.conversation import SessionType, group_chat_id, notification_chat_id, single_chat_id
from openim_ray.domain.ids import CLIENT_MESSAGE_ID_BYTES_MAX, GroupID, user_id_fault
from openim_ray.domain.message import Outgoing
from openim_ray.protocol.identifiers import (
    NOTIFICATION_CONTENT_TYPES,
    ContentType,
    MessageOption,
    MessageSource,
    MessageStatus,
)
from openim_ray.protocol.malformed import ProtocolError
from openim_ray.protocol.messages import encode_unplaced, parse_message

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.protocol.pb.sdkws_pb2 import MsgData

_ONLINE_ONLY = (
    MessageOption.HISTORY,
    MessageOption.PERSISTENT,
    MessageOption.SENDER_SYNC,
    MessageOption.CONVERSATION_UPDATE,
    MessageOption.SENDER_CONVERSATION_UPDATE,
    MessageOption.UNREAD_COUNT,
    MessageOption.OFFLINE_PUSH,
)
FORCED_FALSE: dict[int, tuple[MessageOption, ...]] = {
    ContentType.TYPING: _ONLINE_ONLY,
    ContentType.REVOKE: (MessageOption.UNREAD_COUNT, MessageOption.OFFLINE_PUSH),
}
"""Options the server sets to false whatever the client says, by content type."""


def prepare_message(data: bytes, sender_id: str, platform_id: int) -> Outgoing:
    """
    Parse and check a client's MsgData and put the server's view into it.

    ArgsError names the field that is wrong, NoPermission what only the system may send; ProtocolError (from `parse_message`) never
    passes: it becomes an ArgsError.
    """
    try:
        message = parse_message(data)
    except ProtocolError as error:
        raise errors.ArgsError(str(error)) from error
    _check(message, sender_id)
    _take_over(message, sender_id, platform_id)
    return outgoing_of(message)


def outgoing_of(message: MsgData) -> Outgoing:
    """
    Return a message that is complete but for seq and sendTime, encoded and with its conversation.
    """
    options = message.options
    is_group = message.sessionType == SessionType.GROUP
    return Outgoing(
        conversation_id=_conversation_of(message),
        sender_id=message.sendID,
        receiver_id=message.groupID if is_group else message.recvID,
        client_id=message.clientMsgID,
        server_id=message.serverMsgID,
        content_type=message.contentType,
        body=encode_unplaced(message),
        stored=options.get(MessageOption.HISTORY, True),
        sender_sync=options.get(MessageOption.SENDER_SYNC, True),
    )


def _conversation_of(message: MsgData) -> ConversationID:
    if message.sessionType == SessionType.GROUP:
        return group_chat_id(GroupID(message.groupID))
    id_of = notification_chat_id if message.sessionType == SessionType.NOTIFICATION else single_chat_id
    return id_of(message.sendID, message.recvID)


def _check(message: MsgData, sender_id: str) -> None:
    if message.sendID != sender_id:
        raise errors.NoPermission("sendID is not the user of this connection")
    if not message.clientMsgID:
        raise errors.ArgsError("clientMsgID is empty")
    if len(message.clientMsgID) > CLIENT_MESSAGE_ID_BYTES_MAX:
        raise errors.ArgsError(f"clientMsgID is longer than {CLIENT_MESSAGE_ID_BYTES_MAX}")
    if not message.content:
        raise errors.ArgsError("content is empty")
    if message.contentType in NOTIFICATION_CONTENT_TYPES:
        raise errors.NoPermission("contentType 1000 to 5000 is for the system")
    if _forges(message):
        raise errors.NoPermission("options isNotNotification and isSendMsg are for the system")
    check_receiver(message)


def _forges(message: MsgData) -> bool:
    options = message.options
    return not options.get(MessageOption.IS_NOT_NOTIFICATION, True) or options.get(MessageOption.IS_SEND_MSG, False)


def check_receiver(message: MsgData) -> None:
    """
    Raise ArgsError if a message is for no conversation that people write to, or what names the receiver is not an id.
    """
    if message.sessionType in (SessionType.GROUP, SessionType.WRITE_GROUP):
        field, fault = "groupID", user_id_fault(message.groupID)
    elif message.sessionType == SessionType.SINGLE:
        field, fault = "recvID", user_id_fault(message.recvID)
    else:
        raise errors.ArgsError("unknown sessionType")
    if fault is not None:
        raise errors.ArgsError(fault.replace("userID", field))


def _take_over(message: MsgData, sender_id: str, platform_id: int) -> None:
    message.sendID = sender_id
    take_one_receiver(message)
    message.serverMsgID = fresh_message_id()
    message.senderPlatformID = platform_id
    message.msgFrom = MessageSource.USER
    message.status = MessageStatus.SUCCESS
    message.isRead = False
    for option in FORCED_FALSE.get(message.contentType, ()):
        message.options[option] = False


def take_one_receiver(message: MsgData) -> None:
    """
    Drop what names a receiver of another kind than that of the session.
    """
    if message.sessionType == SessionType.SINGLE:
        message.groupID = ""
    else:
        # A client of its own kind says "write group", which is no more (OpenIM wire, §12 #3).
        message.sessionType = SessionType.GROUP
        message.recvID = ""


def fresh_message_id() -> str:
    """
    Return an id that no message has.
    """
    return os.urandom(16).hex()
