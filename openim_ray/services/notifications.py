"""
Notifications: what clients are told of a change of the directory (OpenIM wire, §5).

Each function returns the effect that carries one notification through the outbox. Who gets it and in which stream follows from the
table in OpenIM wire, §5.4; what the tips hold is its caller's.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain.conversation import (
    SessionType,
    group_chat_id,
    home_key,
    notification_stream_id,
    self_stream_id,
    single_chat_id,
)
from openim_ray.domain.ids import GroupID
from openim_ray.protocol.bodies import to_json_dict
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from openim_ray.transactions import DirectoryTransaction

_FROM_SYSTEM: Final = 200
_SUCCEEDED: Final = 2

_WITH_CLONE: Final = frozenset(
    {1201, 1501, 1504, 1507, 1508, 1509, 1510, 1511, 1512, 1513, 1514, 1515, 1519, 1520, 1701}
)
"""Types that also stand in the chat as a grey line (OpenIM wire, §5.4)."""

_OFFLINE_PUSH: Final = {
    1201: "Someone accepted your application to be friends",
    1202: "Someone refused your application to be friends",
    1203: "Someone wants to be your friend",
    1503: "Someone wants to join a group",
    1505: "An application to join a group was accepted",
    1506: "An application to join a group was refused",
}
"""Types that may be pushed to a device that is not connected, with the text shown there."""


class Receiver(NamedTuple):
    """
    Who is notified: a group, or a user; the other one is empty.
    """

    group_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Cause:
    """
    The call that a notification goes back to: clients know their own actions by the operationID. `now_ms` is wall clock.
    """

    user_id: str
    operation_id: str
    now_ms: int


def notify_user(cause: Cause, content_type: int, sender_id: str, receiver_id: str, tips: Message) -> tuple[str, Effect]:
    """
    Return the home key and the effect of a notification from one user to another, or to herself.
    """
    if sender_id == receiver_id:
        stream, clone_id = self_stream_id(sender_id), ""
    else:
        chat = single_chat_id(sender_id, receiver_id)
        stream, clone_id = notification_stream_id(chat), chat
    message = _message(cause, content_type, sender_id, tips)
    message.recvID = receiver_id
    message.sessionType = SessionType.SINGLE
    effect = _effect(cause, message, stream, clone_id if content_type in _WITH_CLONE else "")
    receivers = list(dict.fromkeys((receiver_id, sender_id)))
    return home_key(stream), msgspec.structs.replace(effect, receivers=receivers)


def notify_group(cause: Cause, content_type: int, sender_id: str, group_id: GroupID, tips: Message) -> Effect:
    """
    Return the effect of a notification to all members of a group; its home key is the group id.

    1519 has a clone only if there is an announcement: replace it with `without_clone` otherwise.
    """
    chat = group_chat_id(group_id)
    message = _message(cause, content_type, sender_id, tips)
    message.recvID = group_id
    message.groupID = group_id
    message.sessionType = SessionType.GROUP
    return _effect(cause, message, notification_stream_id(chat), chat if content_type in _WITH_CLONE else "")


def tell_user(
    tx: DirectoryTransaction,
    cause: Cause,
    content_type: int,
    sender_id: str,
    receiver_id: str,
    tips: Message,
    *,
    forget_facts: bool = False,
    echo: bool = True,
) -> None:
    """
    Put a notification from one user to another, or to herself, into the outbox.

    With `forget_facts` admission reads anew what it remembers of the two before their next message; with `echo` the sender's own devices
    get the notification, too.
    """
    place, effect = notify_user(cause, content_type, sender_id, receiver_id, tips)
    if forget_facts:
        effect = msgspec.structs.replace(effect, forget_facts=True)
    if not echo:
        effect = msgspec.structs.replace(effect, receivers=[receiver_id], sender_sync=False)
    tx.put_effect(place, encode_effect(effect), cause.now_ms)


def business_notification(
    cause: Cause, sender_id: str, receiver: Receiver, tips: Message, *, is_cloned: bool, is_stored: bool
) -> tuple[str, Effect]:
    """
    Return the home key and the effect of a notification (2001) of an application of its own, from one user to another, to herself or to a group.

    With `is_cloned` it also stands in the chat; with `is_stored` it has a seq of its stream, and reaches who is away.
    """
    group_id, user_id = receiver
    chat = group_chat_id(GroupID(group_id)) if group_id else single_chat_id(sender_id, user_id)
    message = _message(cause, ContentType.BUSINESS, sender_id, tips)
    message.recvID = group_id or user_id
    message.groupID = group_id
    message.sessionType = SessionType.GROUP if group_id else SessionType.SINGLE
    effect = _effect(cause, message, notification_stream_id(chat), chat if is_cloned else "", is_stored=is_stored)
    if not group_id:
        receivers = list(dict.fromkeys((user_id, sender_id)))
        effect = msgspec.structs.replace(effect, receivers=receivers)
    return home_key(chat), effect


def without_clone(effect: Effect) -> Effect:
    """
    Return an effect whose notification has no line in the chat.
    """
    message = MsgData.FromString(effect.notification)
    message.options["isSendMsg"] = False
    return msgspec.structs.replace(effect, notification=message.SerializeToString(), clone_id="", clone=b"")


def _message(cause: Cause, content_type: int, sender_id: str, tips: Message) -> MsgData:
    return MsgData(
        sendID=sender_id,
        clientMsgID=uuid.uuid4().hex,
        serverMsgID=uuid.uuid4().hex,
        msgFrom=_FROM_SYSTEM,
        contentType=content_type,
        content=_compact({"detail": _compact(to_json_dict(tips)).decode()}),
        createTime=cause.now_ms,
        status=_SUCCEEDED,
    )


def _effect(cause: Cause, message: MsgData, stream: str, clone_id: str, *, is_stored: bool = False) -> Effect:
    text = _OFFLINE_PUSH.get(message.contentType)
    if text is not None:
        message.offlinePushInfo.title = message.offlinePushInfo.desc = text
    clone = b""
    if clone_id:
        message.options.update({"offlinePush": text is not None, "unreadCount": True})
        clone = message.SerializeToString()
        message.options.clear()
    message.options.update(_options(is_cloned=bool(clone_id), offline_push=text is not None and not clone_id))
    if is_stored:
        message.options.update({"history": True, "persistent": True})
    return Effect(
        sender_id=message.sendID,
        client_id=message.clientMsgID,
        content_type=message.contentType,
        operation_id=cause.operation_id,
        stream=stream,
        notification=message.SerializeToString(),
        clone_id=clone_id,
        clone=clone,
        stored=is_stored,
    )


def _options(*, is_cloned: bool, offline_push: bool) -> dict[str, bool]:
    """Return the options of a notification that is not stored (OpenIM wire, §5.2, Appendix D)."""
    return {
        "isNotNotification": False,
        "isSendMsg": is_cloned,
        "history": False,
        "persistent": False,
        "offlinePush": offline_push,
        "unreadCount": False,
        "conversationUpdate": False,
        "senderSync": True,
        "notPrivate": False,
        "senderConversationUpdate": False,
        "reactionFromCache": False,
    }


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
