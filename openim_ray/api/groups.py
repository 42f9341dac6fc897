"""
Routes that change groups (OpenIM wire, §6.5).
"""

from __future__ import annotations

from typing import Any

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.group_pb2 import (
    CancelMuteGroupMemberReq,
    CancelMuteGroupReq,
    CreateGroupReq,
    CreateGroupResp,
    DismissGroupReq,
    GroupApplicationResponseReq,
    InviteUserToGroupReq,
    JoinGroupReq,
    KickGroupMemberReq,
    MuteGroupMemberReq,
    MuteGroupReq,
    QuitGroupReq,
    SetGroupInfoExReq,
    SetGroupInfoReq,
    SetGroupMemberInfo,
    SetGroupMemberInfoReq,
    TransferGroupOwnerReq,
)
from openim_ray.services.authority import Authority
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.authority import Action
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.information import GroupChange
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.groups.membership import Application, Invitation, Removal
from openim_ray.services.groups.roles import MemberChange
from openim_ray.services.wire_views import group_info, group_of


def operator_of(call: Call) -> Operator:
    """Return who acts on a group."""
    return Operator(call.cause, is_app_admin=call.caller is not None and call.caller.is_admin)


async def create_group(call: Call, request: CreateGroupReq) -> CreateGroupResp:
    """Make a group."""
    new = NewGroup(
        group=group_of(request.groupInfo),
        owner_id=request.ownerUserID,
        admin_ids=list(request.adminUserIDs),
        member_ids=list(request.memberUserIDs),
        in_chat=_in_chat(request),
    )
    group = await call.services.groups.creation.create(operator_of(call), new)
    return CreateGroupResp(groupInfo=group_info(group))


async def set_group_info_ex(call: Call, request: SetGroupInfoExReq) -> None:
    """Change what is not null."""
    change = GroupChange(
        group_name=_given(request, "groupName"),
        notification=_given(request, "notification"),
        introduction=_given(request, "introduction"),
        face_url=_given(request, "faceURL"),
        ex=_given(request, "ex"),
        need_verification=_given(request, "needVerification"),
        look_member_info=_given(request, "lookMemberInfo"),
        apply_member_friend=_given(request, "applyMemberFriend"),
    )
    await call.services.groups.information.change(operator_of(call), request.groupID, change)


async def set_group_info(call: Call, request: SetGroupInfoReq) -> None:
    """Change texts that are not empty, and the rest that is not null: the older form."""
    info = request.groupInfoForSet
    change = GroupChange(
        group_name=info.groupName or None,
        notification=info.notification or None,
        introduction=info.introduction or None,
        face_url=info.faceURL or None,
        ex=_given(info, "ex"),
        need_verification=_given(info, "needVerification"),
        look_member_info=_given(info, "lookMemberInfo"),
        apply_member_friend=_given(info, "applyMemberFriend"),
    )
    await call.services.groups.information.change(operator_of(call), info.groupID, change)


async def join_group(call: Call, request: JoinGroupReq) -> None:
    """Join, or apply. Clients name the applicant in `inviterUserID` (recorded); without, it is the caller."""
    operator = operator_of(call)
    application = Application(
        group_id=request.groupID,
        applicant_id=request.inviterUserID or operator.user_id,
        message=request.reqMessage,
        join_source=request.joinSource,
        ex=request.ex,
    )
    await call.services.groups.membership.join(operator, application)


async def quit_group(call: Call, request: QuitGroupReq) -> None:
    """Leave; without `userID` it is the caller who does."""
    operator = operator_of(call)
    await call.services.groups.membership.quit(operator, request.groupID, request.userID or operator.user_id)


async def kick_group(call: Call, request: KickGroupMemberReq) -> None:
    """Remove members."""
    removal = Removal(group_id=request.groupID, user_ids=list(request.kickedUserIDs), in_chat=_in_chat(request))
    await call.services.groups.membership.kick(operator_of(call), removal)


async def invite_user_to_group(call: Call, request: InviteUserToGroupReq) -> None:
    """Let users in, or have them apply."""
    invitation = Invitation(
        group_id=request.groupID,
        user_ids=list(request.invitedUserIDs),
        reason=request.reason,
        in_chat=_in_chat(request),
    )
    await call.services.groups.membership.invite(operator_of(call), invitation)


async def group_application_response(call: Call, request: GroupApplicationResponseReq) -> None:
    """Answer an application."""
    verdict = Verdict(
        group_id=request.groupID,
        applicant_id=request.fromUserID,
        result=request.handleResult,
        message=request.handledMsg,
    )
    await call.services.groups.applications.respond(operator_of(call), verdict)


async def transfer_group(call: Call, request: TransferGroupOwnerReq) -> None:
    """Hand a group over."""
    await call.services.groups.roles.transfer(
        operator_of(call), request.groupID, request.oldOwnerUserID, request.newOwnerUserID
    )


