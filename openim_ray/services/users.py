"""
Accounts: made and looked up (OpenIM wire, §6.3). `services.profiles` changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID, user_id_fault
from openim_ray.domain.people import User
from openim_ray.ports import UserStore
from openim_ray.services.paging import check_ids, check_text, page_of

ADMIN_LEVEL: Final = 2
"""`app_manager_level` of an administrator (OpenIM wire, §4.2)."""

USERS_PER_REGISTRATION_MAX: Final = 5_000
"""Accounts in one call; more is refused."""

TEXT_BYTES_MAX: Final = {"nickname": 1_024, "face_url": 65_536, "ex": 65_536}
"""Texts of an account in UTF-8; a longer one is refused, because it stands in the lists of every friend."""

_WIRE_NAMES: Final = {"nickname": "nickname", "face_url": "faceURL", "ex": "ex"}
_LEVELS: Final = range(5)
_RECEIVE_OPTIONS: Final = range(3)


class UserService:
    """
    Accounts, as callers may see them.

    Args:
        users: where they are kept.
        now_ms: wall clock in Unix milliseconds.
    """

    def __init__(self, users: UserStore, now_ms: Callable[[], int]) -> None:
        self._users = users
        self._now_ms = now_ms

    async def register(self, users: Sequence[User]) -> None:
        """
        Create accounts, all or none; the time of creation is now.

        Raises:
            ArgsError: nobody, too many, a bad id, the same id twice, a text too long, an unknown level or option.
            RegisteredAlready: an id is taken.
        """
        self._check_registration(users)
        now = self._now_ms()
        await self._users.register([_created(user, now) for user in users])

    async def ensure_admins(self, user_ids: Sequence[str]) -> None:
        """
        Create the accounts of administrators that don't exist yet; called at start.
        """
        known = await self._users.users(user_ids)
        for user_id in user_ids:
            if user_id not in known:
                await self._ensure_admin(UserID(user_id))

    async def find(self, user_ids: Sequence[str]) -> list[User]:
        """
        Return the accounts that exist, in the order asked for.
        """
        asked = check_ids("userIDs", user_ids)
        found = await self._users.users(asked)
        return [found[user_id] for user_id in asked if user_id in found]

    async def existing(self, user_ids: Sequence[str]) -> list[tuple[str, bool]]:
        """
        Return which ids have accounts, in the order asked for.
        """
        asked = check_ids("checkUserIDs", user_ids)
        found = await self._users.users(asked)
        return [(user_id, user_id in found) for user_id in asked]

    async def page(self, number: int, size: int, user_id: str = "", nickname: str = "") -> tuple[int, list[User]]:
        """
        Return total and one page of accounts; texts that are not empty filter by substring.
        """
        return await self._users.page_users(page_of(number, size), user_id, nickname)

    def _check_registration(self, users: Sequence[User]) -> None:
        if not users:
            raise errors.ArgsError("users is empty")
        if len(users) > USERS_PER_REGISTRATION_MAX:
            raise errors.ArgsError(f"users holds more than {USERS_PER_REGISTRATION_MAX} accounts")
        if len({user.user_id for user in users}) < len(users):
            raise errors.ArgsError("users holds the same userID twice")
        for user in users:
            _check_user(user)

    async def _ensure_admin(self, user_id: UserID) -> None:
        admin = User(user_id=user_id, nickname=user_id, create_time=self._now_ms(), app_manager_level=ADMIN_LEVEL)
        try:
            await self._users.register([admin])
        except errors.RegisteredAlready:
            return  # another process starts, too


def check_field(name: str, value: str | int) -> None:
    """
    Raise ArgsError if a field of an account can't have a value.
    """
    limit = TEXT_BYTES_MAX.get(name)
    if limit is None:
        if value not in _RECEIVE_OPTIONS:
            raise errors.ArgsError("globalRecvMsgOpt is not in 0..2")
    else:
        check_text(_WIRE_NAMES[name], str(value), limit)


def _created(user: User, now: int) -> User:
    return User(
        user_id=user.user_id,
        nickname=user.nickname,
        face_url=user.face_url,
        ex=user.ex,
        create_time=now,
        app_manager_level=user.app_manager_level,
        global_recv_msg_opt=user.global_recv_msg_opt,
    )


def _check_user(user: User) -> None:
    fault = user_id_fault(user.user_id)
    if fault is not None:
        raise errors.ArgsError(fault)
    if user.app_manager_level not in _LEVELS:
        raise errors.ArgsError("appMangerLevel is not in 0..4")
    for name in (*TEXT_BYTES_MAX, "global_recv_msg_opt"):
        check_field(name, getattr(user, name))
