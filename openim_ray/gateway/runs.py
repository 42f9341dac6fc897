"""
Reading the runs of messages that sessions miss from the message store.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openim_ray.domain.errors import OpenIMError, Overloaded, Unavailable
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import intact

if TYPE_CHECKING:
    from openim_ray.core.gateway.session import Run
    from openim_ray.domain.message import StoredMessage
    from openim_ray.ports import MessageReader

RUN_READ_SECONDS = 8.0
READ_AGAIN_SECONDS = 0.2
RUN_CHUNK_ROWS = 16
RUN_BYTES_MAX = 4 << 20
"""A missing run with more bytes closes the connection: clients' own syncs read less at once."""

RUNS_AT_ONCE = 64
"""Missing runs that are read at the same time; the others wait their turn, or a repair of many sessions would fail for want of room."""


class RunReader:
    """
    Reads missing runs, a bounded number at a time.

    Args:
        reader: where messages are.
    """

    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader
        self._room = asyncio.Semaphore(RUNS_AT_ONCE)
        self._loop = asyncio.get_running_loop()

    async def read(self, run: Run) -> list[StoredMessage]:
        """
        Return the rows of a run; OpenIMError if they can't be had in time, or are too many bytes.

        A damaged row is left out, as it is of a pull: closing the connection would not bring it back, and the next one would miss it again.
        A Go client finds the gap and pulls it, the others see it in the history (OpenIM wire, §7.3, §7.5).
        """
        deadline = self._loop.time() + RUN_READ_SECONDS
        async with self._room:
            rows: list[StoredMessage] = []
            size = 0
            for begin in range(run.begin, run.end + 1, RUN_CHUNK_ROWS):
                chunk = await self._chunk_of(run, begin, deadline)
                size += sum(len(row.body) for row in chunk)
                if size > RUN_BYTES_MAX:
                    raise Overloaded(f"more than {RUN_BYTES_MAX} bytes")
                rows += chunk
            return rows

    async def _chunk_of(self, run: Run, begin: int, deadline: float) -> list[StoredMessage]:
        end = min(begin + RUN_CHUNK_ROWS - 1, run.end)
        while True:
            try:
                return await self._rows(ConversationID(run.conversation_id), begin, end)
            except OpenIMError:
                if self._loop.time() >= deadline:
                    raise
            await asyncio.sleep(READ_AGAIN_SECONDS)

    async def _rows(self, conversation_id: ConversationID, begin: int, end: int) -> list[StoredMessage]:
        """Read rows; Unavailable if the store has not come to the last one, which is durable, as a cut-off part of a database may."""
        found = await self._reader.read_range(conversation_id, begin, end, end - begin + 1)
        if not found or found[-1].seq < end:
            head = (await self._reader.heads([conversation_id])).get(conversation_id)
            if head is None or head.max_seq < end:
                raise Unavailable(f"the message store is behind seq {end} of {conversation_id}")
        return intact(found)
