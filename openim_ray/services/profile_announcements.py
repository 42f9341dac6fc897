"""
Telling friends and groups that an account changed, page by page (OpenIM wire, §5.4: 1209 and 1516).

A user may stand in very many lists. So the change itself is answered at once, and who shows her is told behind it. How far that went stands
in the directory, in the transaction that tells a page: whichever process goes on, after whatever crash, tells each once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from openim_ray.core.effects import encode_effect
from openim_ray.domain import errors
from openim_ray.domain.group import Group, Member
from openim_ray.domain.ids import GroupID
from openim_ray.domain.people import ProfileAnnouncement
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import GroupMemberInfoSetTips, UserInfoUpdatedTips
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.notifications import Cause, notify_group, tell_user
from openim_ray.services.wire_views import group_info, group_member_info
from openim_ray.transactions import DirectoryTransaction

log = structlog.get_logger(__name__)

PAGE: Final = 50
"""Friends or groups told in one transaction."""

ANNOUNCED_SECONDS: Final = 600
"""What was not told so long after the change is not told any more: clients learn it from the version lists at their next sync."""

RETRY_SECONDS: Final = 2.0
"""How long to wait after a failure."""

POLL_SECONDS: Final = 15.0
"""How soon what another process left behind is gone on with."""


class ProfileAnnouncements:
    """
    Works off announcements, the one that waited longest first, so that a user in very many lists delays nobody else's.

    Args:
        changes: runs the transactions, and returns when their effects are applied: so one page of this process is under way at a time.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(self, changes: DirectoryChanges, now_ms: Callable[[], int]) -> None:
        self._changes = changes
        self._now_ms = now_ms
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """
        Say that there is something to announce.
        """
        self._woken.set()

    async def run(self) -> None:
        """
        Announce until cancelled. What fails is logged and tried again.
        """
        while True:
            self._woken.clear()
            seconds = await self._tell_some()
            if seconds:
                await self._wait(seconds)

    async def tell_page(self) -> bool:
        """
        Tell the next page of the announcement that waited longest; False if there is none.
        """
        return await self._changes.commit(partial(_tell_page, self._now_ms()))

    async def _tell_some(self) -> float:
        """Tell a page, and return how long to wait for the next."""
        try:
            return 0.0 if await self.tell_page() else POLL_SECONDS
        except errors.OpenIMError as error:
            log.warning("profile not announced", error=repr(error))
        except Exception as error:  # noqa: BLE001 - the announcements of others must go on; this one ends by its age
            log.error("profile not announced", error=repr(error))
        return RETRY_SECONDS

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return


def _tell_page(now_ms: int, tx: DirectoryTransaction) -> bool:
    announcement = tx.next_profile_announcement()
    if announcement is None:
        return False
    told = (
        _told_after(tx, announcement, now_ms) if now_ms - announcement.created_ms < ANNOUNCED_SECONDS * 1000 else None
    )
    if told is None:
        tx.delete_profile_announcement(announcement.user_id)
    else:
        tx.put_profile_announcement(replace(told, moved_ms=now_ms))
    return True


def _told_after(tx: DirectoryTransaction, announcement: ProfileAnnouncement, now_ms: int) -> ProfileAnnouncement | None:
    """Tell a page, and return the announcement as it stands then; None if everybody has been told."""
    user_id, after = announcement.user_id, announcement.told_through
    cause = Cause(user_id, announcement.operation_id, now_ms)
    if not announcement.are_friends_told:
        owners = tx.friend_owners(user_id, after, PAGE)
        _tell_friends(tx, cause, owners)
        if len(owners) < PAGE:
            return (
                replace(announcement, are_friends_told=True, told_through="")
                if _concerns_groups(announcement)
                else None
            )
        return replace(announcement, told_through=owners[-1])
    group_ids = tx.joined_group_ids(user_id, after, PAGE)
    _tell_groups(tx, cause, announcement, group_ids)
    return replace(announcement, told_through=group_ids[-1]) if len(group_ids) == PAGE else None


def _concerns_groups(announcement: ProfileAnnouncement) -> bool:
    return announcement.is_nickname_new or announcement.is_face_new


def _tell_friends(tx: DirectoryTransaction, cause: Cause, owner_ids: Sequence[str]) -> None:
    """1209 to each, without the echo: with it the user's own devices would get one per friend, for nothing."""
    tips = UserInfoUpdatedTips(userID=cause.user_id)
    for owner_id in owner_ids:
        tell_user(tx, cause, ContentType.FRIEND_INFO_UPDATED, cause.user_id, owner_id, tips, echo=False)


def _tell_groups(
    tx: DirectoryTransaction, cause: Cause, announcement: ProfileAnnouncement, group_ids: Sequence[str]
) -> None:
    groups = tx.groups(group_ids)
    for group_id in group_ids:
        member = tx.members(group_id, [cause.user_id]).get(cause.user_id)
        if group_id in groups and member is not None and _shows(member, announcement):
            _tell_group(tx, cause, groups[group_id], member)


def _shows(member: Member, announcement: ProfileAnnouncement) -> bool:
    """Tell whether the group shows something new: what a member has of her own there hides her account's."""
    is_nickname_shown = announcement.is_nickname_new and not member.nickname
    return is_nickname_shown or (announcement.is_face_new and not member.face_url)


def _tell_group(tx: DirectoryTransaction, cause: Cause, group: Group, member: Member) -> None:
    """
    1516 without the list's version, so that clients ask for what changed.

    The list took its step with the change of the account; whatever changed in it since then, a client that took this for the next step
    would never learn (OpenIM wire, §6.6.4).
    """
    info = group_member_info(member)
    tips = GroupMemberInfoSetTips(group=group_info(group), opUser=info, operationTime=cause.now_ms, changedUser=info)
    group_id = GroupID(group.group_id)
    effect = notify_group(cause, ContentType.GROUP_MEMBER_INFO_SET, cause.user_id, group_id, tips)
    tx.put_effect(group_id, encode_effect(effect), cause.now_ms)
