"""
Settings of clients, which the server keeps and does not understand (`*_user_client_config`, OpenIM wire, §6.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from openim_ray.domain import errors
from openim_ray.ports import DirectoryStore
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.paging import check_text, window_of
from openim_ray.transactions import DirectoryTransaction, DirectoryView

EVERYBODY: Final = ""
"""In place of a user id: settings that hold for all who don't have their own."""

CONFIGS_MAX: Final = 256
"""Settings of a user; further ones are refused, because they are always read all at once."""

KEY_BYTES_MAX: Final = 255
VALUE_BYTES_MAX: Final = 16_384


class ClientConfigService:
    """
    Settings of users' clients. Nobody is told of changes: clients ask when they need them.

    Args:
        changes: runs changes.
        directory: where they are kept.
    """

    def __init__(self, changes: DirectoryChanges, directory: DirectoryStore) -> None:
        self._changes = changes
        self._directory = directory

    async def find(self, user_id: str) -> dict[str, str]:
        """
        Return a user's settings: those of everybody, and in their place her own.
        """

        def query(view: DirectoryView) -> dict[str, str]:
            own = view.client_config(user_id) if user_id != EVERYBODY else {}
            return {**view.client_config(EVERYBODY), **own}

        return await self._directory.view(query)

    async def put(self, user_id: str, configs: Mapping[str, str]) -> None:
        """
        Add or replace settings of a user, or of everybody.

        Raises:
            ArgsError: none, too many, no key, or a text too long.
            UserIDNotFound: no such user.
        """
        if not configs:
            raise errors.ArgsError("configs is empty")
        for key, value in configs.items():
            _check_key("configs", key)
            check_text(f"configs: the value of {key}", value, VALUE_BYTES_MAX)
        await self._changes.commit(partial(_put, user_id, dict(configs)))

    async def delete(self, user_id: str, keys: Sequence[str]) -> None:
        """
        Remove settings; those that aren't there are no error.

        Raises:
            ArgsError: none, too many, no key, or one too long.
        """
        if not keys:
            raise errors.ArgsError("keys is empty")
        if len(keys) > CONFIGS_MAX:
            raise errors.ArgsError(f"keys holds more than {CONFIGS_MAX} keys")
        for key in keys:
            _check_key("keys", key)
        await self._changes.commit(lambda tx: tx.delete_client_config(user_id, keys))

    async def page(self, user_id: str, key: str, number: int, size: int) -> tuple[int, list[tuple[str, str, str]]]:
        """
        Return total and one page of (user id, key, value); texts that are not empty must match.
        """
        window = window_of(number, size)
        check_text("key", key, KEY_BYTES_MAX)
        return await self._directory.view(lambda view: view.page_client_config(user_id, key, window))


def _check_key(name: str, key: str) -> None:
    if not key:
        raise errors.ArgsError(f"{name} holds an empty key")
    check_text(f"{name}: a key", key, KEY_BYTES_MAX)


def _put(user_id: str, configs: dict[str, str], tx: DirectoryTransaction) -> None:
    if user_id != EVERYBODY and user_id not in tx.users([user_id]):
        raise errors.UserIDNotFound("userID: no such user")
    if len({*tx.client_config(user_id), *configs}) > CONFIGS_MAX:
        raise errors.ArgsError(f"configs: a user has at most {CONFIGS_MAX} settings")
    tx.put_client_config(user_id, configs)
