"""
Members are changed: owner, roles, names in the group, who is muted (OpenIM wire, §6.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from openim_ray.domain import errors
from openim_ray.domain.group import Member, Role
from openim_ray.domain.ids import GroupID
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import (
    GroupMemberCancelMutedTips,
    GroupMemberInfoSetTips,
    GroupMemberMutedTips,
    GroupOwnerTransferredTips,
)
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.authority import MUTE, SET_CARD, Action, Standing, require
from openim_ray.services.groups.limits import MEMBER_CHANGES_MAX, check_texts
from openim_ray.services.groups.lookups import Operator, existing_member, live_group, permit
from openim_ray.services.groups.notices import Notices
from openim_ray.services.wire_views import group_member_info
from openim_ray.transactions import DirectoryTransaction

_SETTABLE: Final = (Role.MEMBER, Role.ADMIN)

_ROLE_SET: Final = {
    Role.ADMIN: ContentType.GROUP_MEMBER_SET_TO_ADMIN,
    Role.MEMBER: ContentType.GROUP_MEMBER_SET_TO_ORDINARY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """
    What is to be changed of a member; None stays as it is. Empty name or picture: those of her account are shown.
    """

    group_id: str
    user_id: str
    nickname: str | None = None
    face_url: str | None = None
    ex: str | None = None
    role_level: int | None = None

    @property
    def card(self) -> dict[str, Any]:
        """Return what is changed of how she is shown."""
        values = {"nickname": self.nickname, "face_url": self.face_url, "ex": self.ex}
        return {name: value for name, value in values.items() if value is not None}


class GroupRoles:
    """
    Changes members, each time in one transaction with the notifications that tell of it.

    Args:
        changes: runs it.
    """

    def __init__(self, changes: DirectoryChanges) -> None:
        self._changes = changes

    async def transfer(self, operator: Operator, group_id: str, old_owner_id: str, new_owner_id: str) -> None:
        """
        Hand a group to a member: 1507. If she is muted, she is unmuted first: 1513. Who owned it is an ordinary member then.

        Raises:
            NoPermission: who hands it over is neither its owner nor an administrator.
            ArgsError: both are the same, or the old owner isn't the owner.
            NotInGroupYet: the new owner is no member.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        if old_owner_id == new_owner_id:
            raise errors.ArgsError("newOwnerUserID is oldOwnerUserID")
        await self._changes.commit(partial(_transfer, operator, group_id, old_owner_id, new_owner_id))

    async def mute(self, operator: Operator, group_id: str, user_id: str, seconds: int) -> None:
        """
        Let a member write nothing for some seconds from now on: 1512.

        Raises:
            ArgsError: less than a second.
            NoPermission: who mutes may not mute her; nobody may mute the owner.
            NotInGroupYet: she is no member.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        if seconds < 1:
            raise errors.ArgsError("mutedSeconds is less than 1")
        await self._changes.commit(partial(_mute, operator, group_id, user_id, seconds))

    async def unmute(self, operator: Operator, group_id: str, user_id: str) -> None:
        """
        Let a member write again: 1513. Raises as `mute` does.
        """
        await self._changes.commit(partial(_unmute, operator, group_id, user_id))

    async def change_members(self, operator: Operator, changes: Sequence[MemberChange]) -> None:
        """
        Change members, all or none: 1517 or 1518 for a role, 1516 for the rest.

        Raises:
            ArgsError: nobody, too many, one twice, a text too long, an unknown role.
            NoPermission: who changes may not change one of them so; nobody makes an owner this way.
            NotInGroupYet: one of them is no member.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        _check_changes(changes)
        await self._changes.commit(partial(_change_members, operator, changes))


def _check_changes(changes: Sequence[MemberChange]) -> None:
    if not changes:
        raise errors.ArgsError("members is empty")
    if len(changes) > MEMBER_CHANGES_MAX:
        raise errors.ArgsError(f"members holds more than {MEMBER_CHANGES_MAX} entries")
    if len({(one.group_id, one.user_id) for one in changes}) < len(changes):
        raise errors.ArgsError("members holds the same member twice")
    for one in changes:
        check_texts({"nickname": one.nickname, "faceURL": one.face_url, "ex": one.ex})
        if one.role_level == Role.OWNER:
            raise errors.NoPermission("roleLevel: an owner is made by transfer_group only")
        if one.role_level is not None and one.role_level not in _SETTABLE:
            raise errors.ArgsError("roleLevel is none of 20, 60")


