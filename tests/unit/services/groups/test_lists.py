"""Joined groups and members as lists that clients keep a copy of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openim_ray.domain import errors
from openim_ray.domain.group import Group
from openim_ray.domain.ids import GroupID
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.information import GroupChange
from openim_ray.services.groups.lists import Known, MemberChanges
from openim_ray.services.groups.membership import Invitation, Removal
from openim_ray.services.groups.roles import MemberChange
from tests.unit.services.groups.group_world import GROUP, GroupWorld


async def changes(world: GroupWorld, since: tuple[int, str], by: str = "mia") -> MemberChanges:
    """Return what changed in the member list since a version."""
    version, version_id = since
    return await world.use.lists.member_changes(world.by(by), Known(GROUP, version_id, version))


def ids(found: MemberChanges) -> tuple[list[str], list[str], list[str]]:
    """Return who left, came, and changed."""
    inserted, updated = ([one.user.user_id for one in some] for some in (found.inserted, found.updated))
    return sorted(found.delta.deleted), sorted(inserted), sorted(updated)


# --- joined groups


async def test_a_joined_group_is_inserted_and_deleted() -> None:
    """With its live numbers; when it is over, it leaves the list."""
    world = GroupWorld()
    first = (await world.use.lists.joined_changes("mia", "", 0)).delta
    assert first.full
    made = await world.make()
    found = await world.use.lists.joined_changes("mia", first.version_id, first.version)
    assert (found.delta.full, found.inserted, found.updated) == (False, [made], [])
    full = await world.use.lists.full_joined_ids("mia", 0)
    assert (full.ids, full.version) == ([GROUP], found.delta.version)
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    found = await world.use.lists.joined_changes("mia", first.version_id, full.version)
    assert (found.delta.deleted, found.inserted) == ([GROUP], [])
    assert (await world.use.lists.full_joined_ids("mia", 0)).equal


async def test_a_group_that_changed_is_no_step_of_joined_lists() -> None:
    """Clients learn it with the members."""
    world = GroupWorld()
    await world.make()
    first = (await world.use.lists.joined_changes("mia", "", 0)).delta
    await world.use.information.change(world.by("olga"), GROUP, GroupChange(group_name="H"))
    again = (await world.use.lists.joined_changes("mia", first.version_id, first.version)).delta
    assert (again.version, again.full) == (first.version, False)


# --- members of one group


async def test_whoever_has_nothing_fetches_everything() -> None:
    """The group is beside it; the ids come in list order, unless the client has them."""
    world = GroupWorld()
    await world.make()
    found = await changes(world, (0, ""))
    assert (found.delta.full, ids(found), found.group) == (True, ([], [], []), world.group())
    full = await world.use.lists.full_member_ids(world.by("mia"), GROUP, 0)
    assert ((full.version, full.version_id), full.ids) == (world.version(), ["olga", "ada", "mia", "max"])


async def test_nothing_changed_is_nothing() -> None:
    """Not even the group."""
    world = GroupWorld()
    await world.make()
    found = await changes(world, world.version())
    assert (found.delta.full, ids(found), found.group, found.delta.sort_version) == (False, ([], [], []), None, 0)


async def test_members_come_go_and_change() -> None:
    """Each by her last change, with the group beside it."""
    world = GroupWorld()
    await world.make()
    before = world.version()
    await world.use.membership.invite(world.by("mia"), Invitation(group_id=GROUP, user_ids=["sue"]))
    await world.use.membership.kick(world.by("olga"), Removal(group_id=GROUP, user_ids=["max"]))
    await world.use.roles.mute(world.by("olga"), GROUP, "mia", 60)
    found = await changes(world, before)
    assert ids(found) == (["max"], ["sue"], ["mia"])
    assert found.group == world.group()
    assert found.delta.sort_version > 0


async def test_a_change_of_the_group_is_a_marker() -> None:
    """No element of the answer, but the group itself."""
    world = GroupWorld()
    await world.make()
    before = world.version()
    await world.use.information.mute(world.by("olga"), GROUP)
    found = await changes(world, before)
    assert (found.delta.full, ids(found), found.group) == (False, ([], [], []), world.group())


async def test_a_role_changes_the_order_and_a_name_does_not() -> None:
    """`sortVersion` tells."""
    world = GroupWorld()
    await world.make()
    before = world.version()
    await world.use.roles.change_members(world.by("mia"), [MemberChange(group_id=GROUP, user_id="mia", nickname="M")])
    assert (await changes(world, before)).delta.sort_version == 0
    await world.use.roles.change_members(world.by("olga"), [MemberChange(group_id=GROUP, user_id="mia", role_level=60)])
    assert (await changes(world, before)).delta.sort_version == world.version()[0]


async def test_strangers_learn_nothing() -> None:
    """1002; of a group that isn't there 1004."""
    world = GroupWorld()
    await world.make()
    with pytest.raises(errors.NoPermission):
        await changes(world, (0, ""), "sue")
    with pytest.raises(errors.NoPermission):
        await world.use.lists.full_member_ids(world.by("sue"), GROUP, 0)
    with pytest.raises(errors.RecordNotFound):
        await world.use.lists.full_member_ids(world.by("sue"), "none", 0)


