"""
Conversation logs taken from a SQLite file to MongoDB and to a history, and compared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from openim_ray.domain.conversation import home_key
from openim_ray.domain.errors import UnsuitableStore
from openim_ray.domain.message import DamagedRow, intact, whole_from
from openim_ray.domain.sequence import given
from openim_ray.ports import Span
from openim_ray.storage.damage import Unsealer
from openim_ray.storage.mongo.intake import LogDocuments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StreamHead
    from openim_ray.ports import HistoryReader, HistoryStore, MessageReader
    from openim_ray.storage.envelope import Columns
    from openim_ray.storage.mongo.intake import MongoIntake
    from openim_ray.storage.sqlite.export import Export, ExportedLog, ExportedStream

LOGS_AT_ONCE = 200
ROWS_AT_ONCE = 1000
STREAMS_AT_ONCE = 8
"""So many are compared at the same time."""


class Differs(Exception):
    """
    The target is not what the source is; the text is one line.
    """


class LogCopier:
    """
    Copies logs. What an interrupted run has copied is left out.

    Args:
        intake: where messages go; None if they stay.
        history: what is filled besides; None if there is none.
        progress: hears how many rows were copied.
    """

    def __init__(
        self,
        export: Export,
        intake: MongoIntake | None,
        history: HistoryStore | None,
        progress: Callable[[int], None],
    ) -> None:
        self._export = export
        self._intake = intake
        self._history = history
        self._progress = progress
        self._unsealer = Unsealer()
        self._rows: list[tuple[ConversationID, Columns, int]] = []
        self._spans: list[Span] = []
        self.copied = 0

    @property
    def damaged(self) -> int:
        """How many rows were copied as they are, though their checksum fails."""
        return self._unsealer.damaged_rows

    async def run(self) -> None:
        """Copy all logs; a log counts as copied when everything of it is durable."""
        after = 0
        while page := self._export.logs(after, LOGS_AT_ONCE):
            after = page[-1].number
            await self._copy(page)

    async def _copy(self, page: Sequence[ExportedLog]) -> None:
        ids = [stream.conversation_id for log in page for stream in log.streams]
        whole = await self._intake.whole_logs([log.home_key for log in page]) if self._intake else set()
        there = await self._intake.newest_seqs(ids) if self._intake else {}
        confirmed = await self._history.confirmed(ids) if self._history else {}
        documents = LogDocuments()
        for log in page:
            for stream in log.streams:
                known = stream.max_seq if log.home_key in whole else there.get(stream.conversation_id, 0)
                await self._copy_stream(stream, known, confirmed.get(stream.conversation_id, 0))
            if log.home_key not in whole:
                _add(documents, log)
        await self._flush()
        if self._intake is not None:
            await self._intake.complete(documents)

    async def _copy_stream(self, stream: ExportedStream, known: int, confirmed: int) -> None:
        if self._history is not None and confirmed < stream.floor - 1:
            raise UnsuitableStore(
                f"old messages of {stream.conversation_id} are in a history only; set storage.history_url as it was"
            )
        after = min(
            known if self._intake is not None else stream.max_seq,
            confirmed if self._history is not None else stream.max_seq,
        )
        fills = self._history is not None and confirmed < stream.max_seq
        while True:
            rows = self._export.rows(stream.number, after, ROWS_AT_ONCE)
            fresh = [(stream.conversation_id, *row) for row in rows if row.columns[0] > known]
            if self._intake is not None:
                self._rows += fresh
            if fills:
                found = self._unsealer.unseal(
                    stream.conversation_id, (row.columns for row in rows if row.columns[0] > confirmed)
                )
                run, done = whole_from(confirmed + 1, found, stream.skipped)
                if done > confirmed:
                    self._spans.append(Span(stream.conversation_id, confirmed + 1, done, tuple(run)))
                # Behind a hole or a damaged row nothing is confirmed: it would pass for absent.
                fills = len(run) == len(found)
                confirmed = done
            await self._flush_if_due()
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1].columns[0]

    async def _flush_if_due(self) -> None:
        if max(len(self._rows), sum(len(span.rows) for span in self._spans)) >= ROWS_AT_ONCE:
            await self._flush()

    async def _flush(self) -> None:
        rows, spans = self._rows, self._spans
        self._rows, self._spans = [], []
        async with asyncio.TaskGroup() as group:
            if self._intake is not None and rows:
                group.create_task(self._intake.insert(rows))
            if self._history is not None and spans:
                group.create_task(self._copy_spans(self._history, spans))
        copied = len(rows) if self._intake is not None else sum(len(span.rows) for span in spans)
        self.copied += copied
        self._progress(copied)

    async def _copy_spans(self, history: HistoryStore, spans: Sequence[Span]) -> None:
        await history.copy(spans)


class LogComparison:
    """
    Reads logs from both sides, as a server would, and compares them.

    Args:
        source: the file.
        target: what has taken its place; None if messages stay.
        history: what was filled; None if there is none.
        progress: hears how many rows were compared.
    """

    def __init__(
        self,
        source: MessageReader,
        target: MessageReader | None,
        history: HistoryReader | None,
        progress: Callable[[int], None],
    ) -> None:
        self._source = source
        self._target = target
        self._history = history
        self._progress = progress
        self._room = asyncio.Semaphore(STREAMS_AT_ONCE)

    async def run(self) -> None:
        """Compare everything; Differs names the first difference."""
        if self._target is not None and await self._source.origin() != await self._target.origin():
            raise Differs("new conversations would begin at another seq")
        after = ""
        while page := await self._source.page_heads(after, LOGS_AT_ONCE):
            if self._target is not None and await self._target.page_heads(after, LOGS_AT_ONCE) != page:
                raise Differs(f"other conversations, or other newest seqs, behind {after or 'the first'}")
            after, _ = page[-1]
            heads = await self._source.heads([one for one, _ in page])
            there = await self._target.heads(list(heads)) if self._target is not None else heads
            for one, head in heads.items():
                if there.get(one) != head:
                    raise Differs(f"{one}: what is noted of it differs")
            await self._compare(list(heads.values()))

    async def _compare(self, heads: Sequence[StreamHead]) -> None:
        confirmed = await self._history.confirmed([head.conversation_id for head in heads]) if self._history else {}
        try:
            async with asyncio.TaskGroup() as group:
                for head in heads:
                    group.create_task(self._compare_one(head, confirmed.get(head.conversation_id, 0)))
        except* Differs as differences:
            raise _first(differences) from None

    async def _compare_one(self, head: StreamHead, confirmed: int) -> None:
        async with self._room:
            await self._compare_marks(head.conversation_id)
            for first, last in _spans(head):
                rows = await self._source.read_range(head.conversation_id, first, last, ROWS_AT_ONCE)
                await self._compare_rows(head.conversation_id, first, last, rows)
                await self._compare_history(head.conversation_id, first, min(last, confirmed), rows)
                self._progress(len(rows))
            if self._history is not None and confirmed < head.max_seq:
                await self._compare_end(head, confirmed)

    async def _compare_marks(self, conversation_id: ConversationID) -> None:
        if self._target is None:
            return
        key = home_key(conversation_id)
        if await self._source.read_marks(key) != await self._target.read_marks(key):
            raise Differs(f"{conversation_id}: read marks differ")

    async def _compare_rows(
        self, conversation_id: ConversationID, first: int, last: int, rows: Sequence[object]
    ) -> None:
        if self._target is None:
            return
        there = await self._target.read_range(conversation_id, first, last, ROWS_AT_ONCE)
        if list(there) != list(rows):
            raise Differs(
                f"{conversation_id}: {len(rows)} messages of seq {first}..{last} here, {len(there)} there, or others"
            )

    async def _compare_history(
        self, conversation_id: ConversationID, first: int, last: int, rows: Sequence[object]
    ) -> None:
        if self._history is None or last < first:
            return
        here = [row for row in intact(rows) if row.seq <= last]  # type: ignore[arg-type]
        there = await self._history.read_range(conversation_id, first, last, ROWS_AT_ONCE)
        if list(there) != here:
            raise Differs(
                f"{conversation_id}: {len(here)} messages of seq {first}..{last} here, {len(there)} in the history, or others"
            )

    async def _compare_end(self, head: StreamHead, confirmed: int) -> None:
        """Only a hole or a damaged row keeps a history from being complete."""
        rows = await self._source.read_range(head.conversation_id, confirmed + 1, confirmed + 1, 1)
        if rows and not isinstance(rows[0], DamagedRow):
            raise Differs(f"{head.conversation_id}: the history is complete up to {confirmed} of {head.max_seq} only")


def _first(differences: BaseExceptionGroup[Differs]) -> Differs:
    one: BaseException = differences
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    assert isinstance(one, Differs)
    return one


def _spans(head: StreamHead) -> Iterator[tuple[int, int]]:
    """Yield the seqs of a stream that may have rows in the message store, in portions."""
    for first, last in given(head.floor, head.max_seq, head.skipped):
        for begin in range(first, last + 1, ROWS_AT_ONCE):
            yield begin, min(begin + ROWS_AT_ONCE - 1, last)


def _add(documents: LogDocuments, log: ExportedLog) -> None:
    documents.add_log(log.home_key, log.participants, log.read)
    for stream in log.streams:
        head: dict[str, object] = {
            "home_key": log.home_key,
            "max_seq": stream.max_seq,
            "max_time": stream.max_time,
            "floor": stream.floor,
        }
        documents.add_stream(stream.conversation_id, head, stream.skipped, stream.sent)
