"""
Messages that administrators send over HTTP in the name of an account: `/msg/send_msg` and `/msg/batch_send_msg` (OpenIM wire, §6.8).

They take the way of a client's message: the owner of the conversation admits them, by what the sender is, and answers when they are durable. What a
notification account sends (1400) stands in a conversation of its own, which only the receiver has (§5.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from openim_ray.domain import errors
from openim_ray.domain.conversation import SessionType
from openim_ray.domain.ids import CLIENT_MESSAGE_ID_BYTES_MAX
from openim_ray.domain.people import User, UserStatus
from openim_ray.ports import Broker, Page, UserStore
from openim_ray.protocol.contents import CONTENT_TYPES, mentioned, notification_content
from openim_ray.protocol.identifiers import ContentType, MessageOption, MessageSource, MessageStatus, Platform
from openim_ray.protocol.messages import SAFE_INTEGER_MAX
from openim_ray.protocol.pb.msg_pb2 import SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.protocol.pb.sending_pb2 import (
    BatchSendMessageReq,
    BatchSendMessageResp,
    SendMessageReq,
    SentMessage,
)
from openim_ray.services.paging import check_user_id, check_user_ids
from openim_ray.services.sending import check_receiver, fresh_message_id, outgoing_of, take_one_receiver

if TYPE_CHECKING:
    from openim_ray.domain.message import Outgoing

NOTIFICATION_LEVEL: Final = 3
"""`app_manager_level` of notification accounts (OpenIM wire, §4.2)."""

MESSAGE_BYTES_MAX: Final = 512 << 10
"""A message as it is stored; a larger one is refused. As base64 it still fits into a frame that every client reads (OpenIM wire, §2.7)."""

RECEIVERS_MAX: Final = 1_000
"""Receivers of one call; more is refused. They must be done in the time that a call has."""

AT_ONCE: Final = 100
"""So many messages of one call are under way at once."""

_ONLINE_ONLY: Final = (
    MessageOption.HISTORY,
    MessageOption.PERSISTENT,
    MessageOption.SENDER_SYNC,
    MessageOption.CONVERSATION_UPDATE,
)


class SystemMessages:
    """
    Sends for administrators.

    Args:
        broker: the owners of conversations.
        users: where senders are looked up.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(self, broker: Broker, users: UserStore, now_ms: Callable[[], int]) -> None:
        self._broker = broker
        self._users = users
        self._now_ms = now_ms

    async def send(self, request: SendMessageReq, operation_id: str) -> SendMsgResp:
        """
        Send one message and return its ids and time; durable then, unless it is for who is online only.

        Raises:
            ArgsError: names the field.
            UserIDNotFound: there is no sender.
            NoPermission: 1400 of somebody who is no notification account.
            OpenIMError: what the conversation's owner refuses it with, as that of a client.
        """
        return await self._sent(_outgoing(request, await self._sender(request), self._now_ms()), operation_id)

    async def send_to_many(self, request: BatchSendMessageReq, operation_id: str) -> BatchSendMessageResp:
        """
        Send a message to each of many users; who could not be sent it is named, whatever the reason.

        Raises what concerns all of them, before anything is sent: as `send`, and ArgsError for too many receivers or none.
        """
        if request.sessionType != SessionType.SINGLE and request.contentType != ContentType.OA_NOTIFICATION:
            raise errors.ArgsError("sessionType is not 1: recvIDs are users")
        shared = _shared(request)
        sender = await self._sender(shared)
        receivers = await self._receivers(request)
        now_ms = self._now_ms()
        _outgoing(_to(shared, receivers[0]), sender, now_ms)  # what is wrong with it, is wrong for all
        room = asyncio.Semaphore(AT_ONCE)

        async def sent(receiver_id: str) -> SendMsgResp | None:
            async with room:
                try:
                    return await self._sent(_outgoing(_to(shared, receiver_id), sender, now_ms), operation_id)
                except errors.OpenIMError:
                    return None

        outcomes = await asyncio.gather(*map(sent, receivers))
        return _batch_answer(dict(zip(receivers, outcomes, strict=True)))

    async def _sent(self, message: Outgoing, operation_id: str) -> SendMsgResp:
        place = await self._broker.send(message, operation_id)
        return SendMsgResp(serverMsgID=place.server_id, clientMsgID=message.client_id, sendTime=place.send_time)

    async def _sender(self, request: SendMessageReq) -> User:
        """Return who is to have sent it."""
        check_user_id("sendID", request.sendID)
        sender = (await self._users.users([request.sendID])).get(request.sendID)
        if sender is None or sender.status == UserStatus.ERASED:
            raise errors.UserIDNotFound("sendID: no such account")
        if request.contentType == ContentType.OA_NOTIFICATION and sender.app_manager_level != NOTIFICATION_LEVEL:
            raise errors.NoPermission("sendID is no notification account, which contentType 1400 needs")
        return sender

    async def _receivers(self, request: BatchSendMessageReq) -> Sequence[str]:
        if not request.isSendAll:
            return check_user_ids("recvIDs", request.recvIDs, RECEIVERS_MAX)
        total, users = await self._users.page_users(Page(1, RECEIVERS_MAX), "", "")
        if total > RECEIVERS_MAX:
            raise errors.ArgsError(f"isSendAll: there are more than {RECEIVERS_MAX} accounts; name them in recvIDs")
        receivers = [one.user_id for one in users if one.user_id != request.sendID]
        if not receivers:
            raise errors.ArgsError("isSendAll: there is no other account")
        return receivers


