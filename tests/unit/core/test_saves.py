"""Writes of a shard to the state store."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_saves import StateSaves


class Saves:
    """
    Saves of positions of one chat, with what left and what was confirmed.
    """

    def __init__(self, repeats_at_once: int = 10) -> None:
        self.outbox = Outbox(0)
        self.saves = StateSaves(
            self.outbox, ("persistence-0",), retry_seconds=1.0, repeats_at_once=repeats_at_once, queue_max=3
        )
        self.confirmed: list[tuple[str, int]] = []

    def save(self, user_id: str, seq: int) -> bool:
        """Save a position."""
        return self.saves.save(
            user_id,
            lambda call: items.SavePositions(call, user_id, {"si": (seq, 0, 0)}),
            lambda: self.confirmed.append((user_id, seq)),
        )

    def left(self) -> list[tuple[int, str, int]]:
        """Return (call, user, seq) of what left since the last time."""
        sent = [item for _, item in self.outbox.take_items() if isinstance(item, items.SavePositions)]
        return [(item.call, item.user_id, item.positions["si"][0]) for item in sent]

    def answer(self, call: int, code: int = 0, now: float = 0.0) -> None:
        """Answer a save."""
        self.saves.saved(items.Reply(call, code), now)


def test_one_save_of_a_user_is_under_way_at_a_time() -> None:
    """The next one leaves when the first is durable; other users don't wait."""
    saves = Saves()
    for user_id, seq in (("alice", 1), ("alice", 2), ("bob", 3)):
        saves.save(user_id, seq)
    assert saves.left() == [(1, "alice", 1), (3, "bob", 3)]

    saves.answer(1)

    assert saves.left() == [(2, "alice", 2)]
    assert saves.confirmed == [("alice", 1)]


def test_what_the_store_could_not_take_is_repeated_before_what_follows() -> None:
    """Otherwise an earlier position would replace a later one."""
    saves = Saves()
    saves.save("alice", 1)
    saves.save("alice", 2)
    saves.left()
    saves.answer(1, code=90002)

    saves.saves.tick(0.9)
    assert saves.left() == []
    saves.saves.tick(1.0)
    assert saves.left() == [(1, "alice", 1)]
    assert saves.confirmed == []


def test_after_a_break_unanswered_saves_are_said_again_paced() -> None:
    """So many with each tick."""
    saves = Saves(repeats_at_once=2)
    for number, user_id in enumerate(("alice", "bob", "carol")):
        saves.save(user_id, number)
    saves.left()

    saves.saves.repeat("persistence-0")

    saves.saves.tick(0.0)
    assert [user_id for _, user_id, _ in saves.left()] == ["alice", "bob"]
    saves.saves.tick(0.1)
    assert [user_id for _, user_id, _ in saves.left()] == ["carol"]


def test_a_late_or_foreign_answer_is_ignored() -> None:
    """A repetition is answered twice."""
    saves = Saves()
    saves.save("alice", 1)
    saves.answer(1)
    saves.answer(1)
    saves.answer(99)

    assert saves.confirmed == [("alice", 1)]
    assert not saves.saves.concerns("alice")


def test_too_many_saves_of_a_user_are_refused() -> None:
    """The caller is told."""
    saves = Saves()

    assert [saves.save("alice", seq) for seq in range(4)] == [True, True, True, False]


def test_what_must_be_saved_waits_however_much_waits() -> None:
    """That a token was ended, nobody would say again."""
    saves = Saves()
    for seq in range(3):
        saves.save("alice", seq)
    saves.left()

    assert saves.saves.save(
        "alice", lambda call: items.SavePositions(call, "alice", {"si": (9, 0, 0)}), lambda: None, must=True
    )

    for call in (1, 2, 3):
        saves.answer(call)
    assert [seq for _, _, seq in saves.left()] == [1, 2, 9]
