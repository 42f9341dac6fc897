"""
Friends, black lists, joined groups and members.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, exists, func, select

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.group import GroupChatFacts
from openim_ray.domain.people import Blocked, Friend, SingleChatFacts, UserStatus
from openim_ray.storage.directory_rules import SYSTEM_LEVELS
from openim_ray.storage.relational.dialects import INTEGER, TEXT, is_wanted, wanted
from openim_ray.storage.relational.directory_part import DirectoryPart, window_of
from openim_ray.storage.relational.directory_tables import BLACKS, CONVERSATIONS, FRIENDS, GROUPS, MEMBERS, USERS
from openim_ray.storage.relational.lookups import Lookup
from openim_ray.storage.relational.users import USER_COLUMNS, user_of
from openim_ray.storage.version_rules import ListKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from openim_ray.domain.ids import UserID
    from openim_ray.ports import Page, VersionDelta

_OWNER = bindparam("owner", type_=TEXT)
_SIZE, _SKIP = bindparam("size", type_=INTEGER), bindparam("skip", type_=INTEGER)

_FRIENDS = (
    select(
        FRIENDS.c.owner_user_id,
        FRIENDS.c.remark,
        FRIENDS.c.create_time,
        FRIENDS.c.add_source,
        FRIENDS.c.operator_user_id,
        FRIENDS.c.ex,
        FRIENDS.c.is_pinned,
        *USER_COLUMNS,
    )
    .join_from(FRIENDS, USERS, FRIENDS.c.friend_user_id == USERS.c.user_id)
    .where(FRIENDS.c.owner_user_id == _OWNER)
    .order_by(FRIENDS.c.is_pinned.desc(), FRIENDS.c.create_time, FRIENDS.c.id)
)
_FRIENDS_PAGE = _FRIENDS.limit(_SIZE).offset(_SKIP)
_FRIENDS_COUNT = select(func.count()).select_from(FRIENDS).where(FRIENDS.c.owner_user_id == _OWNER)
_FRIEND_IDS = _FRIENDS.with_only_columns(FRIENDS.c.friend_user_id)
DESIGNATED_FRIENDS = _FRIENDS.where(is_wanted(FRIENDS.c.friend_user_id))

BLACKS_LIST = (
    select(
        BLACKS.c.owner_user_id,
        BLACKS.c.create_time,
        BLACKS.c.add_source,
        BLACKS.c.operator_user_id,
        BLACKS.c.ex,
        *USER_COLUMNS,
    )
    .join_from(BLACKS, USERS, BLACKS.c.blocked_user_id == USERS.c.user_id)
    .where(BLACKS.c.owner_user_id == _OWNER)
    .order_by(BLACKS.c.create_time, BLACKS.c.id)
)
_BLACKS_PAGE = Lookup(BLACKS_LIST.limit(_SIZE).offset(_SKIP))
_BLACKS_COUNT = Lookup(select(func.count()).select_from(BLACKS).where(BLACKS.c.owner_user_id == _OWNER))

_JOINED_IDS = select(MEMBERS.c.group_id).where(MEMBERS.c.user_id == _OWNER).order_by(MEMBERS.c.join_time, MEMBERS.c.id)

_MEMBER_IDS = (
    select(MEMBERS.c.user_id)
    .where(MEMBERS.c.group_id == _OWNER)
    .order_by(MEMBERS.c.role_level.desc(), MEMBERS.c.join_time, MEMBERS.c.id)
)

_SENDER, _RECEIVER = bindparam("sender", type_=TEXT), bindparam("receiver", type_=TEXT)
_SENDER_LEVEL = select(USERS.c.app_manager_level).where(USERS.c.user_id == _SENDER).scalar_subquery()
_FACTS = select(
    exists().where(USERS.c.user_id == _RECEIVER, USERS.c.status != int(UserStatus.ERASED)),
    exists().where(BLACKS.c.owner_user_id == _RECEIVER, BLACKS.c.blocked_user_id == _SENDER),
    select(USERS.c.global_recv_msg_opt).where(USERS.c.user_id == _RECEIVER).scalar_subquery(),
    select(CONVERSATIONS.c.recv_msg_opt)
    .where(
        CONVERSATIONS.c.owner_user_id == _RECEIVER,
        CONVERSATIONS.c.conversation_id == bindparam("conversation_id", type_=TEXT),
    )
    .scalar_subquery(),
    _SENDER_LEVEL,
    exists().where(FRIENDS.c.owner_user_id == _RECEIVER, FRIENDS.c.friend_user_id == _SENDER),
)

_GROUP = bindparam("group", type_=TEXT)
_MEMBERSHIP = and_(MEMBERS.c.group_id == _GROUP, MEMBERS.c.user_id == _SENDER)
_GROUP_FACTS = select(
    select(GROUPS.c.status).where(GROUPS.c.group_id == _GROUP).scalar_subquery(),
    select(MEMBERS.c.role_level).where(_MEMBERSHIP).scalar_subquery(),
    select(MEMBERS.c.mute_end_time).where(_MEMBERSHIP).scalar_subquery(),
    _SENDER_LEVEL,
)


class RelationalRelationStore(DirectoryPart):
    """
    `ports.RelationStore`.
    """

    async def friends(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Friend]]:
        """See `ports.RelationStore`."""
        return await self._read(partial(_page_friends, owner_user_id, page))

    async def designated_friends(self, owner_user_id: UserID, friend_user_ids: Sequence[str]) -> list[Friend]:
        """See `ports.RelationStore`; in the list's order."""
        parameters = {"owner": owner_user_id, **wanted(friend_user_ids)}
        return await self._read(
            lambda connection: [friend_of(row) for row in connection.execute(DESIGNATED_FRIENDS, parameters)]
        )

    async def friends_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return await self._delta(ListKind.FRIENDS, owner_user_id, version_id, version)

    async def friend_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        return await self._versioned_ids(ListKind.FRIENDS, owner_user_id, _FRIEND_IDS)

    async def blocked(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Blocked]]:
        """See `ports.RelationStore`; in order of time."""
        return await self._read(partial(_page_blocked, owner_user_id, page))

    async def joined_groups_delta(self, user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return await self._delta(ListKind.JOINED_GROUPS, user_id, version_id, version)

    async def joined_group_ids(self, user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`; in order of joining."""
        return await self._versioned_ids(ListKind.JOINED_GROUPS, user_id, _JOINED_IDS)

    async def members_delta(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return await self._delta(ListKind.MEMBERS, group_id, version_id, version)

    async def member_ids(self, group_id: str) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        return await self._versioned_ids(ListKind.MEMBERS, group_id, _MEMBER_IDS)

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """See `ports.RelationStore`."""
        return await self._read(partial(_single_chat_facts, sender_id, receiver_id))

    async def group_chat_facts(self, group_id: str, sender_id: str) -> GroupChatFacts:
        """See `ports.RelationStore`."""
        return await self._read(partial(_group_chat_facts, group_id, sender_id))


def _page_friends(owner_user_id: str, page: Page, connection: Connection) -> tuple[int, list[Friend]]:
    owner = {"owner": owner_user_id}
    rows = connection.execute(_FRIENDS_PAGE, {**owner, **window_of(page)})
    return connection.execute(_FRIENDS_COUNT, owner).scalar_one(), [friend_of(row) for row in rows]


def friend_of(row: Row[*tuple[Any, ...]]) -> Friend:
    """
    Return the friend of a row of DESIGNATED_FRIENDS.
    """
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


def _page_blocked(owner_user_id: str, page: Page, connection: Connection) -> tuple[int, list[Blocked]]:
    owner = {"owner": owner_user_id}
    rows = _BLACKS_PAGE.rows(connection, {**owner, **window_of(page)})
    ((total,),) = _BLACKS_COUNT.rows(connection, owner)
    return total, [blocked_of(row) for row in rows]


def blocked_of(row: Sequence[Any]) -> Blocked:
    """
    Return the entry of a row of BLACKS_LIST.
    """
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
    parameters = {
        "sender": sender_id,
        "receiver": receiver_id,
        "conversation_id": single_chat_id(sender_id, receiver_id),
    }
    row = connection.execute(_FACTS, parameters).one()
    receiver_exists, blocked, global_option, conversation_option, sender_level, are_friends = row
    return SingleChatFacts(
        receiver_exists=bool(receiver_exists),
        blocked_by_receiver=bool(blocked),
        receiver_global_option=global_option or 0,
        receiver_conversation_option=conversation_option or 0,
        sender_is_system=sender_level in SYSTEM_LEVELS,
        are_friends=bool(are_friends),
    )


def _group_chat_facts(group_id: str, sender_id: str, connection: Connection) -> GroupChatFacts:
    row = connection.execute(_GROUP_FACTS, {"group": group_id, "sender": sender_id}).one()
    status, role_level, mute_end_time, sender_level = row
    sender_is_system = sender_level in SYSTEM_LEVELS
    if status is None:
        return GroupChatFacts(exists=False, sender_is_system=sender_is_system)
    return GroupChatFacts(
        exists=True,
        status=status,
        role_level=role_level or 0,
        mute_end_time=mute_end_time or 0,
        sender_is_system=sender_is_system,
    )
