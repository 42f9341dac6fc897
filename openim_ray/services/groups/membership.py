"""
Members come and go: they join, are invited, leave, are removed (OpenIM wire, §6.5, §7.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupRequest, JoinSource, Member, Role, Verification
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import HandleResult, User
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import (
    JoinGroupApplicationTips,
    MemberEnterTips,
    MemberInvitedTips,
    MemberKickedTips,
    MemberQuitTips,
)
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.authority import KICK, Action, may, require
from openim_ray.services.groups.creation import existing_users
from openim_ray.services.groups.limits import (
    APPLICANTS_PER_CALL_MAX,
    check_choices,
    check_texts,
    check_users,
)
from openim_ray.services.groups.lookups import Operator, existing_member, live_group, permit, standing_in
from openim_ray.services.groups.notices import Notices, batches, member_infos
from openim_ray.services.groups.seats import GroupLogs, LogEnd, check_room, seat, unseat
from openim_ray.services.wire_views import group_member_info, group_request, public_user_info
from openim_ray.transactions import DirectoryTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """
    Somebody would like to join. `join_source` 0 is a search.
    """

    group_id: str
    applicant_id: str
    message: str = ""
    join_source: int = 0
    ex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """
    Users shall be members. `in_chat`: that is a line in the chat.
    """

    group_id: str
    user_ids: Sequence[str]
    reason: str = ""
    in_chat: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """
    Users shall be members no longer. `in_chat`: that is a line in the chat.
    """

    group_id: str
    user_ids: Sequence[str]
    in_chat: bool = True


class GroupMembership:
    """
    Lets members come and go, each time in one transaction with the notifications that tell of it.

    Args:
        changes: runs it.
        logs: knows where logs of groups end.
        members_max: members of a group.
    """

    def __init__(self, changes: DirectoryChanges, logs: GroupLogs, members_max: int) -> None:
        self._changes = changes
        self._logs = logs
        self._members_max = members_max

    async def join(self, operator: Operator, application: Application) -> None:
        """
        Join, or apply where that needs approval: 1510 to all, or 1503 to owner, admins and applicant.

        An application that waits is replaced by a new one.

        Raises:
            NoPermission: the applicant is another user.
            ArgsError: she is a member already, the group is full, a text too long.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
            UserIDNotFound: there is no such applicant.
        """
        check_texts({"reqMessage": application.message, "ex": application.ex})
        check_choices({"joinSource": application.join_source})
        _require_self(operator, application.applicant_id)
        end = await self._logs.end(application.group_id)
        await self._changes.commit(partial(_join, operator, application, end, self._members_max))

    async def invite(self, operator: Operator, invitation: Invitation) -> None:
        """
        Let users in: 1509 to all, in batches. Where everybody needs approval and the inviter is an ordinary member, they apply: 1503.

        Who is a member already is left out; where they apply, also who has applied herself and waits for an answer.

        Raises:
            NoPermission: who invites is no member.
            ArgsError: nobody, too many, a user twice, or the group gets too large.
            UserIDNotFound: one of them doesn't exist.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        user_ids = check_users("invitedUserIDs", invitation.user_ids)
        check_texts({"reason": invitation.reason})
        end = await self._logs.end(invitation.group_id)
        await self._changes.commit(partial(_invite, operator, invitation, user_ids, end, self._members_max))

    async def kick(self, operator: Operator, removal: Removal) -> None:
        """
        Remove members: 1508 to all and to them, in batches.

        Raises:
            NoPermission: who removes may not remove one of them.
            ArgsError: nobody, too many, a user twice, herself or the owner.
            UserIDNotFound: one of them is no member.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        user_ids = check_users("kickedUserIDs", removal.user_ids)
        if operator.user_id in user_ids:
            raise errors.ArgsError("kickedUserIDs holds the caller")
        end = await self._logs.end(removal.group_id)
        await self._changes.commit(partial(_kick, operator, removal, user_ids, end))

    async def quit(self, operator: Operator, group_id: str, user_id: str) -> None:
        """
        Leave: 1504 to all and to who leaves.

        Raises:
            NoPermission: she is another user, or the owner.
            NotInGroupYet: she is no member.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        _require_self(operator, user_id)
        end = await self._logs.end(group_id)
        await self._changes.commit(partial(_quit, operator, group_id, user_id, end))


