"""Black lists, and what is told of them."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.services import black_lists
from tests.unit.services.memory_world import START_MS, MemoryWorld
from tests.unit.services.outbox import forget, kinds, waiting
from tests.unit.services.test_friendships import caused_by, detail


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with two users."""
    world = MemoryWorld()
    world.add_users("ann", "ben")
    return world


async def blocked(world: MemoryWorld) -> list[tuple[str, str, int]]:
    """Return whom Ann blocked: id, ex, since when."""
    _, entries = await world.services.relations.blocked("ann", 1, 10)
    return [(one.blocked.user_id, one.ex, one.create_time) for one in entries]


@pytest.mark.parametrize("unblocks", [False, True])
async def test_both_hear_of_it_and_the_next_message_is_judged_anew(world: MemoryWorld, unblocks: bool) -> None:
    """1207 and 1208 from owner to the other, unstored, and admission forgets what it knew of the two."""
    await world.services.black_lists.block(caused_by("ann"), "ann", "ben", "x")
    if unblocks:
        await forget(world)
        await world.services.black_lists.unblock(caused_by("ann"), "ann", "ben")

    (told,) = await waiting(world, "ann_ben")
    assert told.kind == (1208 if unblocks else 1207)
    assert told.way == ("ann", "ben", "n_ann_ben")
    assert told.options == {"senderSync"}
    assert (told.effect.receivers, told.effect.clone_id) == (["ben", "ann"], "")
    assert told.effect.forget_facts
    assert told.tips == {"fromToUserID": {"fromUserID": "ann", "toUserID": "ben"}}
    assert told.tips.keys() == detail(told.kind).keys()


async def test_unblocking_somebody_else_succeeds(world: MemoryWorld) -> None:
    """And is told to nobody, whether she exists or not."""
    for stranger in ("ben", "nobody"):
        await world.services.black_lists.unblock(caused_by("ann"), "ann", stranger)
    assert await kinds(world) == {}


async def test_who_blocks_twice_blocks_since_the_first_time(world: MemoryWorld) -> None:
    """The note is the newer one."""
    await world.services.black_lists.block(caused_by("ann"), "ann", "ben", "x")
    await world.services.black_lists.block(caused_by("ann", START_MS + 9), "ann", "ben", "y")
    assert await blocked(world) == [("ben", "y", START_MS)]

    await world.services.black_lists.unblock(caused_by("ann"), "ann", "ben")
    assert await blocked(world) == []


@pytest.mark.parametrize(
    ("other", "ex", "code", "field"),
    [
        ("ann", "", 1301, "blackUserID"),
        ("nobody", "", 1004, "blackUserID"),
        ("", "", 1001, "blackUserID"),
        ("ben", "x" * 65_537, 1001, "ex"),
    ],
)
async def test_a_bad_entry_is_refused(world: MemoryWorld, other: str, ex: str, code: int, field: str) -> None:
    """The refusal names the field, nothing is kept or told."""
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await world.services.black_lists.block(caused_by("ann"), "ann", other, ex)
    assert caught.value.code == code
    assert await blocked(world) == []
    assert await kinds(world) == {}


async def test_there_must_be_an_owner(world: MemoryWorld) -> None:
    """1004 for an administrator who names nobody; nothing is told."""
    for owner in ("nobody", ""):
        with pytest.raises(errors.RecordNotFound, match="ownerUserID"):
            await world.services.black_lists.block(caused_by("imAdmin"), owner, "ben", "")
        with pytest.raises(errors.RecordNotFound, match="ownerUserID"):
            await world.services.black_lists.unblock(caused_by("imAdmin"), owner, "ben")
    assert await kinds(world) == {}


async def test_a_black_list_has_a_limit(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """1001 naming the field; who is on it may be blocked again."""
    monkeypatch.setattr(black_lists, "BLACKS_MAX", 1)
    world.add_users("cid")
    await world.services.black_lists.block(caused_by("ann"), "ann", "ben", "")
    await world.services.black_lists.block(caused_by("ann"), "ann", "ben", "x")
    with pytest.raises(errors.ArgsError, match="ownerUserID"):
        await world.services.black_lists.block(caused_by("ann"), "ann", "cid", "")


async def test_entries_are_looked_up_by_name(world: MemoryWorld) -> None:
    """Who isn't on the list is left out."""
    await world.services.black_lists.block(caused_by("ann"), "ann", "ben", "")
    found = await world.services.relations.designated_blocked("ann", ["nobody", "ben"])
    assert [one.blocked.user_id for one in found] == ["ben"]
