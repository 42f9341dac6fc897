"""The job that deletes old messages, on stores in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from openim_ray.actors import retention as module
from openim_ray.actors.retention import Retention
from openim_ray.domain.errors import Unavailable
from openim_ray.ports import Span
from openim_ray.services import expiry
from openim_ray.services.expiry import DAY_MS
from openim_ray.storage.memory import MemoryHistoryStore, MemoryMessageStore, MessageTables
from tests.contract.rows import CHAT, STREAM, message, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.sequence import ConversationSeq


class World:
    """
    Stores with a clock of their own.
    """

    def __init__(self) -> None:
        self.now_ms = 100 * DAY_MS
        self.days = 14
        self.messages = MemoryMessageStore(MessageTables(lambda: self.now_ms))
        self.history = MemoryHistoryStore()

    def job(self, mine: Sequence[str] = (CHAT, STREAM)) -> Retention:
        """Return the job of who writes some conversations."""
        return Retention(self.messages, lambda: self.days, lambda one: one in mine)

    async def a_message_a_day(self, count: int, *, confirmed: int) -> None:
        """Store one message of the chat a day; the history holds the first ones."""
        rows = [message(seq) for seq in range(1, count + 1)]
        for row in rows:
            await self.messages.write([write(row)])
            self.now_ms += DAY_MS
        await self.history.copy([Span(CHAT, 1, confirmed, tuple(rows[:confirmed]))])

    def seqs(self) -> list[int]:
        """Return which messages of the chat the message store holds."""
        return [row.seq for row in self.messages.tables.read_range(CHAT, 1, 1000, 1000)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no pauses."""
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def world() -> World:
    """Empty stores."""
    return World()


async def test_only_what_is_old_is_deleted(world: World) -> None:
    """Younger messages stay, to the millisecond; the days may change while it runs."""
    await world.a_message_a_day(20, confirmed=20)
    job = world.job()
    await job.sweep(world.history)
    assert world.seqs() == list(range(7, 21))

    world.now_ms += 1
    await job.sweep(world.history)
    assert world.seqs() == list(range(8, 21))
    world.days = 3
    await job.sweep(world.history)
    assert world.seqs() == [19, 20]
    assert job.rows_deleted == 18


async def test_only_what_the_history_holds_is_deleted(world: World) -> None:
    """However old it is."""
    await world.a_message_a_day(40, confirmed=5)
    await world.job().sweep(world.history)
    assert world.seqs() == list(range(6, 41))


async def test_nothing_is_deleted_before_anything_is_confirmed(world: World) -> None:
    """A history that was just made."""
    await world.a_message_a_day(40, confirmed=0)
    await world.job().sweep(world.history)
    assert world.seqs() == list(range(1, 41))


async def test_conversations_of_other_writers_are_left_alone(world: World) -> None:
    """Each has one writer."""
    await world.a_message_a_day(40, confirmed=40)
    await world.job(mine=[STREAM]).sweep(world.history)
    assert world.seqs() == list(range(1, 41))


async def test_more_than_one_look_may_be_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks at the oldest rows only, and makes room for the next."""
    monkeypatch.setattr(expiry, "LOOKED_AT_ONCE", 3)
    await world.a_message_a_day(40, confirmed=40)
    await world.job().sweep(world.history)
    assert world.seqs() == list(range(27, 41))


async def test_what_can_not_be_deleted_hides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old rows that the history lacks stand before others that it has."""
    monkeypatch.setattr(expiry, "LOOKED_AT_ONCE", 3)
    await world.a_message_a_day(10, confirmed=0)
    rows = [message(seq, f"n{seq}", conversation=STREAM) for seq in range(1, 11)]
    await world.messages.write([write(*rows)])
    await world.history.copy([Span(STREAM, 1, 10, tuple(rows))])
    world.now_ms += 20 * DAY_MS
    await world.job().sweep(world.history)
    assert world.seqs() == list(range(1, 11))
    assert world.messages.tables.read_range(STREAM, 1, 100, 100) == []


async def test_a_history_that_is_ahead_confirms_nothing(world: World) -> None:
    """The message store was put back to an older state: rows under the same seqs are others."""
    await world.a_message_a_day(40, confirmed=40)
    await world.history.copy([Span(CHAT, 41, 50, ())])
    await world.job().sweep(world.history)
    assert world.seqs() == list(range(1, 41))


async def test_a_store_that_is_down_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and told once; other faults, too, which are told each time."""
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.0)
    await world.a_message_a_day(40, confirmed=40)
    faults: list[Exception] = [Unavailable("down"), Unavailable("down"), ValueError("a fault of ours")]
    asked = world.messages.expired

    async def expired(age_ms: int, limit: int, skip: int = 0) -> dict[ConversationID, ConversationSeq]:
        if faults:
            raise faults.pop(0)
        return await asked(age_ms, limit, skip)

    monkeypatch.setattr(world.messages, "expired", expired)
    with capture_logs() as logs:
        task = asyncio.create_task(world.job().run(world.history))
        while len(world.seqs()) > 14:  # noqa: ASYNC110 - the job gives no event
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert [entry["event"] for entry in logs] == ["old messages stay for now", "old messages can't be deleted"]
