"""
Routes that read friends and black lists (OpenIM wire, §6.4). Those that change them: `api.friend_changes`.
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.relation_pb2 import (
    GetSpecifiedBlacksReq,
    GetSpecifiedBlacksResp,
    getDesignatedFriendsApplyReq,
    getDesignatedFriendsApplyResp,
    getDesignatedFriendsReq,
    getDesignatedFriendsResp,
    getFriendIDsReq,
    getFriendIDsResp,
    getFullFriendUserIDsReq,
    getFullFriendUserIDsResp,
    getIncrementalBlacksReq,
    getIncrementalBlacksResp,
    getIncrementalFriendsReq,
    getIncrementalFriendsResp,
    getPaginationBlacksReq,
    getPaginationBlacksResp,
    getPaginationFriendsApplyFromReq,
    getPaginationFriendsApplyFromResp,
    getPaginationFriendsApplyToReq,
    getPaginationFriendsApplyToResp,
    getPaginationFriendsReq,
    getPaginationFriendsResp,
    getSelfUnhandledApplyCountReq,
    getSelfUnhandledApplyCountResp,
    getSpecifiedFriendsInfoInfo,
    getSpecifiedFriendsInfoReq,
    getSpecifiedFriendsInfoResp,
    isFriendReq,
    isFriendResp,
)
from openim_ray.services.authority import Authority
from openim_ray.services.relations import Relation
from openim_ray.services.wire_views import (
    bare_black_info,
    bare_friend_info,
    black_info,
    exact_black_info,
    friend_info,
    friend_request,
    user_info,
)


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


async def get_specified_blacks(call: Call, request: GetSpecifiedBlacksReq) -> GetSpecifiedBlacksResp:
    """Return those that are on the black list."""
    entries = await call.services.relations.designated_blocked(request.ownerUserID, request.userIDList)
    return GetSpecifiedBlacksResp(blacks=[exact_black_info(entry) for entry in entries], total=len(entries))


async def get_incremental_blacks(_call: Call, _request: getIncrementalBlacksReq) -> getIncrementalBlacksResp:
    """Tell to fetch the whole list: black lists have no versions, and no official client asks."""
    return getIncrementalBlacksResp(full=True)


async def get_specified_friends_info(call: Call, request: getSpecifiedFriendsInfoReq) -> getSpecifiedFriendsInfoResp:
    """Return accounts, and what each is to the user."""
    relations = await call.services.relations.relations(request.ownerUserID, request.userIDList)
    return getSpecifiedFriendsInfoResp(infos=[_relation(one) for one in relations])


def _relation(relation: Relation) -> getSpecifiedFriendsInfoInfo:
    return getSpecifiedFriendsInfoInfo(
        userInfo=user_info(relation.user),
        friendInfo=bare_friend_info(relation.friend) if relation.friend else None,
        blackInfo=bare_black_info(relation.blocked) if relation.blocked else None,
    )


async def is_friend(call: Call, request: isFriendReq) -> isFriendResp:
    """Tell in whose list the other stands."""
    in_first, in_second = await call.services.relations.are_friends(request.userID1, request.userID2)
    return isFriendResp(inUser1Friends=in_first, inUser2Friends=in_second)


async def get_friend_apply_list(call: Call, request: getPaginationFriendsApplyToReq) -> getPaginationFriendsApplyToResp:
    """Return a page of applications that a user received."""
    page = request.pagination
    total, found = await call.services.friend_requests.received(
        request.userID, request.handleResults, page.pageNumber, page.showNumber
    )
    return getPaginationFriendsApplyToResp(FriendRequests=[friend_request(one) for one in found], total=total)


async def get_self_friend_apply_list(
    call: Call, request: getPaginationFriendsApplyFromReq
) -> getPaginationFriendsApplyFromResp:
    """Return a page of applications that a user sent."""
    page = request.pagination
    total, found = await call.services.friend_requests.sent(
        request.userID, request.handleResults, page.pageNumber, page.showNumber
    )
    return getPaginationFriendsApplyFromResp(friendRequests=[friend_request(one) for one in found], total=total)


async def get_designated_friend_apply(
    call: Call, request: getDesignatedFriendsApplyReq
) -> getDesignatedFriendsApplyResp:
    """Return the applications of two users to each other; the pure-JavaScript client names them in either order."""
    found = await call.services.friend_requests.between(request.fromUserID, request.toUserID)
    return getDesignatedFriendsApplyResp(friendRequests=[friend_request(one) for one in found])


async def get_self_unhandled_apply_count(
    call: Call, request: getSelfUnhandledApplyCountReq
) -> getSelfUnhandledApplyCountResp:
    """Count the applications that wait for an answer."""
    return getSelfUnhandledApplyCountResp(
        count=await call.services.friend_requests.unhandled(request.userID, request.time)
    )


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
    Route(
        "/friend/get_specified_blacks",
        GetSpecifiedBlacksReq,
        get_specified_blacks,
        Authority.OWNER,
        "ownerUserID",
    ),
    Route(
        "/friend/get_incremental_blacks",
        getIncrementalBlacksReq,
        get_incremental_blacks,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/friend/get_specified_friends_info",
        getSpecifiedFriendsInfoReq,
        get_specified_friends_info,
        Authority.OWNER,
        "ownerUserID",
    ),
    Route("/friend/is_friend", isFriendReq, is_friend, Authority.OWNER, "userID1", or_owner="userID2"),
    Route(
        "/friend/get_friend_apply_list",
        getPaginationFriendsApplyToReq,
        get_friend_apply_list,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/friend/get_self_friend_apply_list",
        getPaginationFriendsApplyFromReq,
        get_self_friend_apply_list,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/friend/get_designated_friend_apply",
        getDesignatedFriendsApplyReq,
        get_designated_friend_apply,
        Authority.OWNER,
        "fromUserID",
        or_owner="toUserID",
    ),
    Route(
        "/friend/get_self_unhandled_apply_count",
        getSelfUnhandledApplyCountReq,
        get_self_unhandled_apply_count,
        Authority.OWNER,
        "userID",
    ),
)
