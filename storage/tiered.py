"""
The message store and the history as one: recent rows from the one, older rows from the other.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openim_ray.domain.errors import HistoryUnavailable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import DamagedRow, LogState, MessageRef, StoredMessage, StreamHead
    from openim_ray.domain.sequence import ConversationSeq
    from openim_ray.storage.stores import OpenHistoryReader, OpenMessageReader


OPEN_SECONDS = 2.0


class TieredMessageReader:
    """
    `ports.MessageReader` over both stores.

    Guarantee: a row is absent only if the message store has none, and where that could be because of its age, a history that is
    complete up to there has none either. Otherwise the read is `HistoryUnavailable`: clients keep what they are told for ever.

    Args:
        messages: the message store.
        opening: opens the history, when something is first read from it: nothing else needs it.
    """

    def __init__(self, messages: OpenMessageReader, opening: Callable[[], Awaitable[OpenHistoryReader]]) -> None:
        self._messages = messages
        self._opening = opening
        self._opened: OpenHistoryReader | None = None
        self._under_way: asyncio.Task[OpenHistoryReader] | None = None

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows were met in either."""
        return self._messages.damaged_rows + (self._opened.damaged_rows if self._opened else 0)

    async def aclose(self) -> None:
        """Finish what runs and close both."""
        await self._messages.aclose()
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])
        if self._opened is not None:
            await self._opened.aclose()

    async def load_log(self, home_key: str, tail: int) -> LogState | None:
        """See `ports.MessageReader`; the tail holds what the message store has."""
        return await self._messages.load_log(home_key, tail)

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        return await self._messages.heads(conversation_ids)

    async def find(self, conversation_id: ConversationID, sender_id: str, client_id: str) -> MessageRef | None:
        """See `ports.MessageReader`; messages are known by their keys as long as the message store has them."""
        return await self._messages.find(conversation_id, sender_id, client_id)

    async def read_marks(self, home_key: str) -> dict[str, int]:
        """See `ports.MessageReader`."""
        return await self._messages.read_marks(home_key)

    async def origin(self) -> ConversationSeq:
        """See `ports.MessageReader`."""
        return await self._messages.origin()

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """See `ports.MessageReader`."""
        return await self._messages.page_heads(after, limit)

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        rows = await self._messages.read_range(conversation_id, begin, end, newest)
        if len(rows) >= min(newest, end + 1 - begin):
            return rows
        # Asked for after the rows: what was deleted before they were read lies below it.
        floor = await self._floor(conversation_id)
        recent = [row for row in rows if row.seq >= floor]
        end, newest = min(end, floor - 1), newest - len(recent)
        if begin > end or newest <= 0:
            return recent
        with _history_errors(floor):
            history = await self._complete_history(conversation_id, end)
            return [*await history.read_range(conversation_id, begin, end, newest), *recent]

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        rows = await self._messages.read_seqs(conversation_id, seqs)
        missing = set(seqs) - {row.seq for row in rows}
        if not missing:
            return rows
        floor = await self._floor(conversation_id)
        old = [seq for seq in missing if 0 < seq < floor]
        if not old:
            return rows
        with _history_errors(floor):
            history = await self._complete_history(conversation_id, max(old))
            return sorted([*await history.read_seqs(conversation_id, old), *rows], key=lambda row: row.seq)

    async def _floor(self, conversation_id: ConversationID) -> int:
        head = (await self._messages.heads([conversation_id])).get(conversation_id)
        return head.floor if head is not None else 1

    async def _complete_history(self, conversation_id: ConversationID, seq: int) -> OpenHistoryReader:
        history = await self._history()
        confirmed = (await history.confirmed([conversation_id])).get(conversation_id, 0)
        if confirmed < seq:
            raise Unavailable(f"the history of {conversation_id} is known up to {confirmed} only")
        return history

    async def _history(self) -> OpenHistoryReader:
        """Return the opened history; all who ask while it is being opened share one attempt, and wait `OPEN_SECONDS` at most."""
        if self._opened is not None:
            return self._opened
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._open())
            self._under_way.add_done_callback(_seen)
        try:
            return await asyncio.wait_for(asyncio.shield(self._under_way), OPEN_SECONDS)
        except TimeoutError:
            raise Unavailable("the history does not answer") from None

    async def _open(self) -> OpenHistoryReader:
        try:
            self._opened = await self._opening()
        finally:
            self._under_way = None
        return self._opened


def _seen(opening: asyncio.Task[OpenHistoryReader]) -> None:
    """Take note of how it ended, also where nobody waits for it any more: the next one who asks tries again."""
    if not opening.cancelled():
        opening.exception()


@contextmanager
def _history_errors(floor: int) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        raise HistoryUnavailable(error.detail, floor) from error
