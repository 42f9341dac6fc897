"""
What a persistence actor does for the history: copies what is stored, and lets old messages leave the message store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openim_ray.actors.clock import wall_ms
from openim_ray.actors.history_copier import HistoryCopier
from openim_ray.actors.retention import Retention
from openim_ray.actors.store_waits import StoreWaits
from openim_ray.core.persistence.history_lane import HistoryLane
from openim_ray.storage.open import open_history_store
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.config import Config
    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage
    from openim_ray.storage.stores import OpenMessageStore


class HistoryKeeper:
    """
    Two jobs over one history, which nobody waits for: until it is there, what is stored is remembered.

    Args:
        is_mine: tells which conversations this process writes; each has one writer.
    """

    def __init__(self, config: Config, messages: OpenMessageStore, is_mine: Callable[[ConversationID], bool]) -> None:
        self._places = Places.of(config)
        settings, storage = config.persistence, config.storage
        lane = HistoryLane(rows_max=settings.batch_messages_max, bytes_max=settings.batch_bytes_max)
        self._copier = HistoryCopier(lane, messages, is_mine)
        self._retention = Retention(messages, lambda: storage.retention_days, wall_ms, is_mine)

    def stored(self, rows: Sequence[StoredMessage]) -> None:
        """Let rows that have become durable follow."""
        self._copier.stored(rows)

    def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return {**self._copier.health(), "expired_rows_deleted": self._retention.rows_deleted}

    async def run(self) -> None:
        """Open the history as soon as it is there, and work for ever."""
        places = self._places
        history = await StoreWaits().open("history", places.history, lambda: open_history_store(places))
        try:
            async with asyncio.TaskGroup() as jobs:
                jobs.create_task(self._copier.run(history))
                jobs.create_task(self._retention.run(history))
        finally:
            await history.aclose()
