"""
Friends, black lists and joined groups in `directory.db`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.people import Blocked, Friend, SingleChatFacts
from openim_ray.storage.directory_rules import SYSTEM_LEVELS
from openim_ray.storage.sqlite.directory_file import DirectoryFile, offset_of
from openim_ray.storage.sqlite.directory_tables import BLACKS, CONVERSATIONS, FRIENDS, MEMBERS, USERS
from openim_ray.storage.sqlite.relational import is_one_of
from openim_ray.storage.sqlite.users import USER_COLUMNS, user_of
from openim_ray.storage.version_rules import ListKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select

    from openim_ray.domain.ids import UserID
    from openim_ray.ports import Page, VersionDelta

_FRIEND_COLUMNS = (
    FRIENDS.c.owner_user_id,
    FRIENDS.c.remark,
    FRIENDS.c.create_time,
    FRIENDS.c.add_source,
    FRIENDS.c.operator_user_id,
    FRIENDS.c.ex,
    FRIENDS.c.is_pinned,
)
_BLACK_COLUMNS = (
    BLACKS.c.owner_user_id,
    BLACKS.c.create_time,
    BLACKS.c.add_source,
    BLACKS.c.operator_user_id,
    BLACKS.c.ex,
)


class SqliteRelationStore(DirectoryFile):
    """
    `ports.RelationStore`.
    """

    async def friends(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Friend]]:
        """See `ports.RelationStore`."""
        return await self._read(partial(_page_friends, owner_user_id, page))

    async def designated_friends(self, owner_user_id: UserID, friend_user_ids: Sequence[str]) -> list[Friend]:
        """See `ports.RelationStore`."""
        query = _friends_of(owner_user_id).where(is_one_of(FRIENDS.c.friend_user_id, friend_user_ids))
        return await self._read(lambda connection: [_friend(row) for row in connection.execute(query)])

    async def friends_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return await self._delta(ListKind.FRIENDS, owner_user_id, version_id, version)

    async def friend_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        query = _friends_of(owner_user_id).with_only_columns(FRIENDS.c.friend_user_id)
        return await self._versioned_ids(
            ListKind.FRIENDS, owner_user_id, lambda connection: list(connection.scalars(query))
        )

    async def blocked(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Blocked]]:
        """See `ports.RelationStore`."""
        return await self._read(partial(_page_blocked, owner_user_id, page))

    async def joined_groups_delta(self, user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return await self._delta(ListKind.JOINED_GROUPS, user_id, version_id, version)

    async def joined_group_ids(self, user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        columns = MEMBERS.c
        query = select(columns.group_id).where(columns.user_id == user_id).order_by(columns.join_time, columns.id)
        return await self._versioned_ids(
            ListKind.JOINED_GROUPS, user_id, lambda connection: list(connection.scalars(query))
        )

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """See `ports.RelationStore`."""
        return await self._read(partial(_single_chat_facts, sender_id, receiver_id))


def _friends_of(owner_user_id: str) -> Select[*tuple[Any, ...]]:
    return (
        select(*_FRIEND_COLUMNS, *USER_COLUMNS)
        .join_from(FRIENDS, USERS, FRIENDS.c.friend_user_id == USERS.c.user_id)
        .where(FRIENDS.c.owner_user_id == owner_user_id)
        .order_by(FRIENDS.c.is_pinned.desc(), FRIENDS.c.create_time, FRIENDS.c.id)
    )


def _friend(row: Row[*tuple[Any, ...]]) -> Friend:
    owner_user_id, remark, create_time, add_source, operator_user_id, ex, is_pinned, *user = row
    return Friend(
        owner_user_id=owner_user_id,
        friend=user_of(user),
        remark=remark,
        create_time=create_time,
        add_source=add_source,
        operator_user_id=operator_user_id,
        ex=ex,
        is_pinned=is_pinned,
    )


def _page_friends(owner_user_id: str, page: Page, connection: Connection) -> tuple[int, list[Friend]]:
    count = select(func.count()).select_from(FRIENDS).where(FRIENDS.c.owner_user_id == owner_user_id)
    rows = _friends_of(owner_user_id).limit(page.size).offset(offset_of(page))
    return connection.execute(count).scalar_one(), [_friend(row) for row in connection.execute(rows)]


def _page_blocked(owner_user_id: str, page: Page, connection: Connection) -> tuple[int, list[Blocked]]:
    mine = BLACKS.c.owner_user_id == owner_user_id
    total = connection.execute(select(func.count()).select_from(BLACKS).where(mine)).scalar_one()
    rows = (
        select(*_BLACK_COLUMNS, *USER_COLUMNS)
        .join_from(BLACKS, USERS, BLACKS.c.blocked_user_id == USERS.c.user_id)
        .where(mine)
        .order_by(BLACKS.c.create_time, BLACKS.c.id)
        .limit(page.size)
        .offset(offset_of(page))
    )
    return total, [_blocked(row) for row in connection.execute(rows)]


def _blocked(row: Row[*tuple[Any, ...]]) -> Blocked:
    owner_user_id, create_time, add_source, operator_user_id, ex, *user = row
    return Blocked(
        owner_user_id=owner_user_id,
        blocked=user_of(user),
        create_time=create_time,
        add_source=add_source,
        operator_user_id=operator_user_id,
        ex=ex,
    )


def _single_chat_facts(sender_id: str, receiver_id: str, connection: Connection) -> SingleChatFacts:
    users = select(USERS.c.user_id, USERS.c.app_manager_level, USERS.c.global_recv_msg_opt)
    rows = connection.execute(users.where(is_one_of(USERS.c.user_id, [sender_id, receiver_id])))
    accounts = {row.user_id: row for row in rows}
    sender, receiver = accounts.get(sender_id), accounts.get(receiver_id)
    block = select(BLACKS.c.id).where(BLACKS.c.owner_user_id == receiver_id, BLACKS.c.blocked_user_id == sender_id)
    option = select(CONVERSATIONS.c.recv_msg_opt).where(
        CONVERSATIONS.c.owner_user_id == receiver_id,
        CONVERSATIONS.c.conversation_id == single_chat_id(sender_id, receiver_id),
    )
    return SingleChatFacts(
        receiver_exists=receiver is not None,
        blocked_by_receiver=connection.execute(block).first() is not None,
        receiver_global_option=receiver.global_recv_msg_opt if receiver else 0,
        receiver_conversation_option=connection.execute(option).scalar() or 0,
        sender_is_system=sender is not None and sender.app_manager_level in SYSTEM_LEVELS,
    )
