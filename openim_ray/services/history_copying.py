"""
Copying what the message store holds to the history: what is done for each job of the lane, without a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from openim_ray.core.persistence.history_lane import CopyJob, FillJob, HistoryLane
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import StoredMessage, whole_from
from openim_ray.domain.sequence import SeqRange
from openim_ray.ports import HistoryStore, MessageReader, Span

FILL_ROWS = 500
"""Seqs of a conversation that are read from the message store at once, at most; fewer after a failure."""

TOLD_MAX = 1000
"""Conversations whose faults are logged by one process; more are not."""

PAGE_HEADS = 1000
"""Conversations that are compared at once, at the start and whenever it is not known which ones are behind."""

log = structlog.get_logger(__name__)


class HistoryCopying:
    """
    Does the jobs of a `HistoryLane` in turn.

    Guarantee: whatever the message store holds gets into the history, also after a crash of either side: at the start all
    conversations are compared.

    Args:
        is_mine: tells which conversations this process writes; each has one writer.
    """

    def __init__(self, lane: HistoryLane, messages: MessageReader, is_mine: Callable[[ConversationID], bool]) -> None:
        self._lane = lane
        self._messages = messages
        self._is_mine = is_mine
        self._complained = False
        self._fill_rows = FILL_ROWS
        self._told: set[str] = set()
        self.rows_copied = 0

    def stored(self, rows: Sequence[StoredMessage]) -> None:
        """Let rows that have become durable follow."""
        self._lane.stored(rows)

    def compare_again(self) -> None:
        """Let all conversations be compared, whatever was heard of them."""
        self._lane.compare_failed()

    @property
    def must_compare(self) -> bool:
        """Whether all conversations are to be compared next."""
        return self._lane.must_compare

    @property
    def has_work(self) -> bool:
        """Whether `work` would find something to do."""
        return self._lane.must_compare or bool(self._lane.rows_waiting or self._lane.conversations_behind)

    def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return {
            "history_rows_copied": self.rows_copied,
            "history_rows_waiting": self._lane.rows_waiting,
            "history_conversations_behind": self._lane.conversations_behind,
        }

    async def work(self, history: HistoryStore) -> bool:
        """
        Do what there is to do; False if something failed: then it is to be called again a little later.

        Rows that come meanwhile collect for the next call, unless conversations are behind.
        """
        try:
            if self._lane.must_compare:
                await self._compare(history)
            last = self.rows_copied + self._lane.rows_waiting
            while (job := self._lane.take()) is not None:
                await self._do(history, job)
                self._works()
                if self.rows_copied >= last and not self._lane.conversations_behind:
                    break
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the copying
            self._lane.failed()
            self._fill_rows = max(self._fill_rows // 2, 1)  # perhaps it was too much at once
            self._complain(error)
            return False
        return True

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

    async def _do(self, history: HistoryStore, job: CopyJob | FillJob) -> None:
        if isinstance(job, CopyJob):
            self._lane.done(await self._copy(history, spans_of(job.rows)))
            return
        span = await self._missing(history, job)
        if span is None:
            self._lane.set_aside()
            return
        is_whole = span.last < span.first
        confirmed = {span.conversation_id: span.last} if is_whole else await self._copy(history, [span])
        self._fill_rows = min(self._fill_rows * 2, FILL_ROWS)
        self._lane.done(confirmed)

    async def _copy(self, history: HistoryStore, spans: Sequence[Span]) -> Mapping[ConversationID, int]:
        confirmed = await history.copy(spans)
        self.rows_copied += sum(len(span.rows) for span in spans)
        return confirmed

    async def _missing(self, history: HistoryStore, job: FillJob) -> Span | None:
        """
        Read the lowest seqs that the history of a conversation lacks; an empty span if it lacks none, None if they can't be had.

        A seq without a row, or with a damaged one, is never taken for done, unless it was skipped: retention would delete what there is,
        and clients would be told that it was deleted.
        """
        conversation_id = job.conversation_id
        confirmed = (await history.confirmed([conversation_id])).get(conversation_id, 0)
        first, last = confirmed + 1, min(confirmed + self._fill_rows, job.through)
        if last < first:
            return Span(conversation_id, first, confirmed, ())
        found = await self._messages.read_range(conversation_id, first, last, self._fill_rows)
        skipped = await self._skipped(conversation_id) if len(found) < last + 1 - first else ()
        rows, done = whole_from(first, found, skipped)
        done = min(done, job.through)
        if done < first:
            self._tell_of(conversation_id, "the message store lacks a row that the history lacks", seq=first)
            return None
        return Span(conversation_id, first, done, tuple(rows))

    async def _skipped(self, conversation_id: ConversationID) -> Sequence[SeqRange]:
        head = (await self._messages.heads([conversation_id])).get(conversation_id)
        return head.skipped if head is not None else ()

    def _tell_of(self, conversation_id: ConversationID, event: str, **facts: int) -> None:
        """Log a fault of a conversation, once."""
        if conversation_id not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(conversation_id)
            log.error(event, conversation_id=conversation_id, **facts)

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
            complete = confirmed.get(conversation_id, 0)
            if complete < seq:
                self._lane.behind(conversation_id, seq)
            elif complete > seq:
                await self._check_ahead(conversation_id, complete)

    async def _check_ahead(self, conversation_id: ConversationID, complete: int) -> None:
        """Tell of a history that is ahead, unless the message store has come as far since: another process may write, cut off for a while."""
        head = (await self._messages.heads([conversation_id])).get(conversation_id)
        seq = head.max_seq if head is not None else 0
        if complete > seq:
            self._tell_of(conversation_id, "the history is ahead of the message store", history=complete, head=seq)


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
