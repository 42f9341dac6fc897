"""
Routes of groups, as far as a login reads them (OpenIM wire, §6.5, §8.6).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.group_pb2 import (
    BatchGetIncrementalGroupMemberReq,
    BatchGetIncrementalGroupMemberResp,
    GetFullJoinGroupIDsReq,
    GetFullJoinGroupIDsResp,
    GetGroupsInfoReq,
    GetGroupsInfoResp,
    GetJoinedGroupListReq,
    GetJoinedGroupListResp,
    getIncrementalJoinGroupReq,
    getIncrementalJoinGroupResp,
)
from openim_ray.services.authority import Authority


async def get_joined_group_list(call: Call, request: GetJoinedGroupListReq) -> GetJoinedGroupListResp:
    """Return a page of the groups the user is in."""
    page = request.pagination
    total = await call.services.groups.joined_total(request.fromUserID, page.pageNumber, page.showNumber)
    return GetJoinedGroupListResp(total=total)


async def get_incremental_join_groups(call: Call, request: getIncrementalJoinGroupReq) -> getIncrementalJoinGroupResp:
    """Return what changed in the list of joined groups since a version."""
    delta = await call.services.groups.joined_changes(request.userID, request.versionID, request.version)
    return getIncrementalJoinGroupResp(
        version=delta.version,
        versionID=delta.version_id,
        full=delta.full,
        delete=delta.deleted,
        sortVersion=delta.sort_version,
    )


async def get_full_join_group_ids(call: Call, request: GetFullJoinGroupIDsReq) -> GetFullJoinGroupIDsResp:
    """Return the ids of the joined groups in order."""
    full = await call.services.groups.full_joined_ids(request.userID, request.idHash)
    return GetFullJoinGroupIDsResp(version=full.version, versionID=full.version_id, equal=full.equal, groupIDs=full.ids)


async def get_groups_info(call: Call, request: GetGroupsInfoReq) -> GetGroupsInfoResp:
    """Return groups; ids that no group has are left out."""
    await call.services.groups.check_none_exists(request.groupIDs)
    return GetGroupsInfoResp()


async def get_incremental_group_members_batch(
    call: Call, request: BatchGetIncrementalGroupMemberReq
) -> BatchGetIncrementalGroupMemberResp:
    """Return what changed in the member lists of groups since given versions."""
    await call.services.groups.check_none_exists([one.groupID for one in request.reqList])
    return BatchGetIncrementalGroupMemberResp()


ROUTES = (
    Route("/group/get_joined_group_list", GetJoinedGroupListReq, get_joined_group_list, Authority.OWNER, "fromUserID"),
    Route(
        "/group/get_incremental_join_groups",
        getIncrementalJoinGroupReq,
        get_incremental_join_groups,
        Authority.OWNER,
        "userID",
    ),
    Route("/group/get_groups_info", GetGroupsInfoReq, get_groups_info, Authority.ANYBODY),
    Route(
        "/group/get_incremental_group_members_batch",
        BatchGetIncrementalGroupMemberReq,
        get_incremental_group_members_batch,
        Authority.OWNER,
        "userID",
    ),
    Route("/group/get_full_join_group_ids", GetFullJoinGroupIDsReq, get_full_join_group_ids, Authority.OWNER, "userID"),
)
