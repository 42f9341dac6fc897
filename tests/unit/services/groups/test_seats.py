"""Rows of a group's members: bounded at the commit, and exactly once the owner of the log has fixed where."""

from __future__ import annotations

from openim_ray.config import GroupsSection
from openim_ray.core.shard_loads import WriteCuts
from openim_ray.domain.conversation import group_chat_id
from openim_ray.domain.group import Cut, Verification
from openim_ray.domain.ids import UserID
from openim_ray.services.clearing import Reach
from openim_ray.services.groups.membership import Application
from openim_ray.services.groups.seats import cut_exactly, write_cuts
from tests.unit.services.groups.group_world import GROUP, GroupWorld


def bounds(world: GroupWorld, user_id: str) -> tuple[int, int]:
    """Return what a row says that its owner may see."""
    row = world.row(user_id)
    assert row is not None
    return row.min_seq, row.max_seq


def cut(world: GroupWorld, **cuts: tuple[int, int]) -> None:
    """Write cuts as the owner of the log does."""
    exact = [Cut(user_id=UserID(one), min_seq=first, max_seq=last) for one, (first, last) in cuts.items()]
    world.tables.directory.change(lambda tx: cut_exactly(tx, GROUP, exact))


async def join(world: GroupWorld, user_id: str) -> None:
    """Come in."""
    await world.use.membership.join(world.by(user_id), Application(group_id=GROUP, applicant_id=user_id))


async def test_who_leaves_sees_nothing_of_what_was_before_she_came() -> None:
    """Neither from the commit on, nor when the owner of the log has cut her row."""
    world = GroupWorld(GroupsSection(history_for_new_members=False))
    await world.make(need_verification=Verification.ALL_DIRECTLY)
    world.write("one", "two")
    await join(world, "sue")
    cut(world, sue=(4, 0))
    assert bounds(world, "sue") == (4, 0)
    world.write("three", "four", "five")
    await world.use.membership.quit(world.by("sue"), GROUP, "sue")
    assert bounds(world, "sue") == (4, 5)
    cut(world, sue=(0, 6))
    assert bounds(world, "sue") == (4, 6)


async def test_of_two_owners_who_cut_one_does() -> None:
    """The other one reads the outbox anew: what it would write is older, or newer, than what is told already."""
    world = GroupWorld()
    await world.make()
    tables = world.tables.directory
    tables.change(lambda tx: tx.put_effect(GROUP, b"as it was read", 1))
    number = tables.view(lambda view: view.waiting_effects(GROUP, 9))[-1].number
    first, second = (
        WriteCuts(
            GROUP, number, group_chat_id(GROUP), (Cut(user_id=UserID("mia"), min_seq=seq),), b"as it was read", b"cut"
        )
        for seq in (3, 7)
    )

    assert tables.change(lambda tx: write_cuts(tx, first)).result
    assert not tables.change(lambda tx: write_cuts(tx, second)).result
    assert bounds(world, "mia") == (3, 0)
    assert tables.view(lambda view: view.waiting_effects(GROUP, 9))[-1].payload == b"cut"


async def test_who_came_back_is_not_closed_out_by_an_older_cut() -> None:
    """The log's owner was away while she left and joined again."""
    world = GroupWorld()
    await world.make(need_verification=Verification.ALL_DIRECTLY)
    await world.use.membership.quit(world.by("mia"), GROUP, "mia")
    await join(world, "mia")
    cut(world, mia=(0, 7))
    assert bounds(world, "mia") == (0, 0)


async def test_who_came_back_before_the_group_ended_is_not_closed_out_by_an_older_cut() -> None:
    """She is no member any more, but not for having left: what was said until the end is hers."""
    world = GroupWorld()
    await world.make(need_verification=Verification.ALL_DIRECTLY)
    await world.use.membership.quit(world.by("mia"), GROUP, "mia")
    await join(world, "mia")
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=True)
    cut(world, mia=(0, 2))
    cut(world, mia=(0, 0))
    assert bounds(world, "mia") == (0, 0)


async def test_who_left_is_not_let_in_by_an_older_cut() -> None:
    """The log's owner was away while she joined and left again."""
    world = GroupWorld(GroupsSection(history_for_new_members=False))
    await world.make(need_verification=Verification.ALL_DIRECTLY)
    await join(world, "sue")
    await world.use.membership.quit(world.by("sue"), GROUP, "sue")
    cut(world, sue=(3, 0))
    assert bounds(world, "sue") == (3, 1)


async def test_an_older_cut_shows_nothing_that_was_cleared_since() -> None:
    """The log's owner was away while she came without history, and cleared the chat."""
    world = GroupWorld(GroupsSection(history_for_new_members=False))
    await world.make(need_verification=Verification.ALL_DIRECTLY)
    await join(world, "sue")
    world.write("one", "two")
    tables, clear = world.tables.directory, world.services.clearing.clear
    await clear(world.by("sue"), "sue", [group_chat_id(GROUP)], Reach())
    tables.change(lambda tx: tx.put_effect(GROUP, b"of a version that nobody knows", 1))
    assert bounds(world, "sue") == (3, 0)

    joined = tables.view(lambda view: view.waiting_effects(GROUP, 9))[0]
    for seq, first in ((1, 3), (4, 4)):
        cuts = (Cut(user_id=UserID("sue"), min_seq=seq),)
        load = WriteCuts(GROUP, joined.number, group_chat_id(GROUP), cuts, joined.payload, joined.payload)
        assert tables.change(lambda tx, load=load: write_cuts(tx, load)).result  # type: ignore[misc]
        assert bounds(world, "sue") == (first, 0)
