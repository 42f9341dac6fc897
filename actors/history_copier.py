"""
Copies what the message store holds to the history, behind it: messages never wait for this.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openim_ray.services.history_copying import HistoryCopying

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.core.persistence.history_lane import HistoryLane
    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage
    from openim_ray.ports import HistoryStore, MessageReader

RETRY_SECONDS = 1.0
COLLECT_SECONDS = 0.5
"""So long rows collect before they are copied: a commit for each batch of messages takes the machine from the senders. Rows that don't fit
meanwhile are read from the message store later."""

COMPARE_SECONDS = 3600.0
"""Now and then all conversations are compared, whatever was heard of them: another process may have written, cut off for a while."""


class HistoryCopier:
    """
    Shell around `HistoryCopying`: one task that works when there is something to do.

    Args:
        is_mine: tells which conversations this process writes; each has one writer.
    """

    def __init__(self, lane: HistoryLane, messages: MessageReader, is_mine: Callable[[ConversationID], bool]) -> None:
        self._copying = HistoryCopying(lane, messages, is_mine)
        self._woken = asyncio.Event()

    @property
    def rows_copied(self) -> int:
        """How many rows were copied."""
        return self._copying.rows_copied

    def stored(self, rows: Sequence[StoredMessage]) -> None:
        """Let rows that have become durable follow."""
        self._copying.stored(rows)
        self._woken.set()

    def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return self._copying.health()

    async def run(self, history: HistoryStore) -> None:
        """Copy for ever; a store that is down is tried again every `RETRY_SECONDS`."""
        now = asyncio.get_running_loop().time
        compare_at = now() + COMPARE_SECONDS
        while True:
            self._woken.clear()
            if not await self._copying.work(history):
                await asyncio.sleep(RETRY_SECONDS)
            elif not self._copying.must_compare:
                await self._wait(compare_at)
                await asyncio.sleep(COLLECT_SECONDS)
            # Not only when no rows came for so long: on a busy server they always come.
            if now() >= compare_at:
                compare_at = now() + COMPARE_SECONDS
                self._copying.compare_again()

    async def _wait(self, until: float) -> None:
        """Wait for rows, but not longer than until then."""
        try:
            async with asyncio.timeout_at(until):
                await self._woken.wait()
        except TimeoutError:
            pass
