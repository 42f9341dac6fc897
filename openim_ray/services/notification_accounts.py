"""
Accounts that are no people: they notify users, or are robots (OpenIM wire, §4.2, §6.3).
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User, UserStatus
from openim_ray.ports import DirectoryStore
from openim_ray.services.notifications import Cause
from openim_ray.services.paging import check_text, window_of
from openim_ray.services.profiles import ProfileService
from openim_ray.services.users import TEXT_BYTES_MAX, UserService

LEVELS: Final = (3, 4)
"""`appMangerLevel` of notification accounts and robots."""

_ID_DIGITS: Final = 10
_ATTEMPTS: Final = 5


class NotificationAccountService:
    """
    Notification accounts and robots, as administrators see and change them.

    Args:
        users: makes accounts.
        profiles: changes them.
        directory: where they are looked up.
    """

    def __init__(self, users: UserService, profiles: ProfileService, directory: DirectoryStore) -> None:
        self._users = users
        self._profiles = profiles
        self._directory = directory

    async def add(self, account: User) -> User:
        """
        Create an account and return it; without an id it gets one.

        Raises:
            ArgsError: the level is that of people, the nickname is empty, or something that no account may have.
            RegisteredAlready: the id is taken.
        """
        if account.app_manager_level not in LEVELS:
            raise errors.ArgsError("appMangerLevel is neither 3 (notification account) nor 4 (robot)")
        if not account.nickname:
            raise errors.ArgsError("nickName is empty")
        if account.user_id:
            await self._users.register([account])
            return account
        return await self._add_numbered(account)

    async def update(self, cause: Cause, user_id: str, nickname: str, face_url: str) -> None:
        """
        Set what is not empty; told like any change of an account.

        Raises:
            ArgsError: it is the account of a person, or a text is too long.
            UserIDNotFound: no such account.
        """
        user = (await self._directory.users([user_id])).get(user_id)
        if user is None or user.status == UserStatus.ERASED:
            raise errors.UserIDNotFound("userID: no such account")
        if user.app_manager_level not in LEVELS:
            raise errors.ArgsError("userID is neither a notification account nor a robot")
        fields: dict[str, str | int] = {"nickname": nickname, "face_url": face_url}
        await self._profiles.update(cause, user_id, {name: value for name, value in fields.items() if value})

    async def search(self, keyword: str, level: int | None, number: int, size: int) -> tuple[int, list[User]]:
        """
        Return total and one page of accounts whose id or nickname contains a keyword, of one level or (None) both.
        """
        window = window_of(number, size)
        check_text("keyword", keyword, TEXT_BYTES_MAX["nickname"])
        if level is not None and level not in LEVELS:
            raise errors.ArgsError("appManagerLevel is neither 3 (notification account) nor 4 (robot)")
        levels = LEVELS if level is None else (level,)
        return await self._directory.view(lambda view: view.search_users(keyword, levels, window))

    async def _add_numbered(self, account: User) -> User:
        for _ in range(_ATTEMPTS):
            user_id = str(secrets.randbelow(9 * 10 ** (_ID_DIGITS - 1)) + 10 ** (_ID_DIGITS - 1))
            numbered = replace(account, user_id=UserID(user_id))
            try:
                await self._users.register([numbered])
            except errors.RegisteredAlready:
                continue
            return numbered
        raise errors.Unavailable("no free userID was found; try again")
