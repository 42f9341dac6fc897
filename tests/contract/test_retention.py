"""
Old rows leave every message store (`ports.RetentionStore`), and are read from the history from then on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import HistoryUnavailable, Unavailable, UnsuitableStore
from openim_ray.domain.message import Outcome, WriteResult
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import Span
from openim_ray.storage.memory import MemoryHistoryStore
from openim_ray.storage.open import open_message_store, prepare
from openim_ray.storage.places import IN_MEMORY, Places
from openim_ray.storage.tiered import TieredMessageReader
from tests.contract.rows import CHAT, KEY, STREAM, message, reference, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openim_ray.domain.message import StoredMessage
    from openim_ray.storage.stores import OpenMessageReader, OpenMessageStore

ALL = -1_000_000
"""An age that everything has: it lies in the future."""

NONE = 10_000_000
"""An age that nothing has."""

EVERYTHING = (1, 1 << 62, 1000)
ROWS = [message(seq, sender="alice" if seq % 2 else "bob") for seq in range(1, 11)]


@pytest.fixture
async def filled(store: OpenMessageStore) -> OpenMessageStore:
    """A store with a chat of ten messages and its stream of one, whose heads have followed."""
    await store.write([write(*ROWS[:6], read={"bob": 3})])
    await store.write([write(*ROWS[6:], message(1, "n1", conversation=STREAM))])
    await heads_have_followed(store)
    return store


async def heads_have_followed(store: OpenMessageStore) -> None:
    """Let a store that writes heads a little later do so now."""
    raiser = getattr(store, "_raiser", None)
    if raiser is not None:
        await raiser.aclose()


async def test_what_is_old_enough_is_found(filled: OpenMessageStore) -> None:
    """By the time at which it was stored, the oldest first, as many as are looked at."""
    assert await filled.expired(NONE, 1000) == {}
    assert await filled.expired(ALL, 1000) == {CHAT: 10, STREAM: 1}
    assert await filled.expired(ALL, 4) == {CHAT: 4}
    assert await filled.expired(ALL, 4, 4) == {CHAT: 8}
    assert await filled.expired(ALL, 4, 11) == {}


async def test_what_is_forgotten_is_gone_and_the_rest_stays(
    filled: OpenMessageStore, reader: OpenMessageReader
) -> None:
    """Rows and keys go; heads, newest seqs of senders, marks, and everything above stay."""
    head = (await filled.heads([CHAT]))[CHAT]
    assert await filled.forget(CHAT, ConversationSeq(7)) == 7

    assert list(await filled.read_range(CHAT, *EVERYTHING)) == ROWS[7:]
    assert list(await filled.read_seqs(CHAT, [1, 7, 8])) == [ROWS[7]]
    assert await filled.find(CHAT, "alice", "c1") is None
    assert await filled.find(CHAT, "bob", "c8") == reference(ROWS[7])
    assert await filled.heads([CHAT]) == {CHAT: head._replace(floor=ConversationSeq(8))}
    assert await filled.read_marks(KEY) == {"bob": 3}
    assert await filled.expired(ALL, 1000) == {CHAT: 10, STREAM: 1}
    state = await filled.load_log(KEY, 5)
    assert state is not None
    assert [row.seq for row in state.tail if row.conversation_id == CHAT] == [8, 9, 10]
    assert list(await filled.page_heads("", 10)) == [(STREAM, 1), (CHAT, 10)]


async def test_forgetting_again_or_less_does_nothing(filled: OpenMessageStore) -> None:
    """The floor is never lowered, and nothing above it goes."""
    await filled.forget(CHAT, ConversationSeq(4))
    assert await filled.forget(CHAT, ConversationSeq(4)) == 0
    assert await filled.forget(CHAT, ConversationSeq(2)) == 0
    assert (await filled.heads([CHAT]))[CHAT].floor == 5
    assert list(await filled.read_range(CHAT, *EVERYTHING)) == ROWS[4:]


async def test_seqs_go_on_where_everything_was_forgotten(filled: OpenMessageStore) -> None:
    """A floor above the head can't be: the next message continues, and is there."""
    assert await filled.forget(CHAT, ConversationSeq(1 << 40)) == 10
    assert (await filled.heads([CHAT]))[CHAT][1:3] == (10, ROWS[-1].send_time)
    assert (await filled.heads([CHAT]))[CHAT].floor == 11
    assert list(await filled.read_range(CHAT, *EVERYTHING)) == []
    state = await filled.load_log(KEY, 5)
    assert state is not None
    assert state.heads[CHAT].max_seq == 10

    assert await filled.write([write(message(11))]) == [WriteResult(Outcome.STORED, {})]
    assert list(await filled.read_range(CHAT, *EVERYTHING)) == [message(11)]
    assert [result.outcome for result in await filled.write([write(message(13))])] == [Outcome.CONFLICT]


async def test_many_rows_are_forgotten_in_steps(store: OpenMessageStore) -> None:
    """More than one transaction or command deletes."""
    await store.write([write(*(message(seq) for seq in range(1, 1301)))])
    await heads_have_followed(store)
    assert await store.forget(CHAT, ConversationSeq(1250)) == 1250
    assert [row.seq for row in await store.read_range(CHAT, *EVERYTHING)] == list(range(1251, 1301))


