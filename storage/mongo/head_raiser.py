"""
Heads follow the rows a little later, many at once; no answer waits for them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.domain.errors import OpenIMError
from openim_ray.storage.mongo.followers import Rise, raise_heads

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Connection
    from openim_ray.storage.mongo.message_batch import Batch

RAISE_SECONDS = 2.0
"""How long rises are collected. So long a reader finds rows above a head, and reads them to know it."""

RISES_SOON = 10_000
"""So many rises are not waited with."""

RISES_MAX = 40_000
"""Beyond it, a batch's rises are dropped."""

log = structlog.get_logger(__name__)


class HeadRaiser:
    """
    Raises heads in a task of its own, which lives while there is something to raise.

    Rises may be lost (too many at once, an error, a crash): readers read more rows, and the next rise of the same stream reads what was
    left out.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rises = _Rises()
        self._soon = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def add(self, batch: Batch) -> None:
        """Note what a batch that was carried out means for heads."""
        if self._closing or not batch.appended or self._rises.size >= RISES_MAX:
            return
        self._rises.add(batch)
        if self._rises.size >= RISES_SOON:
            self._soon.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._ended)

    async def aclose(self) -> None:
        """Raise what waits, then end."""
        self._closing = True
        self._soon.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while self._rises.size:
            await self._wait()
            rises, self._rises = self._rises, _Rises()
            try:
                await self._connection.run(lambda: rises.carry_out(self._connection))  # noqa: B023 - awaited here
            except OpenIMError as error:
                log.warning("heads not raised", streams=len(rises.streams), error=error.detail)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(RAISE_SECONDS):
                await self._soon.wait()
        except TimeoutError:
            return
        if not self._closing:
            self._soon.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:  # and not a later one: what comes between the end and this call begins anew
            self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("raising heads failed", error=repr(error))


class _Rises:
    """
    Rises of many batches, together.
    """

    def __init__(self) -> None:
        self.streams: dict[ConversationID, Rise] = {}
        self._sent: dict[tuple[str, str], int] = {}
        self._marks: dict[tuple[str, str], int] = {}

    @property
    def size(self) -> int:
        return len(self.streams) + len(self._sent) + len(self._marks)

    def add(self, batch: Batch) -> None:
        for conversation_id, appended in batch.appended.items():
            before = self.streams.get(conversation_id)
            # Rows of another owner between two rises: only the later one's are known to be dense.
            first = before.first if before and before.last + 1 == appended.first else appended.first
            self.streams[conversation_id] = Rise(first, appended.last, appended.last_time)
        for key, seq in batch.sent.items():
            self._sent[key] = max(self._sent.get(key, 0), seq)
        for key, seq in batch.riding.items():
            self._marks[key] = max(self._marks.get(key, 0), seq)

    async def carry_out(self, connection: Connection) -> None:
        await raise_heads(connection.database, self.streams, self._sent, self._marks)
