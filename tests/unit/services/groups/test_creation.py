"""Groups are made: with whom, under which id, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openim_ray.config import GroupsSection
from openim_ray.domain import errors
from openim_ray.domain.group import Group, Role
from openim_ray.services.groups.creation import NewGroup
from tests.unit.services.groups.group_world import GROUP, OPERATION, GroupWorld
from tests.unit.services.memory_world import START_MS

NEW = NewGroup(group=Group(group_id=GROUP, group_name="G"), owner_id="olga", admin_ids=["ada"], member_ids=["mia"])


def new_group(**fields: Any) -> NewGroup:
    """Return a group to be made, which differs in some fields of its own."""
    return replace(NEW, group=replace(NEW.group, **fields))


async def test_a_group_has_members_rows_and_a_notification() -> None:
    """All of it at once: the answer, the list, a row of the chat for each, and 1501 with a line in the chat."""
    world = GroupWorld()
    group = await world.use.creation.create(world.by("olga"), NEW)
    assert (group.member_count, group.owner_user_id, group.creator_user_id) == (3, "olga", "olga")
    assert group.create_time == START_MS
    assert [(one, world.member(one).role_level) for one in world.member_ids()] == [  # type: ignore[union-attr]
        ("olga", Role.OWNER),
        ("ada", Role.ADMIN),
        ("mia", Role.MEMBER),
    ]
    for user_id in world.member_ids():
        row = world.row(user_id)
        assert row is not None
        assert (row.conversation_type, row.group_id, row.min_seq, row.max_seq) == (3, GROUP, 0, 0)
    assert world.broker.poked == [GROUP]
    (told,) = world.told()
    assert (told.type, told.message.sendID, told.message.recvID, told.message.sessionType) == (1501, "olga", GROUP, 3)
    assert (told.effect.clone_id, told.effect.stream, told.effect.operation_id) == ("sg_g", "n_g", OPERATION)
    assert (told.effect.joined, told.effect.with_history, told.effect.forget_facts) == (
        ["olga", "ada", "mia"],
        True,
        True,
    )
    assert told.tips["group"]["memberCount"] == 3
    assert told.tips["groupOwnerUser"]["nickname"] == "Olga"
    assert [one["userID"] for one in told.tips["memberList"]] == ["olga", "ada", "mia"]
    assert (told.tips["groupMemberVersion"], told.tips["groupMemberVersionID"]) == world.version()


async def test_an_announcement_is_told_of_too() -> None:
    """1519 follows 1501."""
    world = GroupWorld()
    group = await world.use.creation.create(world.by("olga"), new_group(notification="be kind"))
    assert (group.notification_user_id, group.notification_update_time) == ("olga", START_MS)
    assert [told.type for told in world.told()] == [1501, 1519]


async def test_it_need_not_stand_in_the_chat() -> None:
    """`sendMessage: false`."""
    world = GroupWorld()
    await world.use.creation.create(world.by("olga"), replace(NEW, in_chat=False))
    (told,) = world.told()
    assert (told.effect.clone, told.options["isSendMsg"]) == (b"", False)


async def test_an_id_is_made_of_ten_digits() -> None:
    """As the official server does; it is another each time."""
    world = GroupWorld()
    ids = {(await world.use.creation.create(world.by("olga"), new_group(group_id=""))).group_id for _ in range(5)}
    assert len(ids) == 5
    assert all(one.isdecimal() and len(one) == 10 for one in ids)


async def test_a_taken_id_is_refused() -> None:
    """Also one of a group that is over; nothing changes."""
    world = GroupWorld()
    await world.make()
    with pytest.raises(errors.GroupIDExisted):
        await world.use.creation.create(world.by("sue"), replace(NEW, owner_id="sue", admin_ids=[]))
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=True)
    with pytest.raises(errors.GroupIDExisted):
        await world.use.creation.create(world.by("olga"), NEW)


@pytest.mark.parametrize("group_id", ["a:b", "a_b", "x" * 65, "é" * 33, "a\nb", "a\0"])
async def test_ids_that_are_not_allowed(group_id: str) -> None:
    """The rule is named."""
    world = GroupWorld()
    with pytest.raises(errors.ArgsError, match="groupID"):
        await world.use.creation.create(world.by("olga"), new_group(group_id=group_id))
    assert world.waiting() == []


@pytest.mark.parametrize("group_id", ["7", "x" * 64, "é" * 32, " ", "%", "/", "#", "🙂", "Bob", "bob", "n", "AtAllTag"])
async def test_ids_that_are_allowed(group_id: str) -> None:
    """Whatever else there is."""
    world = GroupWorld()
    group = await world.use.creation.create(world.by("olga"), new_group(group_id=group_id))
    assert group.group_id == group_id


async def test_an_administrator_may_choose_an_underscore_where_no_chat_lives() -> None:
    """`olga_mia` is also where the chat of Olga and Mia lives: a group there would share its log."""
    world = GroupWorld()
    group = await world.use.creation.create(world.by("imAdmin"), new_group(group_id="team_a"))
    assert group.group_id == "team_a"
    world.send("mia", "olga", "hello")
    with pytest.raises(errors.ArgsError, match="chat of two users"):
        await world.use.creation.create(world.by("imAdmin"), new_group(group_id="mia_olga"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner_id": ""}, "ownerUserID"),
        ({"member_ids": ["mia", "mia"]}, "twice"),
        ({"member_ids": ["olga"]}, "twice"),
        ({"member_ids": ["ada"]}, "twice"),
        ({"member_ids": [f"u{one}" for one in range(1001)]}, "1001 ids"),
        ({"member_ids": ["a:b"]}, "memberUserIDs"),
        ({"group": replace(NEW.group, group_type=0)}, "group type only supports 2"),
        ({"group": replace(NEW.group, group_name="x" * 1025)}, "groupName"),
        ({"group": replace(NEW.group, ex="x" * 16385)}, "ex is"),
        ({"group": replace(NEW.group, introduction="a\0")}, "introduction"),
        ({"group": replace(NEW.group, need_verification=3)}, "needVerification"),
        ({"group": replace(NEW.group, look_member_info=2)}, "lookMemberInfo"),
    ],
    ids=str,
)
async def test_bad_requests_make_nothing(change: dict[str, Any], field: str) -> None:
    """The field or the rule is named."""
    world = GroupWorld()
    with pytest.raises(errors.ArgsError, match=field):
        await world.use.creation.create(world.by("olga"), replace(NEW, **change))
    assert world.waiting() == []
    assert await world.use.queries.groups([GROUP]) == []


@pytest.mark.parametrize("change", [{"owner_id": "nobody"}, {"admin_ids": ["nobody"]}, {"member_ids": ["nobody"]}])
async def test_all_must_exist(change: dict[str, Any]) -> None:
    """Else nothing is made."""
    world = GroupWorld()
    with pytest.raises(errors.UserIDNotFound, match="nobody"):
        await world.use.creation.create(world.by("olga"), replace(NEW, **change))
    assert await world.use.queries.groups([GROUP]) == []


async def test_a_group_has_a_limit() -> None:
    """The setting is named."""
    world = GroupWorld(GroupsSection(members_max=2))
    with pytest.raises(errors.ArgsError, match=r"groups\.members_max"):
        await world.use.creation.create(world.by("olga"), NEW)


async def test_large_groups_are_told_of_in_small_notifications() -> None:
    """1501 names the first members only; all of them join by it."""
    world = GroupWorld()
    many = world.add_many(1000)
    await world.use.creation.create(world.by("olga"), replace(NEW, admin_ids=[], member_ids=many))
    (told,) = world.told()
    assert len(told.tips["memberList"]) == 50
    assert len(told.effect.joined) == 1001
    assert world.group().member_count == 1001
