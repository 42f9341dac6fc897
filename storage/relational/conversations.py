"""
Conversation rows.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.storage.relational import version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, columns_of, is_wanted, replacing, wanted
from openim_ray.storage.relational.directory_part import DirectoryPart, window_of
from openim_ray.storage.relational.directory_tables import CONVERSATIONS
from openim_ray.storage.version_rules import Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from openim_ray.ports import Page, VersionDelta

_NAMES = tuple(column.name for column in CONVERSATIONS.c if column.name != "id")
_columns = columns_of(CONVERSATIONS)
_MINE = CONVERSATIONS.c.owner_user_id == bindparam("owner", type_=TEXT)

_ALL = select(*(CONVERSATIONS.c[name] for name in _NAMES)).where(_MINE).order_by(CONVERSATIONS.c.id)
_SOME = _ALL.where(is_wanted(CONVERSATIONS.c.conversation_id))
_PAGE = _ALL.limit(bindparam("size", type_=INTEGER)).offset(bindparam("skip", type_=INTEGER))
_COUNT = select(func.count()).select_from(CONVERSATIONS).where(_MINE)
_IDS = _ALL.with_only_columns(CONVERSATIONS.c.conversation_id)
_PUT = Upsert(CONVERSATIONS, replacing(CONVERSATIONS, "owner_user_id", "conversation_id"))
_OF_CONVERSATION = select(*(CONVERSATIONS.c[name] for name in _NAMES)).where(
    CONVERSATIONS.c.conversation_id == bindparam("of_conversation", type_=TEXT),
    is_wanted(CONVERSATIONS.c.owner_user_id),
)
_OWNERS = _OF_CONVERSATION.with_only_columns(CONVERSATIONS.c.owner_user_id)
_SOME_IDS = _SOME.with_only_columns(CONVERSATIONS.c.conversation_id).order_by(None)

_Key = tuple[UserID, ConversationID]
"""Owner and conversation."""


class RelationalConversationStore(DirectoryPart):
    """
    `ports.ConversationStore`.
    """

    async def ensure_conversations(self, rows: Sequence[Conversation]) -> None:
        """See `ports.ConversationStore`; one transaction for all."""
        if rows:
            await self._write(lambda connection: ensure(connection, rows))

    async def conversations(
        self, owner_user_id: UserID, conversation_ids: Sequence[str] | None = None
    ) -> list[Conversation]:
        """See `ports.ConversationStore`."""
        owner = {"owner": owner_user_id}
        if conversation_ids is None:
            return await self._read(lambda connection: _rows(connection.execute(_ALL, owner)))
        some = {**owner, **wanted(conversation_ids)}
        return await self._read(lambda connection: _rows(connection.execute(_SOME, some)))

    async def page_conversations(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Conversation]]:
        """See `ports.ConversationStore`."""
        return await self._read(partial(_page, {"owner": owner_user_id}, page))

    async def conversations_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.ConversationStore`."""
        return await self._delta(ListKind.CONVERSATIONS, owner_user_id, version_id, version)

    async def conversation_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.ConversationStore`."""
        return await self._versioned_ids(ListKind.CONVERSATIONS, owner_user_id, _IDS)


def _rows(found: Iterable[Iterable[object]]) -> list[Conversation]:
    return [Conversation(**dict(zip(_NAMES, row, strict=True))) for row in found]  # type: ignore[arg-type]


def _page(owner: Mapping[str, str], page: Page, connection: Connection) -> tuple[int, list[Conversation]]:
    total = connection.execute(_COUNT, owner).scalar_one()
    return total, _rows(connection.execute(_PAGE, {**owner, **window_of(page)}))


def rows_of_owner(connection: Connection, owner_id: str, conversation_ids: Iterable[str]) -> dict[str, Conversation]:
    """
    Return an owner's rows of these conversations, in the order of the question.
    """
    asked = list(conversation_ids)
    found = {row.conversation_id: row for row in _rows(connection.execute(_SOME, {"owner": owner_id, **wanted(asked)}))}
    return {one: found[ConversationID(one)] for one in asked if one in found}


def rows_of_conversation(
    connection: Connection, conversation_id: str, owner_ids: Iterable[str]
) -> dict[str, Conversation]:
    """
    Return the rows that these owners have of a conversation.
    """
    asked = {"of_conversation": conversation_id, **wanted(owner_ids)}
    return {row.owner_user_id: row for row in _rows(connection.execute(_OF_CONVERSATION, asked))}


def put(connection: Connection, rows: Sequence[Conversation]) -> None:
    """
    Add or replace rows, each a step of its owner's list.
    """
    last = {(row.owner_user_id, row.conversation_id): row for row in rows}
    _write(connection, last, _existing(connection, last))


def ensure(connection: Connection, rows: Sequence[Conversation]) -> list[Conversation]:
    """
    Add the rows that don't exist yet, each a step of its owner's list, and return them.
    """
    first: dict[_Key, Conversation] = {}
    for row in rows:
        first.setdefault((row.owner_user_id, row.conversation_id), row)
    there = _existing(connection, first)
    missing = {key: row for key, row in first.items() if key not in there}
    _write(connection, missing, set())
    return list(missing.values())


def _existing(connection: Connection, keys: Iterable[_Key]) -> set[_Key]:
    """Ask once for each owner or for each conversation, whichever are fewer."""
    by_owner: dict[UserID, list[ConversationID]] = {}
    by_conversation: dict[ConversationID, list[UserID]] = {}
    for owner, conversation_id in keys:
        by_owner.setdefault(owner, []).append(conversation_id)
        by_conversation.setdefault(conversation_id, []).append(owner)
    if len(by_owner) <= len(by_conversation):
        return {
            (owner, found)
            for owner, ids in by_owner.items()
            for found in connection.scalars(_SOME_IDS, {"owner": owner, **wanted(ids)})
        }
    return {
        (found, conversation_id)
        for conversation_id, owners in by_conversation.items()
        for found in connection.scalars(_OWNERS, {"of_conversation": conversation_id, **wanted(owners)})
    }


def _write(connection: Connection, rows: Mapping[_Key, Conversation], there: set[_Key]) -> None:
    if not rows:
        return
    _PUT.insert_all(connection, [_columns(row) for row in rows.values()])
    steps: dict[str, list[version_lists.Step]] = {}
    for owner, conversation_id in rows:
        change = Change.UPDATED if (owner, conversation_id) in there else Change.INSERTED
        steps.setdefault(owner, []).append(version_lists.Step(conversation_id, change))
    version_lists.change_lists(connection, ListKind.CONVERSATIONS, steps)
