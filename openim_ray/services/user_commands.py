"""
What users keep for themselves: favourites and the like (`process_user_command_*`, OpenIM wire, §6.3).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import UserCommand, UserStatus
from openim_ray.ports import DirectoryStore
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import UserCommandAddTips, UserCommandDeleteTips, UserCommandUpdateTips
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.notifications import Cause, tell_user
from openim_ray.services.paging import check_text
from openim_ray.transactions import DirectoryTransaction

COMMANDS_MAX: Final = 1_000
"""Things that a user keeps; a further one is refused, because they are always read all at once."""

UUID_BYTES_MAX: Final = 255
VALUE_BYTES_MAX: Final = 16_384
"""Of `value` and of `ex`, in UTF-8; a longer one is refused."""


class CommandKey(NamedTuple):
    """
    Which thing it is.
    """

    user_id: str
    kind: int
    uuid: str


class UserCommandService:
    """
    Things that users keep; each change is told to their own devices.

    Args:
        changes: runs changes.
        directory: where they are kept.
    """

    def __init__(self, changes: DirectoryChanges, directory: DirectoryStore) -> None:
        self._changes = changes
        self._directory = directory

    async def add(self, cause: Cause, key: CommandKey, value: str, ex: str) -> None:
        """
        Keep a thing; 1305.

        Raises:
            ArgsError: no uuid, a text too long, or more things than allowed.
            UserIDNotFound: no such user.
            DuplicateKey: a thing of this kind and uuid is there.
        """
        _check(key, value, ex)
        await self._changes.commit(partial(_add, cause, key, value, ex))

    async def update(self, cause: Cause, key: CommandKey, value: str | None, ex: str | None) -> None:
        """
        Change a thing; None stays as it is; 1307.

        Raises:
            ArgsError: no uuid, or a text too long.
            RecordNotFound: no such thing.
        """
        _check(key, value or "", ex or "")
        await self._changes.commit(partial(_update, cause, key, value, ex))

    async def delete(self, cause: Cause, key: CommandKey) -> None:
        """
        Keep a thing no longer; 1306.

        Raises:
            ArgsError: no uuid, or one too long.
            RecordNotFound: no such thing.
        """
        _check(key, "", "")
        await self._changes.commit(partial(_delete, cause, key))

    async def all(self, user_id: str, kind: int | None = None) -> list[UserCommand]:
        """
        Return what a user keeps, of one kind or (None) all, oldest first.
        """
        return await self._directory.view(lambda view: view.user_commands(user_id, kind))


def _check(key: CommandKey, value: str, ex: str) -> None:
    if not key.uuid:
        raise errors.ArgsError("uuid is empty")
    check_text("uuid", key.uuid, UUID_BYTES_MAX)
    check_text("value", value, VALUE_BYTES_MAX)
    check_text("ex", ex, VALUE_BYTES_MAX)


def _add(cause: Cause, key: CommandKey, value: str, ex: str, tx: DirectoryTransaction) -> None:
    user_id, kind, uuid = key
    user = tx.users([user_id]).get(user_id)
    if user is None or user.status == UserStatus.ERASED:
        raise errors.UserIDNotFound("userID: no such user")
    kept = tx.user_commands(user_id, None)
    if any((one.kind, one.uuid) == (kind, uuid) for one in kept):
        raise errors.DuplicateKey("uuid: there is one of this type")
    if len(kept) >= COMMANDS_MAX:
        raise errors.ArgsError(f"uuid: the user keeps {COMMANDS_MAX} things, which is the limit")
    tx.put_user_command(
        UserCommand(user_id=UserID(user_id), kind=kind, uuid=uuid, value=value, ex=ex, create_time=cause.now_ms // 1000)
    )
    tips = UserCommandAddTips(fromUserID=user_id, toUserID=user_id)
    tell_user(tx, cause, ContentType.USER_COMMAND_ADD, user_id, user_id, tips)


def _update(cause: Cause, key: CommandKey, value: str | None, ex: str | None, tx: DirectoryTransaction) -> None:
    known = [one for one in tx.user_commands(key.user_id, key.kind) if one.uuid == key.uuid]
    if not known:
        raise _not_found()
    changed = replace(known[0], value=known[0].value if value is None else value, ex=known[0].ex if ex is None else ex)
    tx.put_user_command(changed)
    tips = UserCommandUpdateTips(fromUserID=key.user_id, toUserID=key.user_id)
    tell_user(tx, cause, ContentType.USER_COMMAND_UPDATE, key.user_id, key.user_id, tips)


def _delete(cause: Cause, key: CommandKey, tx: DirectoryTransaction) -> None:
    if not tx.delete_user_command(*key):
        raise _not_found()
    tips = UserCommandDeleteTips(fromUserID=key.user_id, toUserID=key.user_id)
    tell_user(tx, cause, ContentType.USER_COMMAND_DELETE, key.user_id, key.user_id, tips)


def _not_found() -> errors.RecordNotFound:
    return errors.RecordNotFound("uuid: the user keeps nothing with it of this type")
