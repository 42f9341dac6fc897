"""
Messages that are old enough leave the message store, as far as the history holds them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.domain.errors import Unavailable
from openim_ray.domain.sequence import ConversationSeq

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.domain.ids import ConversationID
    from openim_ray.ports import HistoryReader, RetentionStore

EVERY_SECONDS = 300.0
LOOKED_AT_ONCE = 10_000
"""Oldest rows that are looked at at once; between two looks messages are stored."""

DAY_MS = 86_400_000

log = structlog.get_logger(__name__)


class Retention:
    """
    The job of one persistence actor, for the conversations that it writes.

    Args:
        days: how long messages stay; asked anew each time.
        clock_ms: the clock by which the store noted when a row was stored.
        is_mine: tells which conversations this process writes.
    """

    def __init__(
        self,
        messages: RetentionStore,
        days: Callable[[], int],
        clock_ms: Callable[[], int],
        is_mine: Callable[[ConversationID], bool],
    ) -> None:
        self._messages = messages
        self._days = days
        self._clock_ms = clock_ms
        self._is_mine = is_mine
        self.rows_deleted = 0

    async def run(self, history: HistoryReader) -> None:
        """Sweep every `EVERY_SECONDS` for ever; a store that is down is tried again the next time."""
        while True:
            try:
                await self.sweep(history)
            except Unavailable as error:
                log.warning("old messages stay for now", error=error.detail)
            except Exception:
                log.exception("old messages can't be deleted")
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self, history: HistoryReader) -> None:
        """Delete what is old and confirmed, until nothing more is found."""
        while await self._delete_some(history, self._clock_ms() - self._days() * DAY_MS):
            pass

    async def _delete_some(self, history: HistoryReader, before_ms: int) -> bool:
        expired = await self._messages.expired(before_ms, LOOKED_AT_ONCE)
        mine = {conversation_id: seq for conversation_id, seq in expired.items() if self._is_mine(conversation_id)}
        confirmed = await history.confirmed(list(mine))
        deleted = 0
        for conversation_id, seq in mine.items():
            through = min(seq, confirmed.get(conversation_id, ConversationSeq(0)))
            if through > 0:
                deleted += await self._messages.forget(conversation_id, through)
        self.rows_deleted += deleted
        return deleted > 0
