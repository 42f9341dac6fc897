"""
Routes that read groups (OpenIM wire, §6.5, §6.6).
"""

from __future__ import annotations

from openim_ray.api.groups import operator_of
from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb import sdkws_pb2
from openim_ray.protocol.pb.group_pb2 import (
    BatchGetIncrementalGroupMemberReq,
    BatchGetIncrementalGroupMemberResp,
    CMSGroup,
    GetFullGroupMemberUserIDsReq,
    GetFullGroupMemberUserIDsResp,
    GetFullJoinGroupIDsReq,
    GetFullJoinGroupIDsResp,
    GetGroupAbstractInfoReq,
    GetGroupAbstractInfoResp,
    GetGroupApplicationListReq,
    GetGroupApplicationListResp,
    GetGroupApplicationUnhandledCountReq,
    GetGroupApplicationUnhandledCountResp,
    GetGroupMemberListReq,
    GetGroupMemberListResp,
    GetGroupMembersInfoReq,
    GetGroupMembersInfoResp,
    GetGroupMemberUserIDsReq,
    GetGroupMemberUserIDsResp,
    GetGroupsInfoReq,
    GetGroupsInfoResp,
    GetGroupsReq,
    GetGroupsResp,
    GetJoinedGroupListReq,
    GetJoinedGroupListResp,
    GetSpecifiedUserGroupRequestInfoReq,
    GetSpecifiedUserGroupRequestInfoResp,
    GetUserReqApplicationListReq,
    GetUserReqApplicationListResp,
    GroupAbstractInfo,
    getGroupUsersReqApplicationListReq,
    getGroupUsersReqApplicationListResp,
    getIncrementalGroupMemberReq,
    getIncrementalGroupMemberResp,
    getIncrementalJoinGroupReq,
    getIncrementalJoinGroupResp,
)
from openim_ray.services.authority import Authority
from openim_ray.services.groups.authority import Action
from openim_ray.services.groups.lists import Known, MemberChanges
from openim_ray.services.groups.queries import GroupRequests, OwnedGroup
from openim_ray.services.wire_views import group_info, group_member_info, group_request

# --- groups


async def get_groups_info(call: Call, request: GetGroupsInfoReq) -> GetGroupsInfoResp:
    """Return groups; ids that no group has are left out."""
    groups = await call.services.groups.queries.groups(request.groupIDs)
    return GetGroupsInfoResp(groupInfos=[group_info(group) for group in groups])


async def get_group_abstract_info(call: Call, request: GetGroupAbstractInfoReq) -> GetGroupAbstractInfoResp:
    """Return number and hash of groups' members."""
    abstracts = await call.services.groups.queries.abstracts(operator_of(call), request.groupIDs)
    infos = [
        GroupAbstractInfo(groupID=one.group_id, groupMemberNumber=one.member_count, groupMemberListHash=one.ids_hash)
        for one in abstracts
    ]
    return GetGroupAbstractInfoResp(groupAbstractInfos=infos)


async def get_groups(call: Call, request: GetGroupsReq) -> GetGroupsResp:
    """Return a page of all groups."""
    page = request.pagination
    total, groups = await call.services.groups.queries.search(
        request.groupID, request.groupName, page.pageNumber, page.showNumber
    )
    return GetGroupsResp(total=total, groups=[_cms_group(one) for one in groups])


def _cms_group(one: OwnedGroup) -> CMSGroup:
    return CMSGroup(
        groupInfo=group_info(one.group),
        groupOwnerUserName=one.owner.nickname if one.owner else "",
        groupOwnerUserID=one.group.owner_user_id,
    )


async def get_joined_group_list(call: Call, request: GetJoinedGroupListReq) -> GetJoinedGroupListResp:
    """Return a page of the groups the user is in."""
    page = request.pagination
    total, groups = await call.services.groups.queries.joined(request.fromUserID, page.pageNumber, page.showNumber)
    return GetJoinedGroupListResp(total=total, groups=[group_info(group) for group in groups])


# --- members


async def get_group_members_info(call: Call, request: GetGroupMembersInfoReq) -> GetGroupMembersInfoResp:
    """Return members by their ids."""
    members = await call.services.groups.queries.members(operator_of(call), request.groupID, request.userIDs)
    return GetGroupMembersInfoResp(members=[group_member_info(member) for member in members])


