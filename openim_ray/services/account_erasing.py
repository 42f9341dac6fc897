"""
Accounts that are erased for good: not of the official server, which has no such thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from openim_ray.config.settings import AuthSection
from openim_ray.domain import errors
from openim_ray.domain.erasure import Erasure, ErasurePhase
from openim_ray.domain.people import User, UserStatus
from openim_ray.ports import DirectoryStore
from openim_ray.services.changes import DirectoryChanges
from openim_ray.transactions import DirectoryTransaction, DirectoryView

if TYPE_CHECKING:
    from openim_ray.services.auth import TokenService
    from openim_ray.services.profiles import Receivers

LOGS_MAX: Final = 1_000
EFFECTS_MAX: Final = 1_000
"""Logs, those that wait longest, and effects of each that are looked at for words of an erased user."""


class AccountErasing:
    """
    Begins erasures, and tells how far they have come; a persistence actor does the rest (`services.erasing`).

    Guarantee: when `begin` has returned, the account has no name, no token and no connection any more, nobody can log in with it or take its id,
    the next message to her is refused (if the owner of a log could not be reached in time, within ten seconds),
    and the erasure of what she wrote goes on by itself after whatever crash. When it has raised Unavailable, the erasure may have begun: then tokens
    and connections end by themselves, too, before anything is erased.

    Args:
        changes: runs changes.
        directory: where erasures are looked up.
        tokens: ends tokens.
        receivers: are told that she receives nothing any more.
        settings: of it, the administrators: these can't be erased.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(
        self,
        changes: DirectoryChanges,
        directory: DirectoryStore,
        tokens: TokenService,
        receivers: Receivers,
        settings: AuthSection,
        now_ms: Callable[[], int],
    ) -> None:
        self._changes = changes
        self._directory = directory
        self._tokens = tokens
        self._receivers = receivers
        self._admin_ids = settings.admin_user_ids
        self._now_ms = now_ms

    async def begin(self, user_id: str) -> Erasure:
        """
        Erase an account. Saying it again ends what may have been left when it was said first, and tells how far it has come.

        If a token was still valid, what she wrote with it is erased anew, also after all was done.

        Raises:
            Unavailable: it may have begun, but tokens or connections could not be ended now.
            ArgsError: an administrator of this server.
            UserIDNotFound: no such user.
        """
        if user_id in self._admin_ids:
            raise errors.ArgsError("userID is an administrator of this server")
        erasure = await self._changes.commit(partial(_begin, user_id, self._now_ms()))
        if erasure.phase != ErasurePhase.TOKENS and await self._tokens.has_valid(user_id):
            erasure = await self._changes.commit(partial(_begin_anew, erasure, self._now_ms()))
        await self._receivers.forget_receiver(user_id)
        await self._tokens.end_all(user_id)
        return await self._changes.commit(partial(logins_ended, erasure, self._now_ms()))

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
    if user_id not in tx.users([user_id]):
        raise errors.UserIDNotFound("userID: no such user")
    neutralize(user_id, tx)
    begun = Erasure(user_id=user_id, created_ms=now_ms)
    tx.put_erasure(begun)
    return begun


def _begin_anew(erasure: Erasure, now_ms: int, tx: DirectoryTransaction) -> Erasure:
    known = tx.erasure(erasure.user_id) or erasure
    begun = Erasure(user_id=known.user_id, messages=known.messages, created_ms=now_ms)
    tx.put_erasure(begun)
    return begun


def logins_ended(erasure: Erasure, now_ms: int, tx: DirectoryTransaction) -> Erasure:
    """
    Let an erasure go on whose user's tokens and connections have ended, and return it; one that was begun anew meanwhile stays as it is.
    """
    known = tx.erasure(erasure.user_id) or erasure
    if known.phase != ErasurePhase.TOKENS or known.created_ms != erasure.created_ms:
        return known
    ended = replace(known, phase=ErasurePhase.MESSAGES, created_ms=now_ms)
    tx.put_erasure(ended)
    return ended


def neutralize(user_id: str, tx: DirectoryTransaction) -> None:
    """
    Take from an account what it was called, and from the directory what its user said beside messages.
    """
    user: User = tx.users([user_id])[user_id]
    tx.put_user(replace(user, nickname="", face_url="", ex="", status=UserStatus.ERASED))
    tx.forget_texts(user_id)


def is_waited_for(erasure: Erasure, settle_ms: int, view: DirectoryView) -> bool:
    """
    Tell whether the outbox may still hold what she said before calls of hers ended, `settle_ms` after the erasure was begun: it would become a
    message later.
    """
    before_ms, name = erasure.created_ms + settle_ms, erasure.user_id.encode()
    return any(
        effect.created_ms <= before_ms and name in effect.payload
        for home_key in view.logs_with_effects(LOGS_MAX)
        for effect in view.waiting_effects(home_key, EFFECTS_MAX)
    )
