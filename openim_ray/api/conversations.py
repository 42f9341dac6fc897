"""
Routes that read conversation rows (OpenIM wire, §6.7).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.domain.read_position import unread_count
from openim_ray.protocol.pb.conversation_pb2 import (
    ConversationElem,
    GetAllConversationsReq,
    GetAllConversationsResp,
    GetConversationReq,
    GetConversationResp,
    GetConversationsReq,
    GetConversationsResp,
    GetFullOwnerConversationIDsReq,
    GetFullOwnerConversationIDsResp,
    GetIncrementalConversationReq,
    GetIncrementalConversationResp,
    GetNotNotifyConversationIDsReq,
    GetNotNotifyConversationIDsResp,
    GetOwnerConversationReq,
    GetOwnerConversationResp,
    GetPinnedConversationIDsReq,
    GetPinnedConversationIDsResp,
    GetSortedConversationListReq,
    GetSortedConversationListResp,
    MsgInfo,
)
from openim_ray.protocol.pb.jssdk_pb2 import ConversationMsg
from openim_ray.services.authority import Authority
from openim_ray.services.wire_views import conversation


async def get_conversation(call: Call, request: GetConversationReq) -> GetConversationResp:
    """Return one row."""
    row = await call.services.conversations.one(request.ownerUserID, request.conversationID)
    return GetConversationResp(conversation=conversation(row))


async def get_conversations(call: Call, request: GetConversationsReq) -> GetConversationsResp:
    """Return those rows that exist."""
    rows = await call.services.conversations.some(request.ownerUserID, request.conversationIDs)
    return GetConversationsResp(conversations=[conversation(row) for row in rows])


async def get_all_conversations(call: Call, request: GetAllConversationsReq) -> GetAllConversationsResp:
    """Return all rows."""
    rows = await call.services.conversations.all(request.ownerUserID)
    return GetAllConversationsResp(conversations=[conversation(row) for row in rows])


async def get_owner_conversation(call: Call, request: GetOwnerConversationReq) -> GetOwnerConversationResp:
    """Return a page of rows."""
    page = request.pagination
    total, rows = await call.services.conversations.page(request.userID, page.pageNumber, page.showNumber)
    return GetOwnerConversationResp(total=total, conversations=[conversation(row) for row in rows])


async def get_incremental_conversations(
    call: Call, request: GetIncrementalConversationReq
) -> GetIncrementalConversationResp:
    """Return what changed in the rows since a version."""
    changes = await call.services.conversations.changes(request.userID, request.versionID, request.version)
    delta = changes.delta
    return GetIncrementalConversationResp(
        version=delta.version,
        versionID=delta.version_id,
        full=delta.full,
        delete=delta.deleted,
        insert=[conversation(row) for row in changes.inserted],
        update=[conversation(row) for row in changes.updated],
    )


async def get_full_conversation_ids(
    call: Call, request: GetFullOwnerConversationIDsReq
) -> GetFullOwnerConversationIDsResp:
    """Return the ids of all rows in order."""
    full = await call.services.conversations.full_ids(request.userID, request.idHash)
    return GetFullOwnerConversationIDsResp(
        version=full.version, versionID=full.version_id, equal=full.equal, conversationIDs=full.ids
    )


async def get_not_notify_conversation_ids(
    call: Call, request: GetNotNotifyConversationIDsReq
) -> GetNotNotifyConversationIDsResp:
    """Return the conversations that are received silently."""
    return GetNotNotifyConversationIDsResp(conversationIDs=await call.services.conversations.silent_ids(request.userID))


async def get_pinned_conversation_ids(call: Call, request: GetPinnedConversationIDsReq) -> GetPinnedConversationIDsResp:
    """Return the pinned conversations."""
    return GetPinnedConversationIDsResp(conversationIDs=await call.services.conversations.pinned_ids(request.userID))


async def get_sorted_conversation_list(
    call: Call, request: GetSortedConversationListReq
) -> GetSortedConversationListResp:
    """Return a page of conversations with their newest messages, pinned ones first, then the newest."""
    page = request.pagination
    total, overview = await call.services.overviews.sorted_page(
        request.userID, request.conversationIDs, page.pageNumber, page.showNumber
    )
    return GetSortedConversationListResp(
        conversationTotal=total,
        unreadTotal=overview.unread,
        conversationElems=[_element(one) for one in overview.conversations],
    )


def _element(one: ConversationMsg) -> ConversationElem:
    newest = one.lastMsg
    return ConversationElem(
        conversationID=one.conversation.conversationID,
        recvMsgOpt=one.conversation.recvMsgOpt,
        unreadCount=unread_count(one.maxSeq, one.readSeq),
        IsPinned=one.conversation.isPinned,
        msgInfo=MsgInfo(
            serverMsgID=newest.serverMsgID,
            clientMsgID=newest.clientMsgID,
            sessionType=newest.sessionType,
            sendID=newest.sendID,
            recvID=newest.recvID,
            senderName=newest.senderNickname,
            faceURL=newest.senderFaceURL,
            groupID=newest.groupID,
            groupName=one.group.groupName,
            groupFaceURL=one.group.faceURL,
            groupType=one.group.groupType,
            groupMemberCount=one.group.memberCount,
            LatestMsgRecvTime=newest.sendTime,
            msgFrom=newest.msgFrom,
            contentType=newest.contentType,
            content=newest.content.decode(errors="replace"),
            ex=newest.ex,
        ),
    )


ROUTES = (
    Route("/conversation/get_conversation", GetConversationReq, get_conversation, Authority.OWNER, "ownerUserID"),
    Route("/conversation/get_conversations", GetConversationsReq, get_conversations, Authority.OWNER, "ownerUserID"),
    Route(
        "/conversation/get_all_conversations",
        GetAllConversationsReq,
        get_all_conversations,
        Authority.OWNER,
        "ownerUserID",
    ),
    Route(
        "/conversation/get_owner_conversation",
        GetOwnerConversationReq,
        get_owner_conversation,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/conversation/get_incremental_conversations",
        GetIncrementalConversationReq,
        get_incremental_conversations,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/conversation/get_full_conversation_ids",
        GetFullOwnerConversationIDsReq,
        get_full_conversation_ids,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/conversation/get_not_notify_conversation_ids",
        GetNotNotifyConversationIDsReq,
        get_not_notify_conversation_ids,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/conversation/get_sorted_conversation_list",
        GetSortedConversationListReq,
        get_sorted_conversation_list,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/conversation/get_pinned_conversation_ids",
        GetPinnedConversationIDsReq,
        get_pinned_conversation_ids,
        Authority.OWNER,
        "userID",
    ),
)
