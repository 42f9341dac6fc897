"""
Routes that change friends and black lists (OpenIM wire, §6.4).
"""

from __future__ import annotations

import asyncio
from typing import Final

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.relation_pb2 import (
    addBlackReq,
    applyToAddFriendReq,
    deleteFriendReq,
    importFriendReq,
    removeBlackReq,
    respondFriendApplyReq,
    setFriendRemarkReq,
    updateFriendsReq,
)
from openim_ray.services.authority import Authority
from openim_ray.services.friendships import Application, FriendChanges, Verdict

PUSH_AHEAD_SECONDS: Final = 0.2
"""
How long the answer about a new entry waits after its notification has gone out. At either of them the wasm SDK (3.8.5) reads its black
list anew and inserts what is missing; when both come at once the second insert fails, and with it the call (one in five, measured). The
official server keeps the two 60 to 80 ms apart, the other way around.
"""


async def add_friend(call: Call, request: applyToAddFriendReq) -> None:
    """Apply for a friendship."""
    application = Application(request.fromUserID, request.toUserID, request.reqMsg, request.ex)
    await call.services.friendships.apply(call.cause, application)


async def add_friend_response(call: Call, request: respondFriendApplyReq) -> None:
    """Accept or refuse an application."""
    verdict = Verdict(request.fromUserID, request.toUserID, request.handleResult, request.handleMsg)
    await call.services.friendships.respond(call.cause, verdict)


async def delete_friend(call: Call, request: deleteFriendReq) -> None:
    """Take a friend off the user's list."""
    await call.services.friendships.delete(call.cause, request.ownerUserID, request.friendUserID)


async def update_friends(call: Call, request: updateFriendsReq) -> None:
    """Set those of pin, remark and ex that are not null."""
    changes = FriendChanges(
        is_pinned=request.isPinned.value if request.HasField("isPinned") else None,
        remark=request.remark.value if request.HasField("remark") else None,
        ex=request.ex.value if request.HasField("ex") else None,
    )
    await call.services.friendships.update(call.cause, request.ownerUserID, request.friendUserIDs, changes)


async def set_friend_remark(call: Call, request: setFriendRemarkReq) -> None:
    """Set the name that a user gives a friend; the older form of `update_friends`."""
    owner_id, friend_id = request.ownerUserID, request.friendUserID
    await call.services.friendships.set_remark(call.cause, owner_id, friend_id, request.remark)


async def import_friend(call: Call, request: importFriendReq) -> None:
    """Make users friends without asking them."""
    await call.services.friendships.import_friends(call.cause, request.ownerUserID, request.friendUserIDs)


async def add_black(call: Call, request: addBlackReq) -> None:
    """Put a user on the black list; answered a moment after the owner's own devices have heard of it."""
    await call.services.black_lists.block(call.cause, request.ownerUserID, request.blackUserID, request.ex)
    if call.cause.user_id == request.ownerUserID:
        await asyncio.sleep(PUSH_AHEAD_SECONDS)


async def remove_black(call: Call, request: removeBlackReq) -> None:
    """Take a user off the black list."""
    await call.services.black_lists.unblock(call.cause, request.ownerUserID, request.blackUserID)


ROUTES = (
    Route("/friend/add_friend", applyToAddFriendReq, add_friend, Authority.OWNER, "fromUserID"),
    Route("/friend/add_friend_response", respondFriendApplyReq, add_friend_response, Authority.OWNER, "toUserID"),
    Route("/friend/delete_friend", deleteFriendReq, delete_friend, Authority.OWNER, "ownerUserID"),
    Route("/friend/update_friends", updateFriendsReq, update_friends, Authority.OWNER, "ownerUserID"),
    Route("/friend/set_friend_remark", setFriendRemarkReq, set_friend_remark, Authority.OWNER, "ownerUserID"),
    Route("/friend/import_friend", importFriendReq, import_friend, Authority.ADMIN),
    Route("/friend/add_black", addBlackReq, add_black, Authority.OWNER, "ownerUserID"),
    Route("/friend/remove_black", removeBlackReq, remove_black, Authority.OWNER, "ownerUserID"),
)
