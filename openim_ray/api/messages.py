"""
Routes of messages and read positions (OpenIM wire, §6.8, §7.7, §11.2).
"""

from __future__ import annotations

from typing import Any

from openim_ray.api.groups import operator_of
from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.msg_pb2 import (
    ClearConversationsMsgReq,
    DeleteSyncOpt,
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    GetServerTimeReq,
    GetServerTimeResp,
    MarkConversationAsReadReq,
    MarkMsgsAsReadReq,
    SendMsgResp,
    SetConversationHasReadSeqReq,
    UserClearAllMsgReq,
)
from openim_ray.protocol.pb.sdkws_pb2 import (
    GetMaxSeqReq,
    GetMaxSeqResp,
    PullMessageBySeqsReq,
    PullMessageBySeqsResp,
)
from openim_ray.protocol.pb.sending_pb2 import (
    BatchSendMessageReq,
    BatchSendMessageResp,
    SendBusinessNotificationReq,
    SendBusinessNotificationResp,
    SendMessageReq,
)
from openim_ray.services.authority import Authority
from openim_ray.services.clearing import Reach
from openim_ray.services.groups.authority import Action


async def newest_seq(call: Call, request: GetMaxSeqReq) -> GetMaxSeqResp:
    """Return the max seqs of all conversations, as 1001 does."""
    answer = await call.services.messages.newest_seqs(request.userID, request.SerializeToString())
    return GetMaxSeqResp.FromString(answer)


async def pull_msg_by_seq(call: Call, request: PullMessageBySeqsReq) -> PullMessageBySeqsResp:
    """Return ranges of messages, as 1002 does; never cut, since no frame limits an HTTP answer."""
    data = request.SerializeToString()
    answer = await call.services.messages.pull_by_ranges(request.userID, data, uncut=True)
    return PullMessageBySeqsResp.FromString(answer)


async def get_conversations_has_read_and_max_seq(
    call: Call, request: GetConversationsHasReadAndMaxSeqReq
) -> GetConversationsHasReadAndMaxSeqResp:
    """Return max seqs and read positions, as 1006 does."""
    answer = await call.services.messages.has_read_and_max_seqs(request.userID, request.SerializeToString())
    return GetConversationsHasReadAndMaxSeqResp.FromString(answer)


async def mark_conversation_as_read(call: Call, request: MarkConversationAsReadReq) -> None:
    """Mark a conversation as read up to a seq."""
    await call.services.read_marks.mark_conversation(
        request.userID, request.conversationID, request.hasReadSeq, request.seqs, call.operation_id
    )


async def mark_msgs_as_read(call: Call, request: MarkMsgsAsReadReq) -> None:
    """Mark some messages as read."""
    await call.services.read_marks.mark_messages(
        request.userID, request.conversationID, request.seqs, call.operation_id
    )


async def set_conversation_has_read_seq(call: Call, request: SetConversationHasReadSeqReq) -> None:
    """Set the read position exactly."""
    await call.services.read_marks.set_position(
        request.userID,
        request.conversationID,
        request.hasReadSeq,
        call.operation_id,
        notify=not request.noNotification,
    )


async def clear_conversation_msg(call: Call, request: ClearConversationsMsgReq) -> None:
    """Let a user see nothing any more of what some conversations held."""
    await call.services.clearing.clear(
        operator_of(call), request.userID, request.conversationIDs, _reach(request.deleteSyncOpt)
    )


async def user_clear_all_msg(call: Call, request: UserClearAllMsgReq) -> None:
    """Let a user see nothing any more of what all her conversations held."""
    await call.services.clearing.clear_all(operator_of(call), request.userID, _reach(request.deleteSyncOpt))


def _reach(option: DeleteSyncOpt) -> Reach:
    return Reach(tells_self=option.IsSyncSelf, clears_others=option.IsSyncOther)


async def get_server_time(call: Call, _request: GetServerTimeReq) -> GetServerTimeResp:
    """Return the server's clock in milliseconds."""
    return GetServerTimeResp(serverTime=call.services.now_ms())


async def send_msg(call: Call, request: SendMessageReq) -> SendMsgResp:
    """Send a message in the name of an account."""
    return await call.services.system_messages.send(request, call.operation_id)


async def batch_send_msg(call: Call, request: BatchSendMessageReq) -> BatchSendMessageResp:
    """Send a message in the name of an account to each of many users."""
    return await call.services.system_messages.send_to_many(request, call.operation_id)


async def send_business_notification(call: Call, request: SendBusinessNotificationReq) -> SendBusinessNotificationResp:
    """Send a notification of an application's own."""
    return await call.services.business_notifications.send(call.cause, request)


_PULL_PATHS = (
    "/msg/pull_msg_by_seq",
    # What the PyPI package tries instead, one after the other.
    "/msg/pull_message_by_seqs",
    "/msg/pull_msg_by_seqs",
    "/msg/pull_msg_by_range",
)

ROUTES: tuple[Route[Any], ...] = (
    Route("/msg/newest_seq", GetMaxSeqReq, newest_seq, Authority.OWNER, "userID"),
    *(Route(path, PullMessageBySeqsReq, pull_msg_by_seq, Authority.OWNER, "userID") for path in _PULL_PATHS),
    Route(
        "/msg/get_conversations_has_read_and_max_seq",
        GetConversationsHasReadAndMaxSeqReq,
        get_conversations_has_read_and_max_seq,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/msg/mark_conversation_as_read",
        MarkConversationAsReadReq,
        mark_conversation_as_read,
        Authority.OWNER,
        "userID",
    ),
    Route("/msg/mark_msgs_as_read", MarkMsgsAsReadReq, mark_msgs_as_read, Authority.OWNER, "userID"),
    Route(
        "/msg/set_conversation_has_read_seq",
        SetConversationHasReadSeqReq,
        set_conversation_has_read_seq,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/msg/clear_conversation_msg",
        ClearConversationsMsgReq,
        clear_conversation_msg,
        Authority.OWNER,
        "userID",
        actions=(Action.CLEAR,),
    ),
    Route("/msg/user_clear_all_msg", UserClearAllMsgReq, user_clear_all_msg, Authority.OWNER, "userID"),
    Route("/msg/send_msg", SendMessageReq, send_msg, Authority.ADMIN),
    Route("/msg/batch_send_msg", BatchSendMessageReq, batch_send_msg, Authority.ADMIN),
    Route("/msg/send_business_notification", SendBusinessNotificationReq, send_business_notification, Authority.ADMIN),
    Route("/msg/get_server_time", GetServerTimeReq, get_server_time, Authority.ANYBODY),
)
