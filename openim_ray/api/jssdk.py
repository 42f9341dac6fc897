"""
Routes of the pure-JavaScript client (OpenIM wire, §10.2).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.jssdk_pb2 import (
    GetActiveConversationsReq,
    GetActiveConversationsResp,
    GetConversationsReq,
    GetConversationsResp,
)
from openim_ray.services.authority import Authority

_NO_UNREAD = b"\x08\x00"
"""An answer with nothing in it, written out: the client fails on zero bytes here (OpenIM wire, §10.3)."""


async def get_active_conversations(call: Call, request: GetActiveConversationsReq) -> GetActiveConversationsResp:
    """Return the conversations that come first in a list."""
    overview = await call.services.overviews.active(request.ownerUserID, request.count)
    return GetActiveConversationsResp(unreadCount=overview.unread, conversations=overview.conversations)


async def get_conversations(call: Call, request: GetConversationsReq) -> GetConversationsResp:
    """Return the conversations that are named."""
    overview = await call.services.overviews.some(request.ownerUserID, request.conversationIDs)
    return GetConversationsResp(unreadCount=overview.unread, conversations=overview.conversations)


ROUTES = (
    Route(
        "/jssdk/get_active_conversations",
        GetActiveConversationsReq,
        get_active_conversations,
        Authority.OWNER,
        "ownerUserID",
        takes_protobuf=True,
    ),
    Route(
        "/jssdk/get_conversations",
        GetConversationsReq,
        get_conversations,
        Authority.OWNER,
        "ownerUserID",
        takes_protobuf=True,
        if_empty=_NO_UNREAD,
    ),
)
