"""
What a use case about a group reads first: the group, who acts, on whom.
"""

from __future__ import annotations

from dataclasses import dataclass

from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupStatus, Member
from openim_ray.services.groups.authority import Action, Standing, require, standing_of
from openim_ray.services.notifications import Cause
from openim_ray.transactions import GroupView


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Who acts, in which call; `is_app_admin` if the token is that of an administrator of the server.
    """

    cause: Cause
    is_app_admin: bool

    @property
    def user_id(self) -> str:
        """Return whose token it is."""
        return self.cause.user_id

    @property
    def now_ms(self) -> int:
        """Return the time of the call, Unix milliseconds."""
        return self.cause.now_ms


def existing_group(view: GroupView, group_id: str) -> Group:
    """
    Return a group, dismissed or not; RecordNotFound if there is none.
    """
    group = view.groups([group_id]).get(group_id)
    if group is None:
        raise errors.RecordNotFound("groupID: no such group")
    return group


def live_group(view: GroupView, group_id: str) -> Group:
    """
    Return a group that is not over.

    Raises:
        RecordNotFound: there is none.
        DismissedAlready: it is over.
    """
    group = existing_group(view, group_id)
    if group.status == GroupStatus.DISMISSED:
        raise errors.DismissedAlready("groupID: the group was dismissed")
    return group


def standing_in(view: GroupView, operator: Operator, group_id: str) -> Standing:
    """
    Return what somebody who acts is to a group.
    """
    member = view.members(group_id, [operator.user_id]).get(operator.user_id)
    return standing_of(member, is_app_admin=operator.is_app_admin)


def permit(view: GroupView, operator: Operator, group_id: str, action: Action) -> Standing:
    """
    Let an action pass and return what who acts is to the group; NoPermission otherwise.
    """
    standing = standing_in(view, operator, group_id)
    require(action, standing)
    return standing


def existing_member(view: GroupView, group_id: str, user_id: str, field: str) -> Member:
    """
    Return a member; NotInGroupYet, which names the field of the request, if she is none.
    """
    member = view.members(group_id, [user_id]).get(user_id)
    if member is None:
        raise errors.NotInGroupYet(f"{field}: no member of the group")
    return member
