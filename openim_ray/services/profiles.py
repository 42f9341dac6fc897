"""
Changes of accounts, and who hears of them (OpenIM wire, §6.3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from openim_ray.domain import errors
from openim_ray.domain.people import ProfileAnnouncement, User, UserStatus, shows_differently
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import UserInfoUpdatedTips
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.notifications import Cause, tell_user
from openim_ray.services.users import check_field
from openim_ray.transactions import DirectoryTransaction


class Receivers(Protocol):
    """
    Who decides by what a user receives; `ports.Broker` does.
    """

    async def forget_receiver(self, user_id: str) -> None:
        """See `ports.Broker`."""
        ...


class ProfileService:
    """
    Changes of accounts: the user's devices hear of them at once, friends and groups from a page to the next behind the answer.

    Args:
        changes: runs them.
        receivers: hears when a user has changed what she receives.
        announced: called when there is something to announce (`services.profile_announcements`).
    """

    def __init__(self, changes: DirectoryChanges, receivers: Receivers, announced: Callable[[], None]) -> None:
        self._changes = changes
        self._receivers = receivers
        self._announced = announced

    async def update(self, cause: Cause, user_id: str, changes: Mapping[str, str | int]) -> None:
        """
        Change an account; keys: nickname, face_url, ex, global_recv_msg_opt. 1303 to her devices.

        What others see of her is announced: 1209 to whoever has her in the friend list, 1516 to each group that shows it. What she
        receives counts from the next message on; if the owner of a log could not be reached in time, within ten seconds.

        Raises:
            ArgsError: a text is too long, or an option unknown.
            UserIDNotFound: no such user.
        """
        for name, value in changes.items():
            check_field(name, value)
        if await self._changes.commit(partial(_update, cause, user_id, dict(changes))):
            self._announced()
        if "global_recv_msg_opt" in changes:
            await self._receivers.forget_receiver(user_id)


def _update(cause: Cause, user_id: str, changes: dict[str, str | int], tx: DirectoryTransaction) -> bool:
    """Return whether there is something that others see."""
    user = tx.users([user_id]).get(user_id)
    if user is None or user.status == UserStatus.ERASED:
        raise errors.UserIDNotFound("userID: no such user")
    changed = replace(user, **changes)  # type: ignore[arg-type]
    if changed != user:
        tx.put_user(changed)
    sender_id = cause.user_id or user_id
    tell_user(tx, cause, ContentType.USER_INFO_UPDATED, sender_id, user_id, UserInfoUpdatedTips(userID=user_id))
    if not shows_differently(user, changed):
        return False
    _announce(tx, cause, user, changed)
    return True


def _announce(tx: DirectoryTransaction, cause: Cause, before: User, after: User) -> None:
    """Put an announcement; what an older one has not told yet, this one tells."""
    waiting = tx.profile_announcement(after.user_id)
    tx.put_profile_announcement(
        ProfileAnnouncement(
            user_id=after.user_id,
            operation_id=cause.operation_id,
            created_ms=cause.now_ms,
            moved_ms=cause.now_ms,
            is_nickname_new=after.nickname != before.nickname or (waiting is not None and waiting.is_nickname_new),
            is_face_new=after.face_url != before.face_url or (waiting is not None and waiting.is_face_new),
        )
    )
