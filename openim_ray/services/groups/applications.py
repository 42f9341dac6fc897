"""
Applications to join, answered by owner and admins (OpenIM wire, §6.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from openim_ray.domain import errors
from openim_ray.domain.group import GroupRequest, Member
from openim_ray.domain.people import HandleResult
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import GroupApplicationAcceptedTips, GroupApplicationRejectedTips
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.authority import Action
from openim_ray.services.groups.creation import existing_users
from openim_ray.services.groups.limits import check_texts
from openim_ray.services.groups.lookups import Operator, live_group, permit
from openim_ray.services.groups.membership import enter, let_in
from openim_ray.services.groups.notices import Notices
from openim_ray.services.groups.seats import GroupLogs, LogEnd, check_room
from openim_ray.services.wire_views import group_request
from openim_ray.transactions import DirectoryTransaction

_APPLICANT = 0
_STAFF = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What owner or admin say to an application: `result` is 1 or -1.
    """

    group_id: str
    applicant_id: str
    result: int
    message: str = ""


class GroupApplications:
    """
    Answers applications.

    Args:
        changes: runs changes.
        logs: knows where logs of groups end.
        members_max: members of a group.
    """

    def __init__(self, changes: DirectoryChanges, logs: GroupLogs, members_max: int) -> None:
        self._changes = changes
        self._logs = logs
        self._members_max = members_max

    async def respond(self, operator: Operator, verdict: Verdict) -> None:
        """
        Accept or refuse: 1505 or 1506 to the applicant, owner and admins; who is let in makes 1510 (1509 if she was invited).

        Who is a member meanwhile is so only once; the application is answered all the same.

        Raises:
            NoPermission: who answers is neither owner nor admin.
            ArgsError: the result is neither 1 nor -1, the text too long, or the group full.
            RecordNotFound: there is no such group or application.
            UserIDNotFound: who shall be let in was erased.
            GroupRequestHandled: it was answered before.
            DismissedAlready: the group is over.
        """
        if verdict.result not in (HandleResult.AGREED, HandleResult.REFUSED):
            raise errors.ArgsError("handleResult is neither 1 nor -1")
        check_texts({"handledMsg": verdict.message})
        end = await self._logs.end(verdict.group_id)
        await self._changes.commit(partial(_respond, operator, verdict, end, self._members_max))


def _respond(operator: Operator, verdict: Verdict, end: LogEnd, members_max: int, tx: DirectoryTransaction) -> None:
    group = live_group(tx, verdict.group_id)
    permit(tx, operator, group.group_id, Action.HANDLE_APPLICATION)
    request = _pending(tx, verdict)
    answered = replace(
        request,
        handle_result=verdict.result,
        handle_msg=verdict.message,
        handle_user_id=operator.user_id,
        handle_time=operator.now_ms,
    )
    tx.put_group_request(answered)
    if verdict.result == HandleResult.REFUSED:
        _tell(tx, operator, answered, ContentType.GROUP_APPLICATION_REJECTED)
        return
    existing_users(tx, [request.user.user_id])
    if not tx.members(group.group_id, [request.user.user_id]):
        check_room(tx, group.group_id, 1, members_max)
        _admit(tx, operator, answered, end)
    _tell(tx, operator, answered, ContentType.GROUP_APPLICATION_ACCEPTED)


def _pending(tx: DirectoryTransaction, verdict: Verdict) -> GroupRequest:
    request = tx.group_request(verdict.group_id, verdict.applicant_id)
    if request is None:
        raise errors.RecordNotFound("fromUserID has not applied to the group")
    if request.handle_result != HandleResult.PENDING:
        raise errors.GroupRequestHandled("the application was answered before")
    return request


def _admit(tx: DirectoryTransaction, operator: Operator, request: GroupRequest, end: LogEnd) -> None:
    member = Member(
        group_id=request.group_id,
        user=request.user,
        join_time=operator.now_ms,
        join_source=request.join_source,
        operator_user_id=operator.user_id,
        inviter_user_id=request.inviter_user_id,
    )
    if request.inviter_user_id:
        let_in(tx, operator, [member], end)
    else:
        enter(tx, operator, member, end)


def _tell(tx: DirectoryTransaction, operator: Operator, request: GroupRequest, content_type: ContentType) -> None:
    accepted = content_type == ContentType.GROUP_APPLICATION_ACCEPTED
    tips_class = GroupApplicationAcceptedTips if accepted else GroupApplicationRejectedTips
    notices = Notices(tx, operator, request.group_id)
    tips = tips_class(handleMsg=request.handle_msg, request=group_request(request))
    applicant = request.user.user_id
    staff = [(one, _STAFF) for one in notices.staff() if one != applicant]
    notices.put_single(content_type, tips, [(applicant, _APPLICANT), *staff])