def enter(tx: DirectoryTransaction, operator: Operator, member: Member, end: LogEnd) -> None:
    """
    Let one user in who came by herself: 1510.
    """
    seat(tx, member.group_id, [member], end)
    notices = Notices(tx, operator, member.group_id)
    tips = MemberEnterTips(entrantUser=group_member_info(member))
    joined = [member.user.user_id]
    notices.put(ContentType.MEMBER_ENTER, tips, joined=joined, with_history=end.with_history, forget_facts=True)


def let_in(
    tx: DirectoryTransaction, operator: Operator, members: Sequence[Member], end: LogEnd, *, in_chat: bool = True
) -> None:
    """
    Let users in who were invited, all by the same: 1509.
    """
    group_id = members[0].group_id
    seat(tx, group_id, members, end)
    notices = Notices(tx, operator, group_id)
    inviter = tx.members(group_id, [members[0].inviter_user_id]).get(members[0].inviter_user_id)
    for batch in batches(members):
        tips = MemberInvitedTips(
            invitedUserList=member_infos(batch),
            inviterUser=group_member_info(inviter) if inviter else notices.op_user,
        )
        joined = [member.user.user_id for member in batch]
        notices.put(
            ContentType.MEMBER_INVITED,
            tips,
            clone=in_chat,
            joined=joined,
            with_history=end.with_history,
            forget_facts=True,
        )


def _join(
    operator: Operator, application: Application, end: LogEnd, members_max: int, tx: DirectoryTransaction
) -> None:
    group = live_group(tx, application.group_id)
    applicant = existing_users(tx, [application.applicant_id])[application.applicant_id]
    if tx.members(group.group_id, [applicant.user_id]):
        raise errors.ArgsError("groupID: already a member of the group")
    if group.need_verification != Verification.ALL_DIRECTLY:
        _apply(tx, operator, _request(operator, application, applicant), [applicant.user_id])
        return
    check_room(tx, group.group_id, 1, members_max)
    member = Member(
        group_id=group.group_id,
        user=applicant,
        join_time=operator.now_ms,
        join_source=application.join_source or JoinSource.SEARCH,
        operator_user_id=operator.user_id,
        inviter_user_id=applicant.user_id,
    )
    enter(tx, operator, member, end)


def _apply(tx: DirectoryTransaction, operator: Operator, request: GroupRequest, also_told: Sequence[str]) -> None:
    """Put an application, and tell the staff and who has to do with it."""
    tx.put_group_request(request)
    notices = Notices(tx, operator, request.group_id)
    tips = JoinGroupApplicationTips(
        applicant=public_user_info(request.user), reqMsg=request.req_msg, request=group_request(request)
    )
    told = dict.fromkeys([*notices.staff(), *also_told])
    notices.put_single(ContentType.JOIN_GROUP_APPLICATION, tips, [(one, 0) for one in told])


def _request(operator: Operator, application: Application, applicant: User) -> GroupRequest:
    return GroupRequest(
        group_id=GroupID(application.group_id),
        user=applicant,
        req_msg=application.message,
        req_time=operator.now_ms,
        ex=application.ex,
        join_source=application.join_source or JoinSource.SEARCH,
    )


