"""
Accounts that may not log in for a while: not of the official server, which has no such thing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from openim_ray.config.settings import AuthSection
from openim_ray.domain import errors
from openim_ray.domain.people import User, UserStatus
from openim_ray.services.auth import TokenService
from openim_ray.services.changes import DirectoryChanges
from openim_ray.transactions import DirectoryTransaction


class AccountService:
    """
    Disables accounts, and enables them again.

    Args:
        changes: runs changes.
        tokens: ends tokens.
        settings: of it, the administrators: these can't be disabled.
    """

    def __init__(self, changes: DirectoryChanges, tokens: TokenService, settings: AuthSection) -> None:
        self._changes = changes
        self._tokens = tokens
        self._admin_ids = settings.admin_user_ids

    async def disable(self, user_id: str) -> None:
        """
        Let a user be logged out everywhere, and get no token until she is enabled. What others send her waits for her.

        Saying it again ends what may have been left when it was said first.

        Raises:
            ArgsError: an administrator of this server.
            UserIDNotFound: no such user.
        """
        if user_id in self._admin_ids:
            raise errors.ArgsError("userID is an administrator of this server")
        await self._changes.commit(partial(_set_status, user_id, UserStatus.DISABLED))
        await self._tokens.end_all(user_id)

    async def enable(self, user_id: str) -> None:
        """
        Let a user log in again; her old tokens stay ended.

        Raises:
            UserIDNotFound: no such user.
        """
        await self._changes.commit(partial(_set_status, user_id, UserStatus.ACTIVE))


def _set_status(user_id: str, status: UserStatus, tx: DirectoryTransaction) -> None:
    user: User | None = tx.users([user_id]).get(user_id)
    if user is None or user.status == UserStatus.ERASED:
        raise errors.UserIDNotFound("userID: no such user")
    if user.status != status:
        tx.put_user(replace(user, status=status))
