"""
Conversation rows, read (OpenIM wire, §6.6, §6.7).
"""

from __future__ import annotations

from collections.abc import Sequence

from openim_ray.domain import errors
from openim_ray.domain.conversation import Conversation, ReceiveOption
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.ports import ConversationStore
from openim_ray.services.paging import check_ids, page_of
from openim_ray.services.versions import Changes, FullIDs, changes_of, full_ids


class ConversationService:
    """
    A user's rows: which conversations she has, and how she wants them.

    Args:
        conversations: where they are kept.
    """

    def __init__(self, conversations: ConversationStore) -> None:
        self._conversations = conversations

    async def one(self, owner_id: str, conversation_id: str) -> Conversation:
        """
        Return a row; RecordNotFound if the owner has none.
        """
        rows = await self._rows(owner_id, [conversation_id])
        if not rows:
            raise errors.RecordNotFound("conversation not found")
        return rows[conversation_id]

    async def some(self, owner_id: str, conversation_ids: Sequence[str]) -> list[Conversation]:
        """
        Return those rows that exist, in the order asked for.
        """
        asked = check_ids("conversationIDs", conversation_ids)
        rows = await self._rows(owner_id, asked)
        return [rows[one] for one in asked if one in rows]

    async def all(self, owner_id: str) -> list[Conversation]:
        """
        Return all rows, in order of creation.
        """
        return await self._conversations.conversations(UserID(owner_id))

    async def page(self, owner_id: str, number: int, size: int) -> tuple[int, list[Conversation]]:
        """
        Return total and one page, in order of creation.
        """
        return await self._conversations.page_conversations(UserID(owner_id), page_of(number, size))

    async def changes(self, owner_id: str, version_id: str, version: int) -> Changes[Conversation]:
        """
        Return what changed since a client's version.
        """
        delta = await self._conversations.conversations_delta(UserID(owner_id), version_id, version)
        return await changes_of(delta, lambda ids: self._rows(owner_id, ids))

    async def full_ids(self, owner_id: str, client_hash: int) -> FullIDs:
        """
        Return all ids in list order, unless the client has them.
        """
        return full_ids(*await self._conversations.conversation_ids(UserID(owner_id)), client_hash)

    async def silent_ids(self, owner_id: str) -> list[str]:
        """
        Return the conversations that are received without notification; those that are refused aren't among them (recorded).
        """
        return [row.conversation_id for row in await self.all(owner_id) if row.recv_msg_opt == ReceiveOption.SILENT]

    async def pinned_ids(self, owner_id: str) -> list[str]:
        """
        Return the pinned conversations.
        """
        return [row.conversation_id for row in await self.all(owner_id) if row.is_pinned]

    async def _rows(self, owner_id: str, conversation_ids: Sequence[str]) -> dict[str, Conversation]:
        ids = [ConversationID(one) for one in conversation_ids]
        rows = await self._conversations.conversations(UserID(owner_id), ids)
        return {row.conversation_id: row for row in rows}
