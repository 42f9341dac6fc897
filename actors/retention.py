"""
Messages that are old enough leave the message store, as far as the history holds them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.domain.errors import Unavailable
from openim_ray.services.expiry import Expiry

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.domain.ids import ConversationID
    from openim_ray.ports import HistoryReader, RetentionStore

EVERY_SECONDS = 300.0
PAUSE_SECONDS = 0.05
"""Between two looks: a lowered number of days may make very many messages old at once."""

log = structlog.get_logger(__name__)


class Retention:
    """
    The job of one persistence actor, for the conversations that it writes: shell around `Expiry`.

    Args:
        days: how long messages stay; asked anew before each look.
        is_mine: tells which conversations this process writes.
    """

    def __init__(
        self, messages: RetentionStore, days: Callable[[], int], is_mine: Callable[[ConversationID], bool]
    ) -> None:
        self._expiry = Expiry(messages, days, is_mine)

    @property
    def rows_deleted(self) -> int:
        """How many rows were deleted."""
        return self._expiry.rows_deleted

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
        """Delete what is old and confirmed, until nothing more is found; between two looks others get their turn."""
        skip = 0
        while (further := await self._expiry.look(history, skip)) is not None:
            skip = further
            await asyncio.sleep(PAUSE_SECONDS)
