"""
Messages that are old enough leave the message store, as far as the history holds them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.sequence import ConversationSeq
    from openim_ray.ports import HistoryReader, RetentionStore

EVERY_SECONDS = 300.0
RETRY_SECONDS = 5.0
"""After a look that a store has failed."""

LOOKED_AT_ONCE = 10_000
"""Oldest rows that are looked at at once; between two looks messages are stored."""

PAUSE_SECONDS = 0.05
"""Between two looks: a lowered number of days may make very many messages old at once."""

DAY_MS = 86_400_000

log = structlog.get_logger(__name__)


class Retention:
    """
    The job of one persistence actor, for the conversations that it writes.

    Args:
        days: how long messages stay; asked anew before each look.
        is_mine: tells which conversations this process writes.
    """

    def __init__(
        self, messages: RetentionStore, days: Callable[[], int], is_mine: Callable[[ConversationID], bool]
    ) -> None:
        self._messages = messages
        self._days = days
        self._is_mine = is_mine
        self._complained = False
        self.rows_deleted = 0

    async def run(self, history: HistoryReader) -> None:
        """Sweep every `EVERY_SECONDS` for ever; while a store is down, every `RETRY_SECONDS`."""
        while True:
            has_swept = await self._has_swept(history)
            await asyncio.sleep(EVERY_SECONDS if has_swept else RETRY_SECONDS)

    async def _has_swept(self, history: HistoryReader) -> bool:
        try:
            await self.sweep(history)
        except Unavailable as error:
            if not self._complained:
                log.warning("old messages stay for now", error=error.detail)
            self._complained = True
            return False
        except Exception:
            log.exception("old messages can't be deleted")  # which does not pass so soon
        self._complained = False
        return True

    async def sweep(self, history: HistoryReader) -> None:
        """Delete what is old and confirmed, until nothing more is found; between two looks others get their turn."""
        skip = 0
        while expired := await self._messages.expired(self._days() * DAY_MS, LOOKED_AT_ONCE, skip):
            if not await self._delete(history, expired):
                skip += LOOKED_AT_ONCE  # what can't be deleted now must not hide what can
            await asyncio.sleep(PAUSE_SECONDS)

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