# --- members of many groups


async def make_groups(world: GroupWorld, count: int) -> list[Known]:
    """Make groups and return what a client without anything asks for."""
    new = NewGroup(group=Group(group_id=GROUP), owner_id="olga", member_ids=["mia"])
    names = [f"g{number:03}" for number in range(count)]
    for name in names:
        one = replace(new, group=replace(new.group, group_id=GroupID(name)))
        await world.use.creation.create(world.by("olga"), one)
    return [Known(name, "", 0) for name in names]


async def test_many_groups_are_answered_in_one() -> None:
    """Each with its own version."""
    world = GroupWorld()
    asked = await make_groups(world, 20)
    answers = await world.use.lists.batch_changes(world.by("mia"), "mia", asked)
    assert list(answers) == [one.group_id for one in asked]
    assert all(one.delta.full and one.group for one in answers.values())
    again = [Known(key, one.delta.version_id, one.delta.version) for key, one in answers.items()]
    answers = await world.use.lists.batch_changes(world.by("mia"), "mia", again)
    assert len(answers) == 20
    assert not any(one.delta.full or one.group or one.size for one in answers.values())
    assert [(one.delta.version, one.delta.version_id) for one in answers.values()] == [
        (one.version, one.version_id) for one in again
    ]


async def test_a_client_s_loop_ends_with_every_group_answered() -> None:
    """No answer holds more than 500 changed members, none is empty while a group is left."""
    world = GroupWorld()
    asked = await make_groups(world, 5)
    first = await world.use.lists.batch_changes(world.by("mia"), "mia", asked)
    many = world.add_many(190)
    for one in asked:
        await world.use.membership.invite(world.by("olga"), Invitation(group_id=one.group_id, user_ids=many))
    left = [Known(key, one.delta.version_id, one.delta.version) for key, one in first.items()]
    rounds = []
    while left:
        answers = await world.use.lists.batch_changes(world.by("mia"), "mia", left)
        assert answers
        rounds.append({key: one.size for key, one in answers.items()})
        left = [one for one in left if one.group_id not in answers]
    assert [sum(sizes.values()) for sizes in rounds] == [380, 380, 190]


async def test_what_is_over_or_foreign_is_answered_as_unchanged() -> None:
    """Else a client would ask for ever; nothing is told of it. An administrator sees what there is."""
    world = GroupWorld()
    await world.make()
    made = world.version()
    await world.use.information.change(world.by("olga"), GROUP, GroupChange(group_name="H"))
    asked = [Known(GROUP, made[1], made[0]), Known("none", "abc", 7)]
    answers = await world.use.lists.batch_changes(world.by("sue"), "sue", asked)
    assert [(key, one.delta.version, one.delta.version_id) for key, one in answers.items()] == [
        (GROUP, made[0], made[1]),
        ("none", 7, "abc"),
    ]
    assert not any(one.delta.full or one.group or one.size for one in answers.values())
    answers = await world.use.lists.batch_changes(world.by("imAdmin"), "imAdmin", asked)
    assert answers[GROUP].group == world.group()
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    answers = await world.use.lists.batch_changes(world.by("mia"), "mia", asked)
    assert not any(one.delta.full or one.group or one.size for one in answers.values())


async def test_a_batch_has_a_limit() -> None:
    """The SDK asks for as many groups."""
    world = GroupWorld()
    asked = [Known(str(number), "", 0) for number in range(501)]
    with pytest.raises(errors.ArgsError, match="reqList"):
        await world.use.lists.batch_changes(world.by("mia"), "mia", asked)
    assert len(await world.use.lists.batch_changes(world.by("mia"), "mia", asked[:500])) == 500
