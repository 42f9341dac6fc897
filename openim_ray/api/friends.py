"""
Routes of friends and black lists, as far as a login and a first message read them (OpenIM wire, §6.4, §8.6).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.relation_pb2 import (
    getDesignatedFriendsReq,
    getDesignatedFriendsResp,
    getFriendIDsReq,
    getFriendIDsResp,
    getFullFriendUserIDsReq,
    getFullFriendUserIDsResp,
    getIncrementalFriendsReq,
    getIncrementalFriendsResp,
    getPaginationBlacksReq,
    getPaginationBlacksResp,
    getPaginationFriendsReq,
    getPaginationFriendsResp,
)
from openim_ray.services.authority import Authority
from openim_ray.services.wire_views import black_info, friend_info


async def get_friend_list(call: Call, request: getPaginationFriendsReq) -> getPaginationFriendsResp:
    """Return a page of friends."""
    page = request.pagination
    total, friends = await call.services.relations.friends(request.userID, page.pageNumber, page.showNumber)
    return getPaginationFriendsResp(friendsInfo=[friend_info(friend) for friend in friends], total=total)


async def get_designated_friends(call: Call, request: getDesignatedFriendsReq) -> getDesignatedFriendsResp:
    """Return those that are friends."""
    friends = await call.services.relations.designated_friends(request.ownerUserID, request.friendUserIDs)
    return getDesignatedFriendsResp(friendsInfo=[friend_info(friend) for friend in friends])


async def get_friend_id(call: Call, request: getFriendIDsReq) -> getFriendIDsResp:
    """Return the ids of all friends."""
    return getFriendIDsResp(friendIDs=await call.services.relations.friend_ids(request.userID))


async def get_incremental_friends(call: Call, request: getIncrementalFriendsReq) -> getIncrementalFriendsResp:
    """Return what changed in the friend list since a version."""
    changes = await call.services.relations.friend_changes(request.userID, request.versionID, request.version)
    delta = changes.delta
    return getIncrementalFriendsResp(
        version=delta.version,
        versionID=delta.version_id,
        full=delta.full,
        delete=delta.deleted,
        insert=[friend_info(friend) for friend in changes.inserted],
        update=[friend_info(friend) for friend in changes.updated],
        sortVersion=delta.sort_version,
    )


async def get_full_friend_user_ids(call: Call, request: getFullFriendUserIDsReq) -> getFullFriendUserIDsResp:
    """Return the friend list's ids in order."""
    full = await call.services.relations.full_friend_ids(request.userID, request.idHash)
    return getFullFriendUserIDsResp(version=full.version, versionID=full.version_id, equal=full.equal, userIDs=full.ids)


async def get_black_list(call: Call, request: getPaginationBlacksReq) -> getPaginationBlacksResp:
    """Return a page of the black list."""
    page = request.pagination
    total, entries = await call.services.relations.blocked(request.userID, page.pageNumber, page.showNumber)
    return getPaginationBlacksResp(blacks=[black_info(entry) for entry in entries], total=total)


ROUTES = (
    Route(
        "/friend/get_friend_list",
        getPaginationFriendsReq,
        get_friend_list,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/friend/get_designated_friends",
        getDesignatedFriendsReq,
        get_designated_friends,
        Authority.OWNER,
        "ownerUserID",
    ),
    Route("/friend/get_friend_id", getFriendIDsReq, get_friend_id, Authority.OWNER, "userID"),
    Route(
        "/friend/get_incremental_friends",
        getIncrementalFriendsReq,
        get_incremental_friends,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/friend/get_full_friend_user_ids",
        getFullFriendUserIDsReq,
        get_full_friend_user_ids,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/friend/get_black_list",
        getPaginationBlacksReq,
        get_black_list,
        Authority.OWNER,
        "userID",
    ),
)