def _invite(
    operator: Operator,
    invitation: Invitation,
    user_ids: Sequence[UserID],
    end: LogEnd,
    members_max: int,
    tx: DirectoryTransaction,
) -> None:
    group = live_group(tx, invitation.group_id)
    standing = permit(tx, operator, group.group_id, Action.INVITE)
    users = existing_users(tx, user_ids)
    there = tx.members(group.group_id, user_ids)
    invited = [users[one] for one in user_ids if one not in there]
    if not invited:
        return
    check_room(tx, group.group_id, len(invited), members_max)
    if group.need_verification == Verification.ALL_APPLY and not may(Action.INVITE_PAST_APPROVAL, standing):
        _propose(tx, operator, group, invited, invitation.reason)
        return
    members = [_invited(operator, group, user) for user in invited]
    let_in(tx, operator, members, end, in_chat=invitation.in_chat)


def _propose(tx: DirectoryTransaction, operator: Operator, group: Group, invited: Sequence[User], reason: str) -> None:
    """Let users apply who were invited by an ordinary member."""
    if len(invited) > APPLICANTS_PER_CALL_MAX:
        raise errors.ArgsError(
            f"invitedUserIDs holds more than {APPLICANTS_PER_CALL_MAX} ids, in a group where everybody has to apply"
        )
    for user in invited:
        if _has_applied(tx, group, user):
            continue
        request = GroupRequest(
            group_id=group.group_id,
            user=user,
            req_msg=reason,
            req_time=operator.now_ms,
            join_source=JoinSource.INVITATION,
            inviter_user_id=operator.user_id,
        )
        _apply(tx, operator, request, [operator.user_id])


def _has_applied(tx: DirectoryTransaction, group: Group, user: User) -> bool:
    """Tell whether an application waits that the user made herself: her words are not for others to replace."""
    request = tx.group_request(group.group_id, user.user_id)
    return request is not None and request.handle_result == HandleResult.PENDING and not request.inviter_user_id


def _invited(operator: Operator, group: Group, user: User) -> Member:
    return Member(
        group_id=group.group_id,
        user=user,
        join_time=operator.now_ms,
        join_source=JoinSource.INVITATION,
        operator_user_id=operator.user_id,
        inviter_user_id=operator.user_id,
    )


def _kick(
    operator: Operator, removal: Removal, user_ids: Sequence[UserID], end: LogEnd, tx: DirectoryTransaction
) -> None:
    group = live_group(tx, removal.group_id)
    standing = standing_in(tx, operator, group.group_id)
    require(Action.KICK_MEMBER, standing)
    found = tx.members(group.group_id, user_ids)
    for user_id in user_ids:
        member = found.get(user_id)
        if member is None:
            raise errors.UserIDNotFound(f"kickedUserIDs: no member of the group: {user_id}")
        if member.role_level == Role.OWNER:
            raise errors.ArgsError("kickedUserIDs holds the owner")
        require(KICK[Role(member.role_level)], standing)
    kicked = [found[one] for one in user_ids]
    unseat(tx, group.group_id, kicked, end)
    notices = Notices(tx, operator, group.group_id)
    for batch in batches(kicked):
        ids = [member.user.user_id for member in batch]
        tips = MemberKickedTips(kickedUserList=member_infos(batch))
        notices.put(ContentType.MEMBER_KICKED, tips, clone=removal.in_chat, left=ids, also=ids, forget_facts=True)


def _quit(operator: Operator, group_id: str, user_id: str, end: LogEnd, tx: DirectoryTransaction) -> None:
    group = live_group(tx, group_id)
    member = existing_member(tx, group.group_id, user_id, "userID")
    if member.role_level == Role.OWNER:
        raise errors.NoPermission("the owner can't leave: hand the group over, or dismiss it")
    unseat(tx, group.group_id, [member], end)
    notices = Notices(tx, operator, group.group_id)
    left = [member.user.user_id]
    tips = MemberQuitTips(quitUser=group_member_info(member))
    notices.put(ContentType.MEMBER_QUIT, tips, left=left, also=left, forget_facts=True)


def _require_self(operator: Operator, user_id: str) -> None:
    if user_id != operator.user_id and not operator.is_app_admin:
        raise errors.NoPermission("only the user herself or an administrator may do this")
