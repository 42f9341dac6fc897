"""What a group is called and says, whether it is muted, and that it is over."""

from __future__ import annotations

import pytest

from openim_ray.core.shard_loads import MarkMentions
from openim_ray.domain import errors
from openim_ray.domain.group import AtType, GroupStatus
from openim_ray.services import mentions
from openim_ray.services.groups import information
from openim_ray.services.groups.information import GroupChange
from openim_ray.services.groups.membership import Invitation
from openim_ray.storage.memory.conversations import MemoryView
from tests.unit.services.groups.group_world import GROUP, GroupWorld


async def change(world: GroupWorld, by: str, **fields: object) -> None:
    """Change the group."""
    await world.use.information.change(world.by(by), GROUP, GroupChange(**fields))  # type: ignore[arg-type]


# --- what it says


async def test_a_name_is_told_of_in_the_chat() -> None:
    """1520; one step of the list, so that clients apply it at once."""
    world = GroupWorld()
    await world.make()
    version, _ = world.version()
    await change(world, "ada", group_name="H")
    assert world.group().group_name == "H"
    (told,) = world.told()
    assert (told.type, told.message.sendID, told.effect.clone_id) == (1520, "ada", "sg_g")
    assert (told.tips["group"]["groupName"], told.tips["groupMemberVersion"]) == ("H", version + 1)


async def test_the_rest_is_told_of_beside_the_chat() -> None:
    """1502, for whatever isn't name or announcement."""
    world = GroupWorld()
    await world.make(introduction="i")
    await change(world, "ada", ex="e", need_verification=2, face_url="f", look_member_info=1, apply_member_friend=1)
    (told,) = world.told()
    assert (told.type, told.effect.clone_id) == (1502, "")
    group = world.group()
    assert (group.ex, group.need_verification, group.face_url, group.introduction) == ("e", 2, "f", "i")
    assert (group.look_member_info, group.apply_member_friend) == (1, 1)


async def test_an_announcement_stands_in_the_chat() -> None:
    """1519; its line is what lets the owner of the log mark every conversation."""
    world = GroupWorld()
    await world.make()
    await change(world, "ada", notification="be kind")
    group = world.group()
    assert (group.notification_user_id, group.notification_update_time) == ("ada", world.clock.now_ms)
    (told,) = world.told()
    assert (told.type, told.effect.clone_id, told.options["isSendMsg"]) == (1519, "sg_g", True)