async def test_a_history_can_not_be_taken_away(data_dir: Path) -> None:
    """A start without it is refused once messages are there only; before, and with it, it is not."""
    store = await open_message_store(Places(data_dir))
    await store.write([write(*ROWS)])
    await prepare(Places(data_dir))
    await store.forget(CHAT, ConversationSeq(3))
    await store.aclose()

    with pytest.raises(UnsuitableStore, match=r"old messages of messages\.db are in a history only"):
        await prepare(Places(data_dir))
    await prepare(Places(data_dir, history=IN_MEMORY))


# --- both as one


class History(MemoryHistoryStore):
    """
    Can be away.
    """

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.is_away = False

    async def open(self) -> History:
        """Open it."""
        if self.is_away:
            raise Unavailable("away")
        self.opened += 1
        return self


async def copy(history: History, rows: Sequence[StoredMessage]) -> None:
    """Let rows be in the history."""
    await history.copy([Span(CHAT, rows[0].seq, rows[-1].seq, tuple(rows))])


@pytest.fixture
def history() -> History:
    """A history in memory."""
    return History()


@pytest.fixture
async def tiered(store: OpenMessageStore, history: History) -> TieredMessageReader:
    """A reader of both."""
    return TieredMessageReader(store, history.open)


async def test_old_rows_are_read_from_the_history(
    filled: OpenMessageStore, tiered: TieredMessageReader, history: History
) -> None:
    """Whatever the range, in order, the newest of them."""
    await copy(history, ROWS[:7])
    await filled.forget(CHAT, ConversationSeq(6))

    assert list(await tiered.read_range(CHAT, *EVERYTHING)) == ROWS
    assert list(await tiered.read_range(CHAT, 1, 10, 10)) == ROWS
    assert list(await tiered.read_range(CHAT, 3, 9, 5)) == ROWS[4:9]
    assert list(await tiered.read_range(CHAT, 2, 4, 100)) == ROWS[1:4]
    assert list(await tiered.read_range(CHAT, 1, 10, 0)) == []
    assert list(await tiered.read_seqs(CHAT, [9, 2, 6, 7, 99, 0])) == [ROWS[1], ROWS[5], ROWS[6], ROWS[8]]


async def test_all_who_wait_for_the_history_share_one_attempt(
    filled: OpenMessageStore, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none waits longer than for one; closing does not wait for it either."""
    monkeypatch.setattr("openim_ray.storage.tiered.OPEN_SECONDS", 0.05)
    attempts = 0

    async def hang() -> History:
        nonlocal attempts
        attempts += 1
        await asyncio.Event().wait()
        return history

    tiered = TieredMessageReader(filled, hang)
    await filled.forget(CHAT, ConversationSeq(6))
    reads = [tiered.read_range(CHAT, 1, 10, 100) for _ in range(20)]
    for result in await asyncio.gather(*reads, return_exceptions=True):
        assert isinstance(result, HistoryUnavailable)
    assert attempts == 1
    under_way = tiered._under_way
    assert under_way is not None
    under_way.cancel()
    await asyncio.wait([under_way])


async def test_recent_rows_need_no_history(
    filled: OpenMessageStore, tiered: TieredMessageReader, history: History
) -> None:
    """While it is away they are served, and what never was is known to be absent."""
    history.is_away = True
    assert list(await tiered.read_range(CHAT, 1, 10, 100)) == ROWS
    assert list(await tiered.read_range(CHAT, *EVERYTHING)) == ROWS
    assert list(await tiered.read_seqs(CHAT, [10, 11])) == ROWS[9:]
    await filled.forget(CHAT, ConversationSeq(6))

    assert list(await tiered.read_range(CHAT, 7, 10, 100)) == ROWS[6:]
    assert list(await tiered.read_range(CHAT, 1, 10, 4)) == ROWS[6:]
    assert list(await tiered.read_range(CHAT, 7, 99, 100)) == ROWS[6:]
    assert list(await tiered.read_seqs(CHAT, [8, 11])) == [ROWS[7]]
    assert history.opened == 0


async def test_a_row_is_never_told_to_be_absent_because_the_history_is(
    filled: OpenMessageStore, tiered: TieredMessageReader, history: History
) -> None:
    """Away, or behind: clients would keep a gap for ever. It is served as soon as the history is there, and complete."""
    await filled.forget(CHAT, ConversationSeq(6))
    history.is_away = True
    for read in (tiered.read_range(CHAT, 1, 10, 100), tiered.read_seqs(CHAT, [6])):
        with pytest.raises(Unavailable, match="away"):
            await read

    history.is_away = False
    await copy(history, ROWS[:5])
    for read in (tiered.read_range(CHAT, 1, 10, 100), tiered.read_seqs(CHAT, [6])):
        with pytest.raises(Unavailable, match="the history of si_alice_bob is known up to 5 only"):
            await read

    await copy(history, ROWS[5:6])
    assert list(await tiered.read_range(CHAT, 1, 10, 100)) == ROWS
    assert list(await tiered.read_seqs(CHAT, [6])) == [ROWS[5]]