async def get_group_member_list(call: Call, request: GetGroupMemberListReq) -> GetGroupMemberListResp:
    """Return a page of members."""
    page = request.pagination
    total, members = await call.services.groups.queries.page_members(
        operator_of(call), request.groupID, request.filter, request.keyword, page.pageNumber, page.showNumber
    )
    return GetGroupMemberListResp(total=total, members=[group_member_info(member) for member in members])


async def get_group_member_user_id(call: Call, request: GetGroupMemberUserIDsReq) -> GetGroupMemberUserIDsResp:
    """Return the ids of all members."""
    ids = await call.services.groups.queries.member_ids(operator_of(call), request.groupID)
    return GetGroupMemberUserIDsResp(userIDs=ids)


# --- applications


async def get_recv_group_application_list(
    call: Call, request: GetGroupApplicationListReq
) -> GetGroupApplicationListResp:
    """Return a page of applications to the user's groups."""
    page = request.pagination
    found = await call.services.groups.queries.received_requests(
        request.fromUserID, request.groupIDs, request.handleResults, page.pageNumber, page.showNumber
    )
    return GetGroupApplicationListResp(total=found.total, groupRequests=_requests(found))


async def get_user_req_group_application_list(
    call: Call, request: GetUserReqApplicationListReq
) -> GetUserReqApplicationListResp:
    """Return a page of the user's applications."""
    page = request.pagination
    found = await call.services.groups.queries.sent_requests(
        request.userID, request.groupIDs, request.handleResults, page.pageNumber, page.showNumber
    )
    return GetUserReqApplicationListResp(total=found.total, groupRequests=_requests(found))


async def get_group_users_req_application_list(
    call: Call, request: getGroupUsersReqApplicationListReq
) -> getGroupUsersReqApplicationListResp:
    """Return the applications of some users to a group."""
    found = await call.services.groups.queries.requests_of(operator_of(call), request.groupID, request.userIDs)
    return getGroupUsersReqApplicationListResp(total=found.total, groupRequests=_requests(found))


async def get_specified_user_group_request_info(
    call: Call, request: GetSpecifiedUserGroupRequestInfoReq
) -> GetSpecifiedUserGroupRequestInfoResp:
    """Return the application of a user to a group."""
    found = await call.services.groups.queries.requests_of(operator_of(call), request.groupID, [request.userID])
    return GetSpecifiedUserGroupRequestInfoResp(total=found.total, groupRequests=_requests(found))


async def get_group_application_unhandled_count(
    call: Call, request: GetGroupApplicationUnhandledCountReq
) -> GetGroupApplicationUnhandledCountResp:
    """Return how many applications wait for the user."""
    count = await call.services.groups.queries.unhandled_count(request.userID, request.time)
    return GetGroupApplicationUnhandledCountResp(count=count)


def _requests(found: GroupRequests) -> list[sdkws_pb2.GroupRequest]:
    return [group_request(one, found.groups.get(one.group_id)) for one in found.requests]


# --- lists with versions


async def get_incremental_join_groups(call: Call, request: getIncrementalJoinGroupReq) -> getIncrementalJoinGroupResp:
    """Return what changed in the list of joined groups since a version."""
    changes = await call.services.groups.lists.joined_changes(request.userID, request.versionID, request.version)
    delta = changes.delta
    return getIncrementalJoinGroupResp(
        version=delta.version,
        versionID=delta.version_id,
        full=delta.full,
        delete=delta.deleted,
        insert=[group_info(group) for group in changes.inserted],
        update=[group_info(group) for group in changes.updated],
        sortVersion=delta.sort_version,
    )


async def get_full_join_group_ids(call: Call, request: GetFullJoinGroupIDsReq) -> GetFullJoinGroupIDsResp:
    """Return the ids of the joined groups in order."""
    full = await call.services.groups.lists.full_joined_ids(request.userID, request.idHash)
    return GetFullJoinGroupIDsResp(version=full.version, versionID=full.version_id, equal=full.equal, groupIDs=full.ids)


async def get_incremental_group_members(
    call: Call, request: getIncrementalGroupMemberReq
) -> getIncrementalGroupMemberResp:
    """Return what changed in a member list since a version."""
    return _member_changes(await call.services.groups.lists.member_changes(operator_of(call), _known(request)))


