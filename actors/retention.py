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
RETRY_SECONDS = 5.0
"""After a look that a store has failed."""

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
        self._complained = False

    @property
    def rows_deleted(self) -> int:
        """How many rows were deleted."""
        return self._expiry.rows_deleted

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
        while (further := await self._expiry.look(history, skip)) is not None:
            skip = further
            await asyncio.sleep(PAUSE_SECONDS)
