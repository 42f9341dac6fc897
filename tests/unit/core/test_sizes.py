"""How much room items take, and how much there is."""

from __future__ import annotations

import pytest

from openim_ray.core import items
from openim_ray.core.sizes import ENTRY_BYTES, Room, first_within, size_of

ROW = items.StoreRow("si_a_b", 1, "a", "c", "s", 1, 101, True, "op", b"x" * 1_000)
IDS = [f"user-{number:04}" for number in range(1_000)]


@pytest.mark.parametrize(
    "item",
    [
        items.Submit(1, "si_a_b", "a", "b", "c", "s", 101, "o" * 1_000, b""),
        items.MarkRead(1, "a", "si_a_b", 3, list(range(1_000)), "op", "c"),
        items.AskStates(1, "a", IDS),
        items.Reply(1, value=b"x" * 1_000),
        items.Reply(1, detail="x" * 1_000),
        items.Delivery("si_a_b", 1, "a", "c", "op", b"", list(range(1_000))),
        items.Kick(list(range(1_000))),
        items.Repair(1, dict.fromkeys(IDS, 1)),
        items.Expired(1, list(range(1_000))),
        items.Fanout(IDS, "si_a_b", 1, "a", "c", "op", 1, b""),
        items.StoreLog(1, "0", 1, "a_b", tuple(IDS), [], {}),
        items.StoreLog(1, "0", 1, "a_b", (), [ROW], {}),
        items.StoreLog(1, "0", 1, "a_b", (), [], dict.fromkeys(IDS, 1)),
        items.SavePositions(1, "a", dict.fromkeys(IDS, (1, 2, 3))),
        items.SaveTokens(1, [("digest", user_id, 1, 0, 0) for user_id in IDS]),
        items.StoredLog(1, "duplicate", dict.fromkeys(range(1000), (1, "s", 1))),
    ],
    ids=lambda item: type(item).__name__,
)
def test_whatever_may_be_large_counts(item: items.Item) -> None:
    """Bodies, texts, lists, mappings and rows: a queue that did not count one of them would grow without limit through it."""
    assert size_of(item) >= ENTRY_BYTES + 1_000


def test_a_text_counts_as_it_is_encoded() -> None:
    """Four bytes for a character at most."""
    assert size_of(items.Reply(1, detail="\N{GRINNING FACE}" * 10)) == ENTRY_BYTES + 40


def test_room_is_bounded_by_number_and_by_bytes() -> None:
    """What leaves makes room again."""
    room = Room(2, 100)
    assert [room.enter(40), room.enter(61), room.enter(60), room.enter(0)] == [True, False, True, False]

    room.leave(60)

    assert room.enter(60)


def test_an_entry_larger_than_the_room_finds_it_when_it_is_empty() -> None:
    """It would never leave otherwise."""
    room = Room(10, 100)

    assert room.enter(1_000)
    assert not room.enter(1)


def test_the_first_within_both_limits_are_taken() -> None:
    """And at least one, however large it is."""
    sized = [("a", 60), ("b", 40), ("c", 1), ("d", 1)]

    assert first_within(sized, 10, 100) == ["a", "b"]
    assert first_within(sized, 1, 100) == ["a"]
    assert first_within(sized, 10, 5) == ["a"]