async def get_incremental_group_members_batch(
    call: Call, request: BatchGetIncrementalGroupMemberReq
) -> BatchGetIncrementalGroupMemberResp:
    """Return what changed in the member lists of groups since given versions."""
    answers = await call.services.groups.lists.batch_changes(
        operator_of(call), request.userID, [_known(one) for one in request.reqList]
    )
    response = BatchGetIncrementalGroupMemberResp()
    for group_id, changes in answers.items():
        response.respList[group_id].CopyFrom(_member_changes(changes))
    return response


async def get_full_group_member_user_ids(
    call: Call, request: GetFullGroupMemberUserIDsReq
) -> GetFullGroupMemberUserIDsResp:
    """Return the ids of the members in order."""
    full = await call.services.groups.lists.full_member_ids(operator_of(call), request.groupID, request.idHash)
    return GetFullGroupMemberUserIDsResp(
        version=full.version, versionID=full.version_id, equal=full.equal, userIDs=full.ids
    )


def _known(request: getIncrementalGroupMemberReq) -> Known:
    return Known(request.groupID, request.versionID, request.version)


def _member_changes(changes: MemberChanges) -> getIncrementalGroupMemberResp:
    delta = changes.delta
    return getIncrementalGroupMemberResp(
        version=delta.version,
        versionID=delta.version_id,
        full=delta.full,
        delete=delta.deleted,
        insert=[group_member_info(member) for member in changes.inserted],
        update=[group_member_info(member) for member in changes.updated],
        group=group_info(changes.group) if changes.group else None,
        sortVersion=delta.sort_version,
    )


ROUTES = (
    Route("/group/get_groups_info", GetGroupsInfoReq, get_groups_info, Authority.ANYBODY),
    Route("/group/get_group_abstract_info", GetGroupAbstractInfoReq, get_group_abstract_info, Authority.ANYBODY),
    Route("/group/get_groups", GetGroupsReq, get_groups, Authority.ADMIN),
    Route("/group/get_joined_group_list", GetJoinedGroupListReq, get_joined_group_list, Authority.OWNER, "fromUserID"),
    Route(
        "/group/get_group_members_info",
        GetGroupMembersInfoReq,
        get_group_members_info,
        Authority.ROLE,
        actions=(Action.READ_MEMBERS,),
    ),
    Route(
        "/group/get_group_member_list",
        GetGroupMemberListReq,
        get_group_member_list,
        Authority.ROLE,
        actions=(Action.READ_MEMBERS,),
    ),
    Route(
        "/group/get_group_member_user_id",
        GetGroupMemberUserIDsReq,
        get_group_member_user_id,
        Authority.ROLE,
        actions=(Action.READ_MEMBERS,),
    ),
    Route(
        "/group/get_recv_group_applicationList",
        GetGroupApplicationListReq,
        get_recv_group_application_list,
        Authority.OWNER,
        "fromUserID",
    ),
    Route(
        "/group/get_user_req_group_applicationList",
        GetUserReqApplicationListReq,
        get_user_req_group_application_list,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/group/get_group_users_req_application_list",
        getGroupUsersReqApplicationListReq,
        get_group_users_req_application_list,
        Authority.ROLE,
        actions=(Action.READ_APPLICATIONS,),
    ),
    Route(
        "/group/get_specified_user_group_request_info",
        GetSpecifiedUserGroupRequestInfoReq,
        get_specified_user_group_request_info,
        Authority.ROLE,
        actions=(Action.READ_APPLICATIONS,),
    ),
    Route(
        "/group/get_group_application_unhandled_count",
        GetGroupApplicationUnhandledCountReq,
        get_group_application_unhandled_count,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/group/get_incremental_join_groups",
        getIncrementalJoinGroupReq,
        get_incremental_join_groups,
        Authority.OWNER,
        "userID",
    ),
    Route("/group/get_full_join_group_ids", GetFullJoinGroupIDsReq, get_full_join_group_ids, Authority.OWNER, "userID"),
    Route(
        "/group/get_incremental_group_members",
        getIncrementalGroupMemberReq,
        get_incremental_group_members,
        Authority.ROLE,
        actions=(Action.READ_MEMBERS,),
    ),
    Route(
        "/group/get_incremental_group_members_batch",
        BatchGetIncrementalGroupMemberReq,
        get_incremental_group_members_batch,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/group/get_full_group_member_user_ids",
        GetFullGroupMemberUserIDsReq,
        get_full_group_member_user_ids,
        Authority.ROLE,
        actions=(Action.READ_MEMBERS,),
    ),
)
"""Where anybody may call, and members are asked for, who asks must be one (`services.groups.authority`)."""
