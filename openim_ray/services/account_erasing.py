"""
Accounts that are erased for good: not of the official server, which has no such thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from openim_ray.config.settings import AuthSection
from openim_ray.domain import errors
from openim_ray.domain.erasure import Erasure
from openim_ray.domain.people import User, UserStatus
from openim_ray.ports import DirectoryStore
from openim_ray.services.auth import TokenService
from openim_ray.services.changes import DirectoryChanges
from openim_ray.transactions import DirectoryTransaction


class AccountErasing:
    """
    Begins erasures, and tells how far they have come; a persistence actor does the rest (`services.erasing`).

    Guarantee: when `begin` has returned, the account has no name, no token and no connection any more, nobody can log in with it or take its id,
    and the erasure of what she wrote goes on by itself after whatever crash.

    Args:
        changes: runs changes.
        directory: where erasures are looked up.
        tokens: ends tokens.
        settings: of it, the administrators: these can't be erased.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(
        self,
        changes: DirectoryChanges,
        directory: DirectoryStore,
        tokens: TokenService,
        settings: AuthSection,
        now_ms: Callable[[], int],
    ) -> None:
        self._changes = changes
        self._directory = directory
        self._tokens = tokens
        self._admin_ids = settings.admin_user_ids
        self._now_ms = now_ms

    async def begin(self, user_id: str) -> Erasure:
        """
        Erase an account. Saying it again ends what may have been left when it was said first, and tells how far it has come.

        Raises:
            ArgsError: an administrator of this server.
            UserIDNotFound: no such user.
        """
        if user_id in self._admin_ids:
            raise errors.ArgsError("userID is an administrator of this server")
        erasure = await self._changes.commit(partial(_begin, user_id, self._now_ms()))
        await self._tokens.end_all(user_id)
        return erasure

    async def find(self, user_id: str) -> Erasure:
        """
        Return how far the erasure of an account has come.

        Raises:
            RecordNotFound: it is not erased.
        """
        found = await self._directory.view(lambda view: view.erasure(user_id))
        if found is None:
            raise errors.RecordNotFound("userID: no such account is erased")
        return found


def _begin(user_id: str, now_ms: int, tx: DirectoryTransaction) -> Erasure:
    known = tx.erasure(user_id)
    if known is not None:
        return known
    user: User | None = tx.users([user_id]).get(user_id)
    if user is None:
        raise errors.UserIDNotFound("userID: no such user")
    tx.put_user(replace(user, nickname="", face_url="", ex="", status=UserStatus.ERASED))
    tx.forget_texts(user_id)
    begun = Erasure(user_id=user_id, created_ms=now_ms)
    tx.put_erasure(begun)
    return begun
