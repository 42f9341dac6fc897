"""
Black lists: whose messages a user doesn't want (OpenIM wire, §6.4).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Blocked
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import BlackAddedTips, BlackDeletedTips, FromToUserID
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.friendships import EX_BYTES_MAX, check_owner, existing_users
from openim_ray.services.notifications import Cause, tell_user
from openim_ray.services.paging import check_text, check_user_id
from openim_ray.transactions import DirectoryTransaction

BLACKS_MAX: Final = 10_000
"""Entries of a black list; a further one is refused."""


class BlackListService:
    """
    Changes of black lists.

    Guarantee: once a call has returned, what it says holds for the next message of the two; while the owner of their log can't be
    reached, within the time that admission remembers facts.

    Args:
        changes: runs them.
    """

    def __init__(self, changes: DirectoryChanges) -> None:
        self._changes = changes

    async def block(self, cause: Cause, owner_id: str, blocked_id: str, ex: str) -> None:
        """
        Put a user on the owner's black list; 1207 to both. Who is on it already stays since when she is.

        Raises:
            CanNotAddYourself: it is the owner herself.
            ArgsError: `ex` is too long, or the list is full.
            RecordNotFound: one of them doesn't exist.
        """
        blocked = check_user_id("blackUserID", blocked_id)
        check_text("ex", ex, EX_BYTES_MAX)
        if blocked == owner_id:
            raise errors.CanNotAddYourself("blackUserID is ownerUserID")
        await self._changes.commit(partial(_block, cause, owner_id, blocked, ex))

    async def unblock(self, cause: Cause, owner_id: str, blocked_id: str) -> None:
        """
        Take a user off the owner's black list; 1208 to both. If she wasn't on it nothing happens.

        Raises:
            ArgsError: no id that a user could have.
            RecordNotFound: there is no such owner.
        """
        blocked = check_user_id("blackUserID", blocked_id)
        await self._changes.commit(partial(_unblock, cause, owner_id, blocked))


def _block(cause: Cause, owner_id: str, blocked_id: UserID, ex: str, tx: DirectoryTransaction) -> None:
    users = existing_users(tx, {"ownerUserID": [owner_id], "blackUserID": [blocked_id]})
    known = tx.blacks_among(owner_id, [blocked_id]).get(blocked_id)
    if known is None and tx.black_count(owner_id) >= BLACKS_MAX:
        raise errors.ArgsError(f"ownerUserID has blocked {BLACKS_MAX} users, which is the limit")
    tx.put_blocked(
        Blocked(
            owner_user_id=UserID(owner_id),
            blocked=users[blocked_id],
            create_time=known.create_time if known else cause.now_ms,
            operator_user_id=cause.user_id,
            ex=ex,
        )
    )
    tips = BlackAddedTips(fromToUserID=FromToUserID(fromUserID=owner_id, toUserID=blocked_id))
    tell_user(tx, cause, ContentType.BLACK_ADDED, owner_id, blocked_id, tips, forget_facts=True)


def _unblock(cause: Cause, owner_id: str, blocked_id: UserID, tx: DirectoryTransaction) -> None:
    check_owner(tx, owner_id)
    if not tx.delete_blocked(owner_id, blocked_id):
        return  # else anybody could fill the outbox, and be heard by strangers
    tips = BlackDeletedTips(fromToUserID=FromToUserID(fromUserID=owner_id, toUserID=blocked_id))
    tell_user(tx, cause, ContentType.BLACK_DELETED, owner_id, blocked_id, tips, forget_facts=True)
