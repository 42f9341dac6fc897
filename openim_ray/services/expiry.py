"""
Letting old messages leave the message store, as far as the history holds them: one look, without a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openim_ray.domain.ids import ConversationID
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import HistoryReader, RetentionStore

LOOKED_AT_ONCE = 10_000
"""Oldest rows that are looked at at once; between two looks messages are stored."""

DAY_MS = 86_400_000


class Expiry:
    """
    Deletes what is old and confirmed, of the conversations that one process writes.

    Args:
        days: how long messages stay; asked anew before each look.
        is_mine: tells which conversations this process writes.
    """

    def __init__(
        self, messages: RetentionStore, days: Callable[[], float], is_mine: Callable[[ConversationID], bool]
    ) -> None:
        self._messages = messages
        self._days = days
        self._is_mine = is_mine
        self.rows_deleted = 0

    async def look(self, history: HistoryReader, skip: int) -> int | None:
        """
        Delete what can be deleted of the oldest rows behind the `skip` oldest ones.

        Returns how many are to be skipped by the next look; None if nothing old was found.
        """
        expired = await self._messages.expired(int(self._days() * DAY_MS), LOOKED_AT_ONCE, skip)
        if not expired:
            return None
        # What can't be deleted now must not hide what can.
        return skip if await self._delete(history, expired) else skip + LOOKED_AT_ONCE

    async def _delete(self, history: HistoryReader, expired: Mapping[ConversationID, ConversationSeq]) -> bool:
        mine = {conversation_id: seq for conversation_id, seq in expired.items() if self._is_mine(conversation_id)}
        confirmed = await history.confirmed(list(mine))
        heads = await self._messages.heads(list(confirmed))
        deleted = 0
        for conversation_id, head in heads.items():
            if confirmed[conversation_id] > head.max_seq:
                continue  # the message store was put back to an older state: its new rows are not those that the history knows
            deleted += await self._messages.forget(
                conversation_id, min(mine[conversation_id], confirmed[conversation_id])
            )
        self.rows_deleted += deleted
        return deleted > 0