def _transfer(
    operator: Operator, group_id: str, old_owner_id: str, new_owner_id: str, tx: DirectoryTransaction
) -> None:
    group = live_group(tx, group_id)
    permit(tx, operator, group.group_id, Action.TRANSFER)
    if group.owner_user_id != old_owner_id:
        raise errors.ArgsError("oldOwnerUserID doesn't own the group")
    old = existing_member(tx, group.group_id, old_owner_id, "oldOwnerUserID")
    new = existing_member(tx, group.group_id, new_owner_id, "newOwnerUserID")
    if new.mute_end_time > operator.now_ms:
        new = _set_mute(tx, operator, new, 0)
    new = replace(new, role_level=Role.OWNER)
    old = replace(old, role_level=Role.MEMBER)
    tx.put_members([old, new])
    tips = GroupOwnerTransferredTips(
        newGroupOwner=group_member_info(new), oldGroupOwner=old_owner_id, oldGroupOwnerInfo=group_member_info(old)
    )
    Notices(tx, operator, group.group_id).put(ContentType.GROUP_OWNER_TRANSFERRED, tips, forget_facts=True)


def _mute(operator: Operator, group_id: str, user_id: str, seconds: int, tx: DirectoryTransaction) -> None:
    _set_mute(tx, operator, _mutable(tx, operator, group_id, user_id), seconds)


def _unmute(operator: Operator, group_id: str, user_id: str, tx: DirectoryTransaction) -> None:
    _set_mute(tx, operator, _mutable(tx, operator, group_id, user_id), 0)


def _mutable(tx: DirectoryTransaction, operator: Operator, group_id: str, user_id: str) -> Member:
    group = live_group(tx, group_id)
    standing = permit(tx, operator, group.group_id, Action.MUTE_MEMBER)
    member = existing_member(tx, group.group_id, user_id, "userID")
    require(MUTE[Role(member.role_level)], standing)
    return member


def _set_mute(tx: DirectoryTransaction, operator: Operator, member: Member, seconds: int) -> Member:
    """Mute a member, or unmute her (0 seconds), and tell of it."""
    end = operator.now_ms + seconds * 1000 if seconds else 0
    muted = replace(member, mute_end_time=end)
    tx.put_member(muted)
    notices = Notices(tx, operator, member.group_id)
    info = group_member_info(muted)
    if seconds:
        tips = GroupMemberMutedTips(mutedUser=info, mutedSeconds=seconds)
        notices.put(ContentType.GROUP_MEMBER_MUTED, tips, forget_facts=True)
    else:
        notices.put(
            ContentType.GROUP_MEMBER_CANCEL_MUTED, GroupMemberCancelMutedTips(mutedUser=info), forget_facts=True
        )
    return muted


def _change_members(operator: Operator, changes: Sequence[MemberChange], tx: DirectoryTransaction) -> None:
    for change in changes:
        _change_member(tx, operator, change)


def _change_member(tx: DirectoryTransaction, operator: Operator, change: MemberChange) -> None:
    group = live_group(tx, change.group_id)
    standing = permit(tx, operator, group.group_id, Action.SET_OWN_CARD)
    member = existing_member(tx, group.group_id, change.user_id, "userID")
    _require_change(standing, operator, change, member)
    if change.role_level is not None:
        member = replace(member, role_level=change.role_level)
        tx.put_member(member)
        _tell(tx, operator, member, _ROLE_SET[Role(change.role_level)], forget_facts=True)
    if change.card:
        member = replace(member, **change.card)
        tx.put_member(member)
        _tell(tx, operator, member, ContentType.GROUP_MEMBER_INFO_SET)


def _require_change(standing: Standing, operator: Operator, change: MemberChange, member: Member) -> None:
    if change.role_level is not None:
        require(Action.SET_ROLE, standing)
        if member.role_level == Role.OWNER:
            raise errors.NoPermission("roleLevel: the owner hands the group over by transfer_group only")
    if change.card and change.user_id != operator.user_id:
        require(SET_CARD[Role(member.role_level)], standing)


def _tell(
    tx: DirectoryTransaction,
    operator: Operator,
    member: Member,
    content_type: ContentType,
    *,
    forget_facts: bool = False,
) -> None:
    notices = Notices(tx, operator, GroupID(member.group_id))
    tips = GroupMemberInfoSetTips(changedUser=group_member_info(member))
    notices.put(content_type, tips, forget_facts=forget_facts)
