"""
A group itself is changed: what it is called and says, who may enter, whether it is muted, that it is over (OpenIM wire, §6.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Final

from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupStatus
from openim_ray.ports import DirectoryStore
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import (
    GroupCancelMutedTips,
    GroupDismissedTips,
    GroupInfoSetAnnouncementTips,
    GroupInfoSetNameTips,
    GroupInfoSetTips,
    GroupMutedTips,
)
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.authority import Action
from openim_ray.services.groups.limits import check_choices, check_texts
from openim_ray.services.groups.lookups import Operator, existing_group, live_group, permit
from openim_ray.services.groups.notices import Notices
from openim_ray.transactions import DirectoryTransaction, DirectoryView

REMOVED_AT_ONCE_MAX: Final = 1_000
"""Members that one transaction removes when a group is dismissed; a larger group takes several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChange:
    """
    What is to be changed of a group; None stays as it is.
    """

    group_name: str | None = None
    notification: str | None = None
    introduction: str | None = None
    face_url: str | None = None
    ex: str | None = None
    need_verification: int | None = None
    look_member_info: int | None = None
    apply_member_friend: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Return what is changed."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def is_more(self) -> bool:
        """Tell whether more is changed than name and announcement, which have notifications of their own."""
        return bool(self.values.keys() - {"group_name", "notification"})


class GroupInformation:
    """
    Changes groups, each time in one transaction with the notifications that tell of it.

    Args:
        changes: runs it.
        directory: where groups are read.
    """

    def __init__(self, changes: DirectoryChanges, directory: DirectoryStore) -> None:
        self._changes = changes
        self._directory = directory

    async def change(self, operator: Operator, group_id: str, change: GroupChange) -> None:
        """
        Change a group: 1520 for its name, 1519 for its announcement, 1502 for the rest. An announcement stands in the chat, and the owner
        of the log marks every member's conversation then (`groupAtType` 4); one that is taken back does neither.

        Raises:
            NoPermission: who changes it is neither owner nor admin.
            ArgsError: a text is too long, a number unknown.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        _check(change)
        await self._changes.commit(partial(_change, operator, group_id, change))

    async def mute(self, operator: Operator, group_id: str) -> None:
        """
        Let only owner and admins write: 1514.

        Raises:
            NoPermission: who mutes it is neither owner nor admin.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        await self._changes.commit(partial(_set_status, operator, group_id, GroupStatus.MUTED))

    async def unmute(self, operator: Operator, group_id: str) -> None:
        """
        Let all members write again: 1515. Raises as `mute` does.
        """
        await self._changes.commit(partial(_set_status, operator, group_id, GroupStatus.OK))

    async def dismiss(self, operator: Operator, group_id: str, *, silently: bool, in_chat: bool = True) -> None:
        """
        End a group for good. Its members leave it and keep the conversation with its history; nobody writes there any more.

        A large group is emptied in several transactions, its owner last. If the server dies meanwhile, the group is over already, and the
        same call completes the rest.

        Args:
            operator: who ends it.
            group_id: the group.
            silently: without 1511.
            in_chat: 1511 is a line in the chat.

        Raises:
            NoPermission: who ends it is neither its owner nor an administrator.
            RecordNotFound, DismissedAlready: there is no such group, or it is over.
        """
        member_ids = await self._directory.view(partial(_members_to_dismiss, operator, group_id))
        while len(member_ids) > REMOVED_AT_ONCE_MAX:
            last = member_ids[-REMOVED_AT_ONCE_MAX:]
            del member_ids[-REMOVED_AT_ONCE_MAX:]
            await self._changes.commit(partial(_begin_dismissal, operator, group_id, last))
        await self._changes.commit(partial(_dismiss, operator, group_id, silently, in_chat))


def _check(change: GroupChange) -> None:
    check_texts(
        {
            "groupName": change.group_name,
            "notification": change.notification,
            "introduction": change.introduction,
            "faceURL": change.face_url,
            "ex": change.ex,
        }
    )
    check_choices(
        {
            "needVerification": change.need_verification,
            "lookMemberInfo": change.look_member_info,
            "applyMemberFriend": change.apply_member_friend,
        }
    )


def _change(operator: Operator, group_id: str, change: GroupChange, tx: DirectoryTransaction) -> None:
    group = live_group(tx, group_id)
    permit(tx, operator, group.group_id, Action.SET_INFO)
    if not change.values:
        return
    tx.put_group(_changed(operator, group, change))
    notices = Notices(tx, operator, group.group_id)
    if change.group_name is not None:
        notices.put(ContentType.GROUP_NAME_SET, GroupInfoSetNameTips())
    if change.notification is not None:
        is_text = bool(change.notification)
        notices.put(ContentType.GROUP_ANNOUNCEMENT_SET, GroupInfoSetAnnouncementTips(), clone=is_text)
    if change.is_more:
        notices.put(ContentType.GROUP_INFO_SET, GroupInfoSetTips())


def _changed(operator: Operator, group: Group, change: GroupChange) -> Group:
    changed = replace(group, **change.values)
    if change.notification is None:
        return changed
    return replace(changed, notification_update_time=operator.now_ms, notification_user_id=operator.user_id)


def _set_status(operator: Operator, group_id: str, status: GroupStatus, tx: DirectoryTransaction) -> None:
    group = live_group(tx, group_id)
    permit(tx, operator, group.group_id, Action.MUTE_GROUP)
    tx.put_group(replace(group, status=status))
    notices = Notices(tx, operator, group.group_id)
    if status == GroupStatus.MUTED:
        notices.put(ContentType.GROUP_MUTED, GroupMutedTips(), forget_facts=True)
    else:
        notices.put(ContentType.GROUP_CANCEL_MUTED, GroupCancelMutedTips(), forget_facts=True)


def _members_to_dismiss(operator: Operator, group_id: str, view: DirectoryView) -> list[str]:
    _dismissable(view, operator, group_id)  # all ids of a large group are not read for everybody
    return view.member_ids(group_id)


def _begin_dismissal(operator: Operator, group_id: str, removed: Sequence[str], tx: DirectoryTransaction) -> None:
    """Close a group and remove some of its members, for whom and for the rest the conversation stays as it is."""
    group = _dismissable(tx, operator, group_id)
    if group.status != GroupStatus.DISMISSED:
        tx.put_group(replace(group, status=GroupStatus.DISMISSED))
        Notices(tx, operator, group.group_id).put_silent(forget_facts=True)
    tx.delete_members(group.group_id, removed)


def _dismiss(operator: Operator, group_id: str, silently: bool, in_chat: bool, tx: DirectoryTransaction) -> None:
    group = _dismissable(tx, operator, group_id)
    tx.put_group(replace(group, status=GroupStatus.DISMISSED))
    notices = Notices(tx, operator, group.group_id)
    if silently:
        notices.put_silent(forget_facts=True, dissolved=True)
    else:
        tips = GroupDismissedTips()
        notices.put(ContentType.GROUP_DISMISSED, tips, clone=in_chat, forget_facts=True, dissolved=True)
    tx.delete_members(group.group_id, tx.member_ids(group.group_id))


def _dismissable(view: DirectoryView, operator: Operator, group_id: str) -> Group:
    """Return a group that its caller may dismiss: one that is not over, or not empty yet."""
    group: Group = existing_group(view, group_id)
    if group.status == GroupStatus.DISMISSED and not group.member_count:
        raise errors.DismissedAlready("groupID: the group was dismissed")
    permit(view, operator, group.group_id, Action.DISMISS)
    return group