async def test_an_announcement_marks_every_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, each from where the one before ended; a mark that is there is not put again."""
    monkeypatch.setattr(mentions, "PAGE_MEMBERS", 3)
    world = GroupWorld()
    await world.make()
    load = MarkMentions(GROUP, "sg_g", "", (), True, "operation", "command", is_notice=True)
    assert await mentions.mark_page(world.directory, load) == (["ada", "max", "mia"], "mia")
    assert world.row("olga").group_at_type == AtType.NONE  # type: ignore[union-attr]
    assert await mentions.mark_page(world.directory, load._replace(after="mia")) == (["olga"], "")
    rows = [world.row(one) for one in world.member_ids()]
    assert {row.group_at_type for row in rows if row} == {AtType.NOTICE}
    assert await mentions.mark_page(world.directory, load) == ([], "mia")


async def test_who_is_named_is_marked_so() -> None:
    """Who wrote it is not, nor who is no member; with everybody named, those named besides are told apart."""
    world = GroupWorld()
    await world.make()
    load = MarkMentions(GROUP, "sg_g", "ada", ("max", "sue"), False, "operation", "command")
    assert await mentions.mark_page(world.directory, load) == (["max"], "")
    assert await mentions.mark_page(world.directory, load._replace(after="max")) == ([], "")
    assert await mentions.mark_page(world.directory, load._replace(everybody=True)) == (["max", "mia", "olga"], "")
    marks = [row.group_at_type for one in ("ada", "max", "mia", "olga") if (row := world.row(one))]
    assert marks == [AtType.NONE, AtType.ALL_AND_ME, AtType.ALL, AtType.ALL]


async def test_an_announcement_that_is_taken_back_is_no_line_of_the_chat() -> None:
    """1519 without a clone, and nobody is marked."""
    world = GroupWorld()
    await world.make(notification="be kind")
    await change(world, "ada", notification="")
    (told,) = world.told()
    assert (told.type, told.effect.clone_id, told.effect.clone, told.options["isSendMsg"]) == (1519, "", b"", False)


async def test_all_at_once_is_told_of_one_by_one() -> None:
    """Each in its notification."""
    world = GroupWorld()
    await world.make()
    await change(world, "ada", group_name="H", notification="n", ex="e")
    assert [one.type for one in world.told()] == [1520, 1519, 1502]


async def test_nothing_to_change_changes_nothing() -> None:
    """Not even the version."""
    world = GroupWorld()
    await world.make()
    before = world.version()
    await change(world, "ada")
    assert (world.version(), world.waiting()) == (before, [])


@pytest.mark.parametrize(
    ("by", "fields", "error"),
    [
        ("mia", {"group_name": "H"}, errors.NoPermission),
        ("sue", {"group_name": "H"}, errors.NoPermission),
        ("ada", {"group_name": "x" * 1025}, errors.ArgsError),
        ("ada", {"notification": "x" * 16385}, errors.ArgsError),
        ("ada", {"ex": "\0"}, errors.ArgsError),
        ("ada", {"need_verification": -1}, errors.ArgsError),
        ("ada", {"apply_member_friend": 2}, errors.ArgsError),
    ],
    ids=str,
)
async def test_refused_changes(by: str, fields: dict[str, object], error: type[Exception]) -> None:
    """Nothing is half done."""
    world = GroupWorld()
    before = await world.make()
    with pytest.raises(error):
        await change(world, by, **fields)
    assert (world.group(), world.waiting()) == (before, [])


# --- muted


async def test_a_group_is_muted_and_unmuted() -> None:
    """1514 and 1515, and admission looks again."""
    world = GroupWorld()
    await world.make()
    await world.use.information.mute(world.by("ada"), GROUP)
    assert world.group().status == GroupStatus.MUTED
    (told,) = world.told()
    assert (told.type, told.tips["group"]["status"], told.effect.forget_facts) == (1514, 3, True)
    await world.use.information.unmute(world.by("imAdmin"), GROUP)
    assert world.group().status == GroupStatus.OK
    (told,) = world.told()
    assert (told.type, told.effect.forget_facts) == (1515, True)
    for by in ("mia", "sue"):
        with pytest.raises(errors.NoPermission):
            await world.use.information.mute(world.by(by), GROUP)
        with pytest.raises(errors.NoPermission):
            await world.use.information.unmute(world.by(by), GROUP)


# --- over


async def test_a_group_ends() -> None:
    """1511 while its members are told as they were; then it has none, their lists lose it, their rows stay open for the last line."""
    world = GroupWorld()
    await world.make()
    version, version_id, _ = world.tables.directory.joined_group_ids("mia")  # type: ignore[arg-type]
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    (told,) = world.told()
    assert (told.type, told.effect.clone_id, told.effect.dissolved, told.effect.forget_facts) == (
        1511,
        "sg_g",
        True,
        True,
    )
    assert told.effect.left == []
    assert (told.tips["group"]["status"], told.tips["group"]["memberCount"]) == (2, 4)
    assert (told.tips["opUser"]["userID"], told.tips["opUser"]["roleLevel"]) == ("olga", 100)
    assert world.joined_deleted("mia", version_id, version) == [GROUP]
    row = world.row("mia")
    assert row is not None
    assert row.max_seq == 0
    (group,) = await world.use.queries.groups([GROUP])
    assert (group.status, group.member_count, group.owner_user_id) == (GroupStatus.DISMISSED, 0, "")


async def test_a_group_ends_silently() -> None:
    """`deleteMember`: no notification; its log hears of it."""
    world = GroupWorld()
    await world.make()
    await world.use.information.dismiss(world.by("imAdmin"), GROUP, silently=True)
    (effect,) = world.effects()
    assert (effect.notification, effect.clone, effect.dissolved, effect.forget_facts) == (b"", b"", True, True)
    assert world.member_ids() == []


async def test_an_end_need_not_stand_in_the_chat() -> None:
    """`sendMessage: false`."""
    world = GroupWorld()
    await world.make()
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False, in_chat=False)
    (told,) = world.told()
    assert (told.type, told.effect.clone) == (1511, b"")


async def test_who_may_not_end_it() -> None:
    """Only the owner and administrators, and once."""
    world = GroupWorld()
    await world.make()
    for by in ("ada", "mia", "sue"):
        with pytest.raises(errors.NoPermission):
            await world.use.information.dismiss(world.by(by), GROUP, silently=False)
    assert len(world.member_ids()) == 4
    with pytest.raises(errors.RecordNotFound):
        await world.use.information.dismiss(world.by("olga"), "none", silently=False)
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    for by in ("olga", "imAdmin"):
        with pytest.raises(errors.DismissedAlready):
            await world.use.information.dismiss(world.by(by), GROUP, silently=False)


async def test_who_may_not_end_it_costs_no_list_of_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large group it would be long."""
    world = GroupWorld()
    await world.make()

    def read_all(_view: object, _group_id: str) -> list[str]:
        raise AssertionError("all members were read")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryView, "member_ids", read_all)
        with pytest.raises(errors.NoPermission):
            await world.use.information.dismiss(world.by("max"), GROUP, silently=False)
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)


async def test_a_large_group_ends_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed by the first, its owner leaves with the last, and 1511 comes then."""
    monkeypatch.setattr(information, "REMOVED_AT_ONCE_MAX", 10)
    world = GroupWorld()
    await world.make()
    await world.use.membership.invite(world.by("mia"), Invitation(group_id=GROUP, user_ids=world.add_many(30)))
    world.told()
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    first, last = world.effects()
    assert (first.notification, first.forget_facts, first.dissolved) == (b"", True, False)
    assert (last.content_type, last.dissolved) == (1511, True)
    assert world.member_ids() == []


async def test_an_end_that_was_broken_off_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group is closed, its owner is still there and calls again."""
    monkeypatch.setattr(information, "REMOVED_AT_ONCE_MAX", 2)
    world = GroupWorld()
    await world.make()
    commits = world.use.information._changes.commit

    async def once(use_case: object) -> object:
        monkeypatch.setattr(world.use.information._changes, "commit", broken)
        return await commits(use_case)  # type: ignore[arg-type]

    async def broken(_use_case: object) -> object:
        raise errors.Unavailable("gone")

    monkeypatch.setattr(world.use.information._changes, "commit", once)
    with pytest.raises(errors.Unavailable):
        await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    assert (world.group().status, world.member_ids()) == (GroupStatus.DISMISSED, ["olga", "ada"])
    monkeypatch.setattr(world.use.information._changes, "commit", commits)
    with pytest.raises(errors.DismissedAlready):
        await change(world, "olga", group_name="H")
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    assert world.member_ids() == []