def _shared(request: BatchSendMessageReq) -> SendMessageReq:
    """Return what the messages of a batch have in common."""
    shared = SendMessageReq()
    names = SendMessageReq.DESCRIPTOR.fields_by_name
    for field, value in request.ListFields():
        if field.message_type is not None:
            getattr(shared, field.name).CopyFrom(value)
        elif field.name in names:
            setattr(shared, field.name, value)
    return shared


def _to(shared: SendMessageReq, receiver_id: str) -> SendMessageReq:
    request = SendMessageReq(recvID=receiver_id)
    request.MergeFrom(shared)
    return request


def _outgoing(request: SendMessageReq, sender: User, now_ms: int) -> Outgoing:
    outgoing = outgoing_of(_message(request, sender, now_ms))
    if len(outgoing.body) > MESSAGE_BYTES_MAX:
        raise errors.ArgsError(f"content, ex and the other texts are longer than {MESSAGE_BYTES_MAX} bytes together")
    return outgoing


def _message(request: SendMessageReq, sender: User, now_ms: int) -> MsgData:
    """Return a message that is complete but for seq and sendTime, or ArgsError that names the field."""
    _check_fields(request)
    named = _named_in(request)
    message = MsgData(
        sendID=request.sendID,
        recvID=request.recvID,
        groupID=request.groupID,
        clientMsgID=request.clientMsgID or fresh_message_id(),
        serverMsgID=fresh_message_id(),
        senderPlatformID=request.senderPlatformID,
        senderNickname=request.senderNickname or sender.nickname,
        senderFaceURL=request.senderFaceURL or sender.face_url,
        sessionType=request.sessionType,
        msgFrom=MessageSource.SYSTEM,
        contentType=request.contentType,
        content=request.content,
        createTime=request.sendTime or now_ms,
        status=MessageStatus.SUCCESS,
        atUserIDList=named,
        ex=request.ex,
    )
    _take_over(message)
    if request.HasField("offlinePushInfo"):
        message.offlinePushInfo.CopyFrom(request.offlinePushInfo)
    for option in _ONLINE_ONLY if request.isOnlineOnly else ():
        message.options[option] = False
    if request.notOfflinePush:
        message.options[MessageOption.OFFLINE_PUSH] = False
    return message


def _take_over(message: MsgData) -> None:
    """Let the kind of the session follow from the content, and the receiver from that."""
    if message.contentType != ContentType.OA_NOTIFICATION:
        check_receiver(message)
        take_one_receiver(message)
        return
    check_user_id("recvID", message.recvID)
    if message.recvID == message.sendID:
        raise errors.ArgsError("recvID is the sender")
    message.groupID = ""
    message.sessionType = SessionType.NOTIFICATION
    message.content = notification_content(message.content)


def _named_in(request: SendMessageReq) -> list[str]:
    """Check the content, and return whom it mentions."""
    named = mentioned(request.contentType, request.content)
    for one in named:
        check_user_id("content.atUserList", one)
    return named


def _check_fields(request: SendMessageReq) -> None:
    if request.contentType not in CONTENT_TYPES:
        raise errors.ArgsError("contentType is none that can be sent by this route")
    if not request.content:
        raise errors.ArgsError("content is missing")
    if len(request.clientMsgID.encode()) > CLIENT_MESSAGE_ID_BYTES_MAX:
        raise errors.ArgsError(f"clientMsgID is longer than {CLIENT_MESSAGE_ID_BYTES_MAX} bytes")
    if not 0 <= request.sendTime <= SAFE_INTEGER_MAX:
        raise errors.ArgsError("sendTime is out of range")
    if request.senderPlatformID and request.senderPlatformID not in set(Platform):
        raise errors.ArgsError("senderPlatformID is no platform")


def _batch_answer(outcomes: Mapping[str, SendMsgResp | None]) -> BatchSendMessageResp:
    answer = BatchSendMessageResp()
    for receiver_id, sent in outcomes.items():
        if sent is None:
            answer.failedUserIDs.append(receiver_id)
        else:
            answer.results.append(
                SentMessage(
                    serverMsgID=sent.serverMsgID,
                    clientMsgID=sent.clientMsgID,
                    sendTime=sent.sendTime,
                    recvID=receiver_id,
                )
            )
    return answer
