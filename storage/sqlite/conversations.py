"""
Conversation rows in `directory.db`.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from openim_ray.domain.conversation import Conversation
from openim_ray.storage.sqlite import version_lists
from openim_ray.storage.sqlite.directory_file import DirectoryFile, offset_of
from openim_ray.storage.sqlite.directory_tables import CONVERSATIONS
from openim_ray.storage.sqlite.relational import is_one_of
from openim_ray.storage.version_rules import Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Select

    from openim_ray.domain.ids import UserID
    from openim_ray.ports import Page, VersionDelta

_COLUMNS = tuple(column for column in CONVERSATIONS.c if column.name != "id")


class SqliteConversationStore(DirectoryFile):
    """
    `ports.ConversationStore`.
    """

    async def ensure_conversations(self, rows: Sequence[Conversation]) -> None:
        """See `ports.ConversationStore`; one transaction for all."""
        if rows:
            await self._write(partial(_ensure, rows))

    async def conversations(
        self, owner_user_id: UserID, conversation_ids: Sequence[str] | None = None
    ) -> list[Conversation]:
        """See `ports.ConversationStore`."""
        query = _rows_of(owner_user_id)
        if conversation_ids is not None:
            query = query.where(is_one_of(CONVERSATIONS.c.conversation_id, conversation_ids))
        return await self._read(partial(_fetch, query))

    async def page_conversations(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Conversation]]:
        """See `ports.ConversationStore`."""
        count = select(func.count()).select_from(CONVERSATIONS).where(CONVERSATIONS.c.owner_user_id == owner_user_id)
        rows = _rows_of(owner_user_id).limit(page.size).offset(offset_of(page))
        return await self._read(lambda connection: (connection.execute(count).scalar_one(), _fetch(rows, connection)))

    async def conversations_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.ConversationStore`."""
        return await self._delta(ListKind.CONVERSATIONS, owner_user_id, version_id, version)

    async def conversation_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.ConversationStore`."""
        query = _rows_of(owner_user_id).with_only_columns(CONVERSATIONS.c.conversation_id)
        return await self._versioned_ids(
            ListKind.CONVERSATIONS, owner_user_id, lambda connection: list(connection.scalars(query))
        )


def _rows_of(owner_user_id: str) -> Select[*tuple[Any, ...]]:
    mine = CONVERSATIONS.c.owner_user_id == owner_user_id
    return select(*_COLUMNS).where(mine).order_by(CONVERSATIONS.c.id)


def _fetch(query: Select[*tuple[Any, ...]], connection: Connection) -> list[Conversation]:
    return [Conversation(**row) for row in connection.execute(query).mappings()]


def _ensure(rows: Sequence[Conversation], connection: Connection) -> None:
    for row in rows:
        created = connection.execute(insert(CONVERSATIONS).values(asdict(row)).on_conflict_do_nothing())
        if created.rowcount:
            version_lists.change(
                connection, ListKind.CONVERSATIONS, row.owner_user_id, row.conversation_id, Change.INSERTED
            )