async def dismiss_group(call: Call, request: DismissGroupReq) -> None:
    """End a group; with `deleteMember` without a notification."""
    await call.services.groups.information.dismiss(
        operator_of(call), request.groupID, silently=request.deleteMember, in_chat=_in_chat(request)
    )


async def mute_group(call: Call, request: MuteGroupReq) -> None:
    """Let only owner and admins write."""
    await call.services.groups.information.mute(operator_of(call), request.groupID)


async def cancel_mute_group(call: Call, request: CancelMuteGroupReq) -> None:
    """Let all members write."""
    await call.services.groups.information.unmute(operator_of(call), request.groupID)


async def mute_group_member(call: Call, request: MuteGroupMemberReq) -> None:
    """Let a member write nothing for a while."""
    await call.services.groups.roles.mute(operator_of(call), request.groupID, request.userID, request.mutedSeconds)


async def cancel_mute_group_member(call: Call, request: CancelMuteGroupMemberReq) -> None:
    """Let a member write again."""
    await call.services.groups.roles.unmute(operator_of(call), request.groupID, request.userID)


async def set_group_member_info(call: Call, request: SetGroupMemberInfoReq) -> None:
    """Change members."""
    changes = [_member_change(one) for one in request.members]
    await call.services.groups.roles.change_members(operator_of(call), changes)


def _member_change(one: SetGroupMemberInfo) -> MemberChange:
    return MemberChange(
        group_id=one.groupID,
        user_id=one.userID,
        nickname=_given(one, "nickname"),
        face_url=_given(one, "faceURL"),
        ex=_given(one, "ex"),
        role_level=_given(one, "roleLevel"),
    )


def _given(message: Any, name: str) -> Any:
    """Return the value of a nullable field, None if it is null."""
    return getattr(message, name).value if message.HasField(name) else None


def _in_chat(request: Any) -> bool:
    """Tell whether a change stands in the chat: yes, unless that is refused expressly."""
    return not request.HasField("sendMessage") or bool(request.sendMessage)


ROUTES = (
    Route("/group/create_group", CreateGroupReq, create_group, Authority.OWNER, "ownerUserID"),
    Route("/group/set_group_info_ex", SetGroupInfoExReq, set_group_info_ex, Authority.ROLE, actions=(Action.SET_INFO,)),
    Route("/group/set_group_info", SetGroupInfoReq, set_group_info, Authority.ROLE, actions=(Action.SET_INFO,)),
    Route("/group/join_group", JoinGroupReq, join_group, Authority.ANYBODY),
    Route("/group/quit_group", QuitGroupReq, quit_group, Authority.ANYBODY),
    Route(
        "/group/kick_group",
        KickGroupMemberReq,
        kick_group,
        Authority.ROLE,
        actions=(Action.KICK_MEMBER, Action.KICK_ADMIN),
    ),
    Route(
        "/group/invite_user_to_group",
        InviteUserToGroupReq,
        invite_user_to_group,
        Authority.ROLE,
        actions=(Action.INVITE, Action.INVITE_PAST_APPROVAL),
    ),
    Route(
        "/group/group_application_response",
        GroupApplicationResponseReq,
        group_application_response,
        Authority.ROLE,
        actions=(Action.HANDLE_APPLICATION,),
    ),
    Route("/group/transfer_group", TransferGroupOwnerReq, transfer_group, Authority.ROLE, actions=(Action.TRANSFER,)),
    Route("/group/dismiss_group", DismissGroupReq, dismiss_group, Authority.ROLE, actions=(Action.DISMISS,)),
    Route("/group/mute_group", MuteGroupReq, mute_group, Authority.ROLE, actions=(Action.MUTE_GROUP,)),
    Route(
        "/group/cancel_mute_group", CancelMuteGroupReq, cancel_mute_group, Authority.ROLE, actions=(Action.MUTE_GROUP,)
    ),
    Route(
        "/group/mute_group_member",
        MuteGroupMemberReq,
        mute_group_member,
        Authority.ROLE,
        actions=(Action.MUTE_MEMBER, Action.MUTE_ADMIN, Action.MUTE_OWNER),
    ),
    Route(
        "/group/cancel_mute_group_member",
        CancelMuteGroupMemberReq,
        cancel_mute_group_member,
        Authority.ROLE,
        actions=(Action.MUTE_MEMBER, Action.MUTE_ADMIN, Action.MUTE_OWNER),
    ),
    Route(
        "/group/set_group_member_info",
        SetGroupMemberInfoReq,
        set_group_member_info,
        Authority.ROLE,
        actions=(
            Action.SET_OWN_CARD,
            Action.SET_CARD_OF_MEMBER,
            Action.SET_CARD_OF_ADMIN,
            Action.SET_CARD_OF_OWNER,
            Action.SET_ROLE,
        ),
    ),
)
