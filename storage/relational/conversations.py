"""
Conversation rows.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from openim_ray.domain.conversation import Conversation
from openim_ray.storage.relational import version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, is_wanted, wanted
from openim_ray.storage.relational.directory_part import DirectoryPart, window_of
from openim_ray.storage.relational.directory_tables import CONVERSATIONS
from openim_ray.storage.version_rules import Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from openim_ray.domain.ids import UserID
    from openim_ray.ports import Page, VersionDelta

_NAMES = tuple(column.name for column in CONVERSATIONS.c if column.name != "id")
_VALUES = attrgetter(*_NAMES)
_MINE = CONVERSATIONS.c.owner_user_id == bindparam("owner", type_=TEXT)

_ALL = select(*(CONVERSATIONS.c[name] for name in _NAMES)).where(_MINE).order_by(CONVERSATIONS.c.id)
_SOME = _ALL.where(is_wanted(CONVERSATIONS.c.conversation_id))
_PAGE = _ALL.limit(bindparam("size", type_=INTEGER)).offset(bindparam("skip", type_=INTEGER))
_COUNT = select(func.count()).select_from(CONVERSATIONS).where(_MINE)
_IDS = _ALL.with_only_columns(CONVERSATIONS.c.conversation_id)
_CREATE = Upsert(CONVERSATIONS, lambda new: new.on_conflict_do_nothing().returning(CONVERSATIONS.c.id))


class RelationalConversationStore(DirectoryPart):
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


def _ensure(rows: Sequence[Conversation], connection: Connection) -> None:
    for row in rows:
        created = connection.execute(_CREATE.on(connection), dict(zip(_NAMES, _VALUES(row), strict=True))).first()
        if created is not None:
            version_lists.change(
                connection, ListKind.CONVERSATIONS, row.owner_user_id, row.conversation_id, Change.INSERTED
            )
