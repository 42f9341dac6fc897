"""Copying to a history that is slow, down, new, or behind; the stores are in memory, the history fails when told to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from openim_ray.actors import history_copier
from openim_ray.actors.history_copier import HistoryCopier
from openim_ray.core.persistence.history_lane import HistoryLane
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.message import DamagedRow, StreamHead
from openim_ray.domain.sequence import ConversationSeq, SeqRange
from openim_ray.ports import Span
from openim_ray.services import history_copying
from openim_ray.services.history_copying import HistoryCopying, spans_of
from openim_ray.storage.memory import MemoryMessageStore
from openim_ray.storage.memory.history import MemoryHistoryStore
from tests.contract.rows import CHAT, STREAM, message, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage


class History(MemoryHistoryStore):
    """
    Fails while it is told to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self.copied = asyncio.Condition()
        self.copies = 0

    async def copy(self, spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryStore`."""
        if self.fault is not None:
            raise self.fault
        self.copies += 1
        confirmed = await super().copy(spans)
        async with self.copied:
            self.copied.notify_all()
        return confirmed

    async def until(self, conversation_id: ConversationID, seq: int) -> None:
        """Wait until the history of a conversation is complete up to a seq."""
        async with self.copied:
            await self.copied.wait_for(lambda: self.tables.confirmed([conversation_id]).get(conversation_id, 0) >= seq)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and fill in small steps."""
    monkeypatch.setattr(history_copier, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(history_copier, "COLLECT_SECONDS", 0.0)
    monkeypatch.setattr(history_copying, "FILL_ROWS", 4)
    monkeypatch.setattr(history_copying, "PAGE_HEADS", 1)


@pytest.fixture
def messages() -> MemoryMessageStore:
    """The message store."""
    return MemoryMessageStore()


@pytest.fixture
async def history() -> History:
    """The history."""
    return History()


@pytest.fixture
async def copier(messages: MemoryMessageStore) -> AsyncIterator[HistoryCopier]:
    """A copier for all conversations; the test lets it run by `begin`."""
    copier = HistoryCopier(HistoryLane(rows_max=3, bytes_max=10_000), messages, lambda _: True)
    yield copier
    for task in [one for one in asyncio.all_tasks() if one.get_name() == "copier"]:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def begin(copier: HistoryCopier, history: History) -> None:
    """Let it run."""
    asyncio.get_running_loop().create_task(copier.run(history), name="copier")


async def store(messages: MemoryMessageStore, rows: Sequence[StoredMessage]) -> None:
    """Store rows."""
    for row in rows:
        await messages.write([write(row)])


async def test_rows_of_several_batches_are_copied_together(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of the history costs as much as one of the messages, and nobody waits for it."""
    monkeypatch.setattr(history_copier, "COLLECT_SECONDS", 0.2)
    await store(messages, [message(1)])
    begin(copier, history)
    await history.until(CHAT, 1)
    await asyncio.sleep(0.05)  # it waits for rows now
    for seq in (2, 3, 4):
        await store(messages, [message(seq)])
        copier.stored([message(seq)])
        await asyncio.sleep(0)
    await history.until(CHAT, 4)

    assert history.copies == 2


async def test_rows_that_come_while_others_are_copied_collect_for_the_next_time(
    messages: MemoryMessageStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a busy server would commit one small copy after the other, and never collect."""
    copying = HistoryCopying(HistoryLane(rows_max=3, bytes_max=10_000), messages, lambda _: True)
    assert await copying.work(history)
    await store(messages, [message(seq) for seq in range(1, 5)])
    copy = history.copy

    async def copy_slowly(spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        if history.copies == 0:
            copying.stored([message(4)])
        return await copy(spans)

    monkeypatch.setattr(history, "copy", copy_slowly)
    copying.stored([message(seq) for seq in range(1, 4)])

    assert await copying.work(history)
    assert history.copies == 1
    assert copying.has_work

    assert await copying.work(history)
    assert history.tables.confirmed([CHAT]) == {CHAT: 4}
    assert not copying.has_work


async def test_an_empty_history_is_filled(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier
) -> None:
    """Everything that the message store holds, stream by stream, in several steps."""
    rows = [*(message(seq) for seq in range(1, 11)), message(1, "n1", conversation=STREAM)]
    await store(messages, rows)
    begin(copier, history)
    await history.until(CHAT, 10)
    await history.until(STREAM, 1)

    assert history.tables.read_range(CHAT, 1, 100, 100) == rows[:10]
    assert history.tables.read_range(STREAM, 1, 100, 100) == rows[10:]
    assert copier.rows_copied == 11


async def test_new_rows_follow_without_being_read_again(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are handed over."""
    begin(copier, history)
    monkeypatch.setattr(messages, "read_range", None)
    rows = [message(seq) for seq in range(1, 8)]
    await store(messages, rows)
    copier.stored(rows)
    await history.until(CHAT, 7)

    assert history.tables.read_range(CHAT, 1, 100, 100) == rows


async def test_what_another_process_wrote_is_found_on_a_busy_server(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that was cut off dies before it has copied: all is compared now and then, also while rows keep coming."""
    monkeypatch.setattr(history_copier, "COMPARE_SECONDS", 0.01)
    begin(copier, history)
    await store(messages, [message(1, "n1", conversation=STREAM)])
    await history.until(STREAM, 1)
    await store(messages, [message(2, "n2", conversation=STREAM)])
    seq = 0
    while history.tables.confirmed([STREAM])[STREAM] < 2:
        seq += 1
        await store(messages, [message(seq)])
        copier.stored([message(seq)])
        await asyncio.sleep(0)

    assert history.tables.read_range(STREAM, 2, 2, 1) == [message(2, "n2", conversation=STREAM)]


@pytest.mark.parametrize("fault", [Unavailable("down"), ValueError("a fault of ours")])
async def test_what_went_by_while_it_was_down_is_caught_up(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier, fault: Exception
) -> None:
    """However it fails, for how long it may; the fault is told once, unless it is one of ours."""
    begin(copier, history)
    history.fault = fault
    rows = [message(seq) for seq in range(1, 30)]
    await store(messages, rows)
    with capture_logs() as logs:
        for row in rows:
            copier.stored([row])
            await asyncio.sleep(0)
        while not logs:  # noqa: ASYNC110 - a log gives no event
            await asyncio.sleep(0)
        history.fault = None
        await history.until(CHAT, 29)

    assert history.tables.read_range(CHAT, 1, 100, 100) == rows
    assert [entry["event"] for entry in logs][-1] == "history catches up"
    if isinstance(fault, Unavailable):
        assert [entry["event"] for entry in logs] == ["history falls behind", "history catches up"]


async def test_a_copy_of_which_nobody_heard_confirms_nothing_more(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made, and its answer lost: the rows that follow are copied like any others, and none is taken for copied before."""
    rows = [message(seq) for seq in range(1, 4)]
    await store(messages, rows[:1])
    copy = history.copy
    lost = [True]

    async def lose_the_answer(spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        confirmed = await copy(spans)
        if lost.pop() if lost else False:
            raise Unavailable("the answer was lost")
        return confirmed

    monkeypatch.setattr(history, "copy", lose_the_answer)
    begin(copier, history)
    await history.until(CHAT, 1)
    while lost:  # noqa: ASYNC110 - the loss gives no event
        await asyncio.sleep(0)
    for row in rows[1:]:
        await store(messages, [row])
        copier.stored([row])
        await asyncio.sleep(0.01)
    await history.until(CHAT, 3)

    assert history.tables.read_range(CHAT, 1, 100, 100) == rows
    assert history.tables.confirmed([CHAT]) == {CHAT: 3}


@pytest.mark.parametrize("fault", ["absent", "damaged"])
async def test_what_the_message_store_lacks_is_never_confirmed(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A row that is damaged, or gone to a history that was emptied since: told once, and others are copied."""
    rows = [message(seq) for seq in range(1, 9)]
    stream = message(1, "n1", conversation=STREAM)
    await store(messages, [*rows, stream])
    read_range = messages.read_range

    async def read_badly(
        conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        found = await read_range(conversation_id, begin, end, newest)
        bad = {ConversationSeq(3)} if conversation_id == CHAT else set()
        if fault == "absent":
            return [row for row in found if row.seq not in bad]
        return [DamagedRow(row.seq) if row.seq in bad else row for row in found]

    monkeypatch.setattr(messages, "read_range", read_badly)
    with capture_logs() as logs:
        begin(copier, history)
        await history.until(STREAM, 1)
        await history.until(CHAT, 2)
        while not logs:  # noqa: ASYNC110 - a log gives no event
            await asyncio.sleep(0)
        copier.stored([message(9)])
        await asyncio.sleep(0.05)

    assert history.tables.confirmed([CHAT]) == {CHAT: 2}
    assert [(entry["event"], entry["seq"]) for entry in logs] == [
        ("the message store lacks a row that the history lacks", 3)
    ]


async def test_a_history_that_is_ahead_is_told(
    messages: MemoryMessageStore, history: History, copier: HistoryCopier
) -> None:
    """The message store was put back to an older state."""
    await store(messages, [message(1)])
    await history.copy([Span(CHAT, 1, 5, ())])
    with capture_logs() as logs:
        begin(copier, history)
        while not logs:  # noqa: ASYNC110 - a log gives no event
            await asyncio.sleep(0)
    assert [(entry["event"], entry["history"], entry["head"]) for entry in logs] == [
        ("the history is ahead of the message store", 5, 1)
    ]


async def test_a_history_that_another_process_copied_to_meanwhile_is_not_ahead(
    messages: MemoryMessageStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the heads and the one at the history a writer that was cut off stored and copied a message: no fault is told."""
    copying = HistoryCopying(HistoryLane(rows_max=3, bytes_max=10_000), messages, lambda _: True)
    await store(messages, [message(1)])
    await history.copy([Span(CHAT, 1, 1, (message(1),))])
    asked = messages.page_heads

    async def page_heads(after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        heads = await asked(after, limit)
        await store(messages, [message(2)])
        await history.copy([Span(CHAT, 2, 2, (message(2),))])
        return heads

    monkeypatch.setattr(messages, "page_heads", page_heads)
    with capture_logs() as logs:
        assert await copying.work(history)

    assert history.tables.confirmed([CHAT]) == {CHAT: 2}
    assert logs == []


async def test_conversations_of_other_writers_are_left_alone(messages: MemoryMessageStore, history: History) -> None:
    """Each has one writer."""
    await store(messages, [message(1), message(1, "n1", conversation=STREAM)])
    copier = HistoryCopier(
        HistoryLane(rows_max=3, bytes_max=10_000),
        messages,
        lambda conversation_id: conversation_id == STREAM,
    )
    task = asyncio.get_running_loop().create_task(copier.run(history))
    await history.until(STREAM, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert history.tables.confirmed([CHAT]) == {}


def test_spans_have_no_holes() -> None:
    """A row that does not continue its conversation begins another one."""
    spans = spans_of([message(1), message(2), message(1, conversation=STREAM), message(5)])
    assert [(span.conversation_id, span.first, span.last, len(span.rows)) for span in spans] == [
        (CHAT, 1, 2, 2),
        (CHAT, 5, 5, 1),
        (STREAM, 1, 1, 1),
    ]


class Restored(MemoryMessageStore):
    """
    Holds rows with seqs that were skipped between them, as a restored backup does.
    """

    def __init__(self, rows: Sequence[StoredMessage], skipped: Sequence[SeqRange]) -> None:
        super().__init__()
        self._rows = rows
        self._head = StreamHead(CHAT, rows[-1].seq, 0, {}, (), skipped=tuple(skipped))

    async def heads(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, StreamHead]:
        """See `ports.MessageReader`."""
        return {CHAT: self._head}

    async def page_heads(self, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
        """See `ports.MessageReader`."""
        return [] if after else [(CHAT, self._head.max_seq)]

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.MessageReader`."""
        return [row for row in self._rows if begin <= row.seq <= end][-newest:]


RESTORED = [*(message(seq) for seq in (4, 5, 6)), *(message(seq) for seq in (27, 28))]
SKIPPED = [SeqRange(1, 3), SeqRange(7, 26)]


async def run_until(history: History, messages: MemoryMessageStore, seq: int) -> None:
    """Copy until the history is complete up to a seq."""
    copier = HistoryCopier(HistoryLane(rows_max=3, bytes_max=10_000), messages, lambda _: True)
    task = asyncio.create_task(copier.run(history))
    try:
        async with asyncio.timeout(5):
            await history.until(CHAT, seq)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_skipped_seqs_are_no_holes(history: History) -> None:
    """What a restore left out, nobody waits for, at the beginning of a conversation as in its middle."""
    await run_until(history, Restored(RESTORED, SKIPPED), 28)
    assert history.tables.read_range(CHAT, 1, 100, 100) == RESTORED


async def test_a_hole_beside_skipped_seqs_is_one(history: History) -> None:
    """It is not passed over because others are skipped."""
    with capture_logs() as logged, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await run_until(history, Restored(without(RESTORED, 27), SKIPPED), 27)
    assert history.tables.confirmed([CHAT]) == {CHAT: 26}
    assert {"the message store lacks a row that the history lacks"} == {one["event"] for one in logged}


def without(rows: Sequence[StoredMessage], seq: int) -> list[StoredMessage]:
    """Return rows with a hole."""
    return [row for row in rows if row.seq != seq]
