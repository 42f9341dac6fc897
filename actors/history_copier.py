"""
Copies what the message store holds to the history, behind it: messages never wait for this.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.core.persistence.history_lane import CopyJob, FillJob, HistoryLane
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.message import intact
from openim_ray.ports import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage
    from openim_ray.ports import HistoryStore, MessageReader

RETRY_SECONDS = 1.0
FILL_ROWS = 500
"""Seqs of a conversation that are read from the message store at once."""

PAGE_HEADS = 1000
"""Conversations that are compared at once, at the start and whenever it is not known which ones are behind."""

log = structlog.get_logger(__name__)


class HistoryCopier:
    """
    Shell around `HistoryLane`, with one task that does its jobs in turn.

    Guarantee: whatever the message store holds gets into the history, also after a crash of either side: at the start all
    conversations are compared.

    Args:
        is_mine: tells which conversations this process writes; each has one writer.
    """

    def __init__(self, lane: HistoryLane, messages: MessageReader, is_mine: Callable[[ConversationID], bool]) -> None:
        self._lane = lane
        self._messages = messages
        self._is_mine = is_mine
        self._woken = asyncio.Event()
        self._complained = False
        self.rows_copied = 0

    def stored(self, rows: Sequence[StoredMessage]) -> None:
        """Let rows that have become durable follow."""
        self._lane.stored(rows)
        self._woken.set()

    def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return {
            "history_rows_copied": self.rows_copied,
            "history_rows_waiting": self._lane.rows_waiting,
            "history_conversations_behind": self._lane.conversations_behind,
        }

    async def run(self, history: HistoryStore) -> None:
        """Copy for ever; a store that is down is tried again every `RETRY_SECONDS`."""
        while True:
            self._woken.clear()
            try:
                if self._lane.must_compare:
                    await self._compare(history)
                while (job := self._lane.take()) is not None:
                    self._lane.done(await self._do(history, job))
                    self._works()
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the copying
                self._lane.failed()
                self._complain(error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if not self._lane.must_compare:
                await self._woken.wait()

    def _complain(self, error: Exception) -> None:
        if not isinstance(error, Unavailable):
            log.error("history can't be copied", error=repr(error))
        elif not self._complained:
            log.warning("history falls behind", error=error.detail)
        self._complained = True

    def _works(self) -> None:
        if self._complained:
            log.info("history catches up", **self.health())
        self._complained = False

    async def _do(self, history: HistoryStore, job: CopyJob | FillJob) -> Mapping[ConversationID, int]:
        spans = spans_of(job.rows) if isinstance(job, CopyJob) else [await self._missing(history, job)]
        confirmed = await history.copy(spans)
        self.rows_copied += sum(len(span.rows) for span in spans)
        return confirmed

    async def _missing(self, history: HistoryStore, job: FillJob) -> Span:
        """Read the lowest seqs that the history of a conversation lacks; a damaged row is none."""
        conversation_id = job.conversation_id
        confirmed = (await history.confirmed([conversation_id])).get(conversation_id, 0)
        first, last = confirmed + 1, min(confirmed + FILL_ROWS, job.through)
        rows = intact(await self._messages.read_range(conversation_id, first, last, FILL_ROWS))
        return Span(conversation_id, first, max(first, last), tuple(rows))

    async def _compare(self, history: HistoryStore) -> None:
        self._lane.compare_begins()
        try:
            after = ""
            while heads := await self._messages.page_heads(after, PAGE_HEADS):
                await self._compare_with(history, {one: seq for one, seq in heads if self._is_mine(one)})
                after, _ = heads[-1]
        except BaseException:
            self._lane.compare_failed()
            raise

    async def _compare_with(self, history: HistoryStore, heads: Mapping[ConversationID, int]) -> None:
        confirmed = await history.confirmed(list(heads))
        for conversation_id, seq in heads.items():
            if confirmed.get(conversation_id, 0) < seq:
                self._lane.behind(conversation_id, seq)


def spans_of(rows: Sequence[StoredMessage]) -> list[Span]:
    """
    Return rows, ascending in each conversation, as spans without a hole.
    """
    runs: dict[ConversationID, list[list[StoredMessage]]] = {}
    for row in rows:
        mine = runs.setdefault(row.conversation_id, [])
        if mine and mine[-1][-1].seq + 1 == row.seq:
            mine[-1].append(row)
        else:
            mine.append([row])
    return [
        Span(conversation_id, run[0].seq, run[-1].seq, tuple(run))
        for conversation_id, found in runs.items()
        for run in found
    ]
