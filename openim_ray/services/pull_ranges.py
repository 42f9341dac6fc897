"""
Pulls: runs and picks of rows, within what a user may see (OpenIM wire, §3.2, §3.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from openim_ray.domain import errors
from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.message import StoredMessage
from openim_ray.ports import ConversationState
from openim_ray.protocol.identifiers import PullOrder
from openim_ray.services.message_rows import Found, RowReader, size_of
from openim_ray.services.pull_answers import Answer, Chat, Stream, is_receipt

log = structlog.get_logger(__name__)

ROWS_MAX: Final = 10_000
"""Rows of chats in one pull; more is refused with ArgsError."""

BYTES_MAX: Final = 4 << 20
"""
Bytes read for one pull, before compression. Beyond it superseded receipts, older rows and further chats are left out as if cut;
other notifications go on to twice as much.
"""

UNCUT_BYTES_MAX: Final = 16 << 20
"""Bytes of an answer that may not be cut; a larger one is refused with ArgsError: the caller has to ask for less."""

STREAM_ROWS_MAX: Final = 100_000
"""Newest notifications of one stream that one pull looks at; older ones are left out, which is logged."""

_STREAM_CHUNK: Final = 500


class Range(NamedTuple):
    """
    What a client asks of one conversation: the newest `num` rows of begin..end.
    """

    begin: int
    end: int
    num: int


class Run(NamedTuple):
    """
    What of a range the user gets: first..last, perhaps empty, and whether the range reaches the end of the conversation.
    """

    first: int
    last: int
    is_end: bool

    @property
    def length(self) -> int:
        """Return the number of seqs."""
        return max(self.last - self.first + 1, 0)


def run_of(conversation_id: str, asked: Range, state: ConversationState, order: int) -> Run:
    """
    Clamp a range to what the user may see. Streams are given in full, whatever `num` says.
    """
    first, last = max(asked.begin, state.min_seq, 1), min(asked.end, state.max_seq)
    if not is_notification_stream(conversation_id):
        first = max(first, last - asked.num + 1)
    is_end = asked.begin <= state.min_seq if order == PullOrder.DESCENDING else state.max_seq <= asked.end
    return Run(first, last, is_end)


@dataclass(slots=True)
class _Budget:
    """
    Bytes that one pull may still read; `strict` refuses instead of leaving something out.
    """

    left: int
    strict: bool

    def take(self, size: int) -> None:
        self.left -= size
        if self.strict and self.left <= 0:
            raise errors.ArgsError(f"seqRanges: more than {UNCUT_BYTES_MAX} bytes; ask for fewer messages at once")

    @property
    def is_spent(self) -> bool:
        return self.left <= 0


class Pulls:
    """
    Reads what pulls ask for; whether the user may see it is decided in `ConversationState`.

    Args:
        rows: reads rows.
    """

    def __init__(self, rows: RowReader) -> None:
        self._rows = rows

    async def runs(self, runs: Mapping[str, Run], *, uncut: bool) -> Answer:
        """
        Return the rows of all runs. Streams come first: what is left out there is not asked for again.
        """
        _check_rows(sum(run.length for key, run in runs.items() if not is_notification_stream(key)))
        budget = _Budget(UNCUT_BYTES_MAX if uncut else BYTES_MAX, strict=uncut)
        answer = Answer()
        for conversation_id, run in runs.items():
            if run.length and is_notification_stream(conversation_id):
                answer.streams.append(await self._stream(conversation_id, run, budget))
        for conversation_id, run in runs.items():
            if run.length and not is_notification_stream(conversation_id) and not budget.is_spent:
                answer.chats.append(await self._chat(conversation_id, run, budget))
        return answer

    async def picks(
        self, asked: Mapping[str, Sequence[int]], states: Mapping[str, ConversationState], order: int
    ) -> Answer:
        """
        Return one row per seq, and of each chat whether a seq lay beyond it; every conversation asked for is named.
        """
        _check_rows(sum(len(seqs) for seqs in asked.values()))
        budget = _Budget(BYTES_MAX, strict=False)
        answer = Answer(keeps_empty=True)
        for conversation_id, seqs in asked.items():
            state = states.get(conversation_id, _NOTHING)
            visible = [seq for seq in seqs if max(state.min_seq, 1) <= seq <= state.max_seq]
            if is_notification_stream(conversation_id):
                rows = await self._rows.stream_rows(conversation_id, visible) if visible else []
                answer.streams.append(Stream(conversation_id, rows))
            else:
                found = await self._picked(conversation_id, visible, budget)
                told = state is not _NOTHING and not found.is_cut
                is_end, end_seq = _end(seqs, state, order) if told else (False, 0)
                answer.chats.append(Chat(conversation_id, found.rows, is_end, end_seq))
        return answer

    async def _chat(self, conversation_id: str, run: Run, budget: _Budget) -> Chat:
        try:
            found = await self._rows.run(conversation_id, run.first, run.last, budget.left, whole=budget.strict)
        except errors.HistoryUnavailable:
            if budget.strict:
                raise
            return Chat(conversation_id)
        budget.take(size_of(found.rows))
        return Chat(conversation_id, found.rows, run.is_end and not found.is_cut)

    async def _picked(self, conversation_id: str, seqs: Sequence[int], budget: _Budget) -> Found:
        if not seqs:
            return Found([], is_cut=False)
        found = await self._rows.picked(conversation_id, seqs, budget.left)
        budget.take(size_of(found.rows))
        return found

    async def _stream(self, conversation_id: str, run: Run, budget: _Budget) -> Stream:
        """Read from the newest down, so that what gets no room is old."""
        kept: list[StoredMessage] = []
        readers: set[str] = set()
        last, lowest = run.last, max(run.first, run.last - STREAM_ROWS_MAX + 1)
        while last >= lowest and budget.left > -BYTES_MAX:
            first = max(lowest, last - _STREAM_CHUNK + 1)
            for row in reversed(await self._rows.stream(conversation_id, first, last)):
                if is_receipt(row):
                    if budget.is_spent and row.sender_id in readers:
                        continue
                    readers.add(row.sender_id)
                kept.append(row)
                budget.take(len(row.body))
            last = first - 1
        if last >= run.first:
            log.warning("old notifications left out of a pull", conversation_id=conversation_id, below=last + 1)
        return Stream(conversation_id, kept[::-1], run.is_end)


_NOTHING: Final = ConversationState(1, 0, 0, 0)
"""Stands for a conversation that the user has no part in."""


def _check_rows(number: int) -> None:
    if number > ROWS_MAX:
        raise errors.ArgsError(f"seqRanges: more than {ROWS_MAX} messages in one pull")


def _end(seqs: Sequence[int], state: ConversationState, order: int) -> tuple[bool, int]:
    """
    Tell whether a seq beyond what the user may see was really asked for, and where that is.

    Both SDKs believe it for ever. Seq 0 is no such seq: the pure-JavaScript client asks for it in passing (OpenIM wire, §10.3).
    """
    if order == PullOrder.DESCENDING and any(0 < seq < state.min_seq for seq in seqs):
        return True, state.min_seq
    if order == PullOrder.ASCENDING and any(seq > state.max_seq for seq in seqs):
        return True, state.max_seq
    return False, 0
