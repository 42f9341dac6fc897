"""
What every history promises (`ports.HistoryStore`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.ports import Span
from tests.contract.rows import CHAT, STREAM, message

if TYPE_CHECKING:
    from openim_ray.domain.message import StoredMessage
    from openim_ray.storage.stores import OpenHistoryReader, OpenHistoryStore

EVERYTHING = (1, 1 << 62, 1000)


def span(*rows: StoredMessage, last: int = 0) -> Span:
    """Return a span of rows, perhaps with nothing behind them up to `last`."""
    return Span(rows[0].conversation_id, rows[0].seq, last or rows[-1].seq, rows)


async def test_an_empty_history(history: OpenHistoryStore) -> None:
    """Nothing is confirmed, nothing is found."""
    assert await history.confirmed([CHAT]) == {}
    assert await history.confirmed([]) == {}
    assert list(await history.read_range(CHAT, *EVERYTHING)) == []
    assert list(await history.read_seqs(CHAT, [1, 2])) == []
    assert await history.copy([]) == {}


async def test_rows_are_read_as_they_were_copied(history: OpenHistoryStore, history_reader: OpenHistoryReader) -> None:
    """By range and by seq, in order, from another reader."""
    rows = [message(seq, body=bytes(range(256))) for seq in range(1, 8)]
    stream = message(1, "n1", conversation=STREAM)

    assert await history.copy([span(*rows), span(stream)]) == {CHAT: 7, STREAM: 1}
    for reader in (history, history_reader):
        assert list(await reader.read_range(CHAT, *EVERYTHING)) == rows
        assert list(await reader.read_range(CHAT, 2, 6, 3)) == rows[3:6]
        assert list(await reader.read_range(CHAT, 6, 2, 3)) == []
        assert list(await reader.read_range(CHAT, 1, 9, 0)) == []
        assert list(await reader.read_range(CHAT, -5, 2, 9)) == rows[:2]
        assert list(await reader.read_seqs(CHAT, [9, 3, 1, 3, 0, -1, 1 << 70])) == [rows[0], rows[2]]
        assert list(await reader.read_range(STREAM, *EVERYTHING)) == [stream]
        assert await reader.confirmed([STREAM, CHAT]) == {CHAT: 7, STREAM: 1}


async def test_many_seqs_may_be_asked_for(history: OpenHistoryStore) -> None:
    """More than a database takes in one query."""
    rows = [message(seq) for seq in range(1, 1301)]
    await history.copy([span(*rows)])
    assert list(await history.read_seqs(CHAT, range(70_000))) == rows


async def test_copying_again_changes_nothing(history: OpenHistoryStore) -> None:
    """Whole or in part, also together with something new."""
    rows = [message(seq) for seq in range(1, 6)]
    await history.copy([span(*rows[:4])])

    assert await history.copy([span(*rows[:4])]) == {CHAT: 4}
    assert await history.copy([span(*rows[1:3])]) == {CHAT: 4}
    assert await history.copy([span(*rows[2:])]) == {CHAT: 5}
    assert list(await history.read_range(CHAT, *EVERYTHING)) == rows


async def test_a_hole_is_not_confirmed_until_it_is_filled(history: OpenHistoryStore) -> None:
    """What lies behind it is kept, and counts from then on as far as it is said again."""
    rows = [message(seq) for seq in range(1, 7)]
    assert await history.copy([span(*rows[:2]), span(*rows[4:])]) == {CHAT: 2}
    assert list(await history.read_range(CHAT, *EVERYTHING)) == [*rows[:2], *rows[4:]]

    assert await history.copy([span(*rows[2:4])]) == {CHAT: 4}
    assert await history.copy([span(*rows[4:])]) == {CHAT: 6}


async def test_a_seq_without_a_row_is_confirmed_as_absent(history: OpenHistoryStore) -> None:
    """The message store had none there either."""
    assert await history.copy([Span(CHAT, 1, 3, (message(2),))]) == {CHAT: 3}
    assert await history.copy([span(message(4), last=9)]) == {CHAT: 9}
    assert await history.copy([Span(CHAT, 10, 12, ())]) == {CHAT: 12}
    assert list(await history.read_range(CHAT, *EVERYTHING)) == [message(2), message(4)]


async def test_only_a_newer_revision_replaces_a_row(history: OpenHistoryStore) -> None:
    """A copy that comes late must not undo a mutation."""
    old, new = message(1), message(1)._replace(rev=2, body=b"revoked")
    await history.copy([span(old)])
    await history.copy([span(new)])
    await history.copy([span(old), span(message(2))])

    assert list(await history.read_range(CHAT, *EVERYTHING)) == [new, message(2)]


async def test_a_row_may_come_twice_at_once(history: OpenHistoryStore) -> None:
    """A write that was said again is stored once and told twice; the newest revision stands."""
    new = message(2)._replace(rev=3)
    assert await history.copy([span(message(1), message(2)), span(new), span(message(2), message(3))]) == {CHAT: 3}
    assert list(await history.read_range(CHAT, *EVERYTHING)) == [message(1), new, message(3)]


async def test_what_clients_choose_is_kept_as_it_is(history: OpenHistoryStore) -> None:
    """Ids of clients may hold what a database takes for no text."""
    row = message(1, "a\0b'\"\\ü\u2028", server="s1", body=b"")
    await history.copy([span(row)])
    assert list(await history.read_range(CHAT, *EVERYTHING)) == [row]
