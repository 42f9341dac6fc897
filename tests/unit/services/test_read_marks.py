"""Saying what has been read."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.services import read_marks
from tests.unit.services.memory_world import MemoryWorld


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with three messages from alice to bob."""
    world = MemoryWorld()
    world.send("alice", "bob", "one", "two", "three")
    return world


CHAT = "si_alice_bob"


async def test_a_conversation_is_marked_with_its_seqs_in_order(world: MemoryWorld) -> None:
    """Seqs go on sorted, once each; what is no seq is dropped; the operation stays the caller's."""
    await world.services.read_marks.mark_conversation("bob", CHAT, 3, [3, 1, 3, 0, -1], "op")
    assert world.broker.marked == [("bob", CHAT, 3, [1, 3], "op")]
    assert (await world.broker.conversation_states("bob"))[CHAT].read_seq == 3


async def test_marked_messages_set_the_position_to_the_highest(world: MemoryWorld) -> None:
    """Clients send the seqs of marked messages in any order."""
    await world.services.read_marks.mark_messages("bob", CHAT, [2, 3, 1], "op")
    assert world.broker.marked == [("bob", CHAT, 3, [1, 2, 3], "op")]


async def test_a_position_is_set_exactly(world: MemoryWorld) -> None:
    """It may be lowered, and the user's other devices are told or not."""
    marks = world.services.read_marks
    await marks.set_position("bob", CHAT, 3, "op", notify=True)
    await marks.set_position("bob", CHAT, 1, "op", notify=False)
    assert [(one[2], one[4]) for one in world.broker.positions_set] == [(3, True), (1, False)]
    assert (await world.broker.conversation_states("bob"))[CHAT].read_seq == 1


async def test_what_makes_no_sense_is_refused(world: MemoryWorld) -> None:
    """1001 without conversation, below zero, above the newest message or without a seq; 1004 for somebody else's chat."""
    marks = world.services.read_marks
    for conversation_id, seq in [("", 1), (CHAT, -1), (CHAT, 4)]:
        with pytest.raises(errors.ArgsError):
            await marks.mark_conversation("bob", conversation_id, seq, [], "op")
        with pytest.raises(errors.ArgsError):
            await marks.set_position("bob", conversation_id, seq, "op", notify=True)
    with pytest.raises(errors.ArgsError):
        await marks.mark_messages("bob", CHAT, [0, -3], "op")
    with pytest.raises(errors.RecordNotFound):
        await marks.mark_conversation("carol", CHAT, 1, [], "op")
    assert world.broker.marked == []


async def test_the_list_of_seqs_is_bounded(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many seqs the highest are passed on."""
    monkeypatch.setattr(read_marks, "SEQS_MAX", 2)
    await world.services.read_marks.mark_conversation("bob", CHAT, 3, [1, 2, 3], "op")
    assert world.broker.marked[0][3] == [2, 3]
