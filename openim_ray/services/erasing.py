"""
Erasing what a user wrote, in every conversation of the message store and its history: without a clock, page by page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Final

from openim_ray.domain.erasure import Erasure
from openim_ray.domain.ids import ConversationID
from openim_ray.ports import ErasingStore, HistoryStore, Span

HEADS_AT_ONCE: Final = 200
"""Conversations that are looked at at once for whether she wrote there."""

SEQS_AT_ONCE: Final = 1000
"""Seqs of a conversation that are looked at at once; between two looks others get their turn, and progress is noted."""

Note = Callable[[Erasure], Awaitable[object]]


class MessageErasing:
    """
    Replaces rows by tombstones (`ports.ErasingStore`).

    Guarantee: no copy to the history brings back what it has replaced, whenever that copy read its rows. What the message store has is copied as
    a tombstone, whose `rev` is higher; what retention takes away meanwhile, the history had before.

    Args:
        messages: the message store.
        history: the history; None if there is none.
    """

    def __init__(self, messages: ErasingStore, history: HistoryStore | None) -> None:
        self._messages = messages
        self._history = history

    async def erase(self, erasure: Erasure, own: Collection[str], note: Note) -> Erasure:
        """
        Go once through all conversations from where an erasure stands; `note` hears how far it has come.

        Messages that become durable meanwhile may be missed: go through again until nothing is found.

        Args:
            erasure: of whom, and how far it has come.
            own: conversations that she has a row of: others may have told of her there. Where she wrote, the conversations tell.
            note: makes progress durable.
        """
        if erasure.seq:
            erasure = await self._finish_conversation(erasure, note)
        while page := await self._messages.page_heads(erasure.conversation_id, HEADS_AT_ONCE):
            heads = await self._messages.heads([conversation_id for conversation_id, _ in page])
            for conversation_id, _ in page:
                head = heads.get(conversation_id)
                if head is not None and (conversation_id in own or erasure.user_id in head.sent):
                    begun = replace(erasure, conversation_id=conversation_id, seq=1)
                    erasure = await self._finish_conversation(begun, note)
            erasure = replace(erasure, conversation_id=page[-1][0])
            await note(erasure)
        return replace(erasure, conversation_id="", seq=0)

    async def _finish_conversation(self, erasure: Erasure, note: Note) -> Erasure:
        conversation_id, user_id = ConversationID(erasure.conversation_id), erasure.user_id
        end = await self._end(conversation_id)
        for first in range(erasure.seq, end + 1, SEQS_AT_ONCE):
            last = min(first + SEQS_AT_ONCE - 1, end)
            replaced = await self._erase_range(conversation_id, user_id, first, last)
            erasure = replace(erasure, seq=last + 1, messages=erasure.messages + replaced)
            if replaced:
                await note(erasure)
        return replace(erasure, seq=0)

    async def _end(self, conversation_id: ConversationID) -> int:
        """Return up to which seq there are rows. A history may be ahead of a message store that was put back to an older state."""
        head = (await self._messages.heads([conversation_id])).get(conversation_id)
        newest = head.max_seq if head is not None else 0
        if self._history is None:
            return newest
        return max(newest, (await self._history.confirmed([conversation_id])).get(conversation_id, 0))

    async def _erase_range(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> int:
        found = await self._messages.erase(conversation_id, user_id, first, last)
        if self._history is None:
            return found.replaced
        # Also those that were replaced before: nobody knows whether their copies got there.
        await self._history.copy([Span(conversation_id, row.seq, row.seq, (row,)) for row in found.rows])
        # What the message store had, the history has by now: what it still finds had left the message store before.
        return found.replaced + (await self._history.erase(conversation_id, user_id, first, last)).replaced
