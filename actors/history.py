"""
What a persistence actor does for the history: copies what is stored, and lets old messages leave the message store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.actors.history_copier import HistoryCopier
from openim_ray.actors.retention import Retention
from openim_ray.actors.store_waits import StoreWaits
from openim_ray.config import Config, LiveConfig
from openim_ray.core.persistence.history_lane import HistoryLane
from openim_ray.storage.open import open_history_store
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage
    from openim_ray.storage.stores import OpenHistoryStore, OpenMessageStore


UNUSABLE_SECONDS = 60.0

COPIED_COMMITS = 4
"""So many full commits of messages are copied in one: the history takes its rows less often than the message store."""

log = structlog.get_logger(__name__)


class HistoryKeeper:
    """
    Two jobs over one history, which nobody waits for: until it is there, what is stored is remembered.

    Args:
        is_mine: tells which conversations this process writes; each has one writer.
    """

    def __init__(self, config: Config, messages: OpenMessageStore, is_mine: Callable[[ConversationID], bool]) -> None:
        self._places = Places.of(config)
        settings, live = config.persistence, LiveConfig(config)
        lane = HistoryLane(rows_max=COPIED_COMMITS * settings.batch_messages_max, bytes_max=settings.batch_bytes_max)
        self._copier = HistoryCopier(lane, messages, is_mine)
        self._retention = Retention(messages, lambda: live.now().storage.retention_days, is_mine)

    def stored(self, rows: Sequence[StoredMessage]) -> None:
        """Let rows that have become durable follow."""
        self._copier.stored(rows)

    def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return {**self._copier.health(), "expired_rows_deleted": self._retention.rows_deleted}

    async def run(self) -> None:
        """Open the history as soon as it is there, and work for ever."""
        history = await self._open()
        try:
            async with asyncio.TaskGroup() as jobs:
                jobs.create_task(self._copier.run(history))
                jobs.create_task(self._retention.run(history))
        finally:
            await history.aclose()

    async def _open(self) -> OpenHistoryStore:
        """Open it, however long that takes: also one that can't be used must not keep messages from being sent."""
        places = self._places
        while True:
            try:
                return await StoreWaits().open("history", places.history, lambda: open_history_store(places))
            except Exception as error:  # noqa: BLE001 - of whatever kind it is
                log.error("the history can't be used", error=str(error))
            await asyncio.sleep(UNUSABLE_SECONDS)
