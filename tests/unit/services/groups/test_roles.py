"""Owner, roles, names in the group, and who is muted."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.domain.group import Role
from openim_ray.services.groups.roles import MemberChange
from tests.unit.services.groups.group_world import GROUP, GroupWorld


async def change(world: GroupWorld, by: str, user_id: str, **fields: object) -> None:
    """Change one member."""
    one = MemberChange(group_id=GROUP, user_id=user_id, **fields)  # type: ignore[arg-type]
    await world.use.roles.change_members(world.by(by), [one])


def role(world: GroupWorld, user_id: str) -> int:
    """Return what a member is."""
    member = world.member(user_id)
    assert member is not None
    return member.role_level


# --- the owner


@pytest.mark.parametrize("by", ["olga", "imAdmin"])
async def test_a_group_gets_another_owner(by: str) -> None:
    """1507 with both as they are now; who owned it is an ordinary member, and the order of the list changed."""
    world = GroupWorld()
    await world.make()
    await world.use.roles.transfer(world.by(by), GROUP, "olga", "mia")
    assert (role(world, "olga"), role(world, "mia"), world.group().owner_user_id) == (Role.MEMBER, Role.OWNER, "mia")
    (told,) = world.told()
    assert (told.type, told.effect.clone_id, told.effect.forget_facts) == (1507, "sg_g", True)
    assert (told.tips["newGroupOwner"]["roleLevel"], told.tips["oldGroupOwnerInfo"]["roleLevel"]) == (100, 20)
    assert (told.tips["oldGroupOwner"], told.tips["group"]["ownerUserID"]) == ("olga", "mia")
    assert told.tips["opUser"]["userID"] == by
    assert (told.tips["groupMemberVersion"], told.tips["groupMemberVersionID"]) == world.version()


async def test_a_muted_member_is_unmuted_before_she_owns_the_group() -> None:
    """1513, then 1507; each with its own version."""
    world = GroupWorld()
    await world.make()
    await world.use.roles.mute(world.by("olga"), GROUP, "mia", 60)
    world.told()
    await world.use.roles.transfer(world.by("olga"), GROUP, "olga", "mia")
    unmuted, transferred = world.told()
    assert (unmuted.type, transferred.type) == (1513, 1507)
    assert (unmuted.tips["mutedUser"]["muteEndTime"], unmuted.tips["mutedUser"]["roleLevel"]) == (0, 20)
    assert transferred.tips["newGroupOwner"]["muteEndTime"] == 0
    assert transferred.tips["groupMemberVersion"] == unmuted.tips["groupMemberVersion"] + 2


async def test_refused_transfers() -> None:
    """Not by others, not to a stranger or oneself, not from somebody else."""
    world = GroupWorld()
    await world.make()
    for by in ("ada", "mia", "sue"):
        with pytest.raises(errors.NoPermission):
            await world.use.roles.transfer(world.by(by), GROUP, "olga", "ada")
    with pytest.raises(errors.NotInGroupYet, match="newOwnerUserID"):
        await world.use.roles.transfer(world.by("olga"), GROUP, "olga", "sue")
    with pytest.raises(errors.ArgsError, match="newOwnerUserID is oldOwnerUserID"):
        await world.use.roles.transfer(world.by("olga"), GROUP, "olga", "olga")
    with pytest.raises(errors.ArgsError, match="oldOwnerUserID"):
        await world.use.roles.transfer(world.by("olga"), GROUP, "ada", "mia")
    with pytest.raises(errors.RecordNotFound):
        await world.use.roles.transfer(world.by("olga"), "none", "olga", "mia")
    assert world.waiting() == []
    assert world.group().owner_user_id == "olga"


# --- muting


async def test_a_member_is_muted_for_a_while() -> None:
    """1512 with the end, one step of the list, admission looks again; 1513 when it is over early."""
    world = GroupWorld()
    await world.make()
    version, _ = world.version()
    await world.use.roles.mute(world.by("ada"), GROUP, "mia", 60)
    (told,) = world.told()
    assert (told.type, told.tips["mutedSeconds"], told.effect.forget_facts) == (1512, 60, True)
    assert told.tips["mutedUser"]["muteEndTime"] == world.clock.now_ms + 60_000
    assert told.tips["groupMemberVersion"] == version + 1
    await world.use.roles.unmute(world.by("ada"), GROUP, "mia")
    (told,) = world.told()
    assert (told.type, told.tips["mutedUser"]["muteEndTime"], told.effect.forget_facts) == (1513, 0, True)


@pytest.mark.parametrize(
    ("by", "user_id", "error"),
    [
        ("mia", "max", errors.NoPermission),
        ("sue", "max", errors.NoPermission),
        ("ada", "olga", errors.NoPermission),
        ("imAdmin", "olga", errors.NoPermission),
        ("olga", "olga", errors.NoPermission),
        ("ada", "ada", errors.NoPermission),
        ("olga", "sue", errors.NotInGroupYet),
    ],
)
async def test_refused_muting(by: str, user_id: str, error: type[Exception]) -> None:
    """For unmuting the same holds."""
    world = GroupWorld()
    await world.make()
    with pytest.raises(error):
        await world.use.roles.mute(world.by(by), GROUP, user_id, 60)
    with pytest.raises(error):
        await world.use.roles.unmute(world.by(by), GROUP, user_id)
    assert world.waiting() == []


async def test_muting_takes_at_least_a_second() -> None:
    """0 would be a notification of nothing."""
    world = GroupWorld()
    await world.make()
    with pytest.raises(errors.ArgsError, match="mutedSeconds"):
        await world.use.roles.mute(world.by("olga"), GROUP, "mia", 0)
    await world.use.roles.mute(world.by("olga"), GROUP, "mia", (1 << 32) - 1)


# --- names and roles


async def test_a_member_changes_how_she_is_shown() -> None:
    """1516; what she doesn't name stays, and an empty name is that of her account."""
    world = GroupWorld()
    await world.make()
    await change(world, "mia", "mia", nickname="M", ex="e")
    (told,) = world.told()
    assert (told.type, told.effect.clone_id) == (1516, "")
    assert (told.tips["changedUser"]["nickname"], told.tips["changedUser"]["ex"]) == ("M", "e")
    assert (told.tips["groupMemberVersion"], told.tips["groupMemberVersionID"]) == world.version()
    assert told.tips["groupSortVersion"] == 0, "the order is as before: nobody has to fetch it"
    await change(world, "mia", "mia", nickname="")
    (told,) = world.told()
    assert (told.tips["changedUser"]["nickname"], told.tips["changedUser"]["ex"]) == ("Mia", "e")


async def test_the_owner_makes_admins() -> None:
    """1517 and 1518, with the version at which the order changed; a new name beside it is told of by itself."""
    world = GroupWorld()
    await world.make()
    await change(world, "olga", "mia", role_level=60)
    (told,) = world.told()
    assert (told.type, told.tips["changedUser"]["roleLevel"], told.effect.forget_facts) == (1517, 60, True)
    assert told.tips["groupSortVersion"] == told.tips["groupMemberVersion"] == world.version()[0]
    assert world.member_ids() == ["olga", "ada", "mia", "max"]
    await change(world, "imAdmin", "mia", role_level=20, nickname="M")
    assert [one.type for one in world.told()] == [1518, 1516]
    assert role(world, "mia") == Role.MEMBER


async def test_several_members_are_changed_together_or_not_at_all() -> None:
    """The second one is refused."""
    world = GroupWorld()
    await world.make()
    changes = [MemberChange(group_id=GROUP, user_id=one, nickname="X") for one in ("mia", "olga")]
    with pytest.raises(errors.NoPermission):
        await world.use.roles.change_members(world.by("ada"), changes)
    member = world.member("mia")
    assert member is not None
    assert member.nickname == ""
    assert world.waiting() == []


@pytest.mark.parametrize(
    ("by", "user_id", "fields", "error"),
    [
        ("olga", "mia", {"role_level": 100}, errors.NoPermission),
        ("olga", "olga", {"role_level": 20}, errors.NoPermission),
        ("olga", "mia", {"role_level": 50}, errors.ArgsError),
        ("ada", "mia", {"role_level": 60}, errors.NoPermission),
        ("mia", "mia", {"role_level": 60}, errors.NoPermission),
        ("mia", "max", {"nickname": "X"}, errors.NoPermission),
        ("sue", "max", {"nickname": "X"}, errors.NoPermission),
        ("sue", "sue", {"nickname": "X"}, errors.NoPermission),
        ("olga", "sue", {"nickname": "X"}, errors.NotInGroupYet),
        ("mia", "mia", {"nickname": "x" * 1025}, errors.ArgsError),
        ("mia", "mia", {"face_url": "x" * 16385}, errors.ArgsError),
        ("mia", "mia", {"ex": "\0"}, errors.ArgsError),
    ],
    ids=str,
)
async def test_refused_changes(by: str, user_id: str, fields: dict[str, object], error: type[Exception]) -> None:
    """Roles are the owner's business, and so is who owns the group."""
    world = GroupWorld()
    await world.make()
    with pytest.raises(error):
        await change(world, by, user_id, **fields)
    assert world.waiting() == []


async def test_lists_of_changes_have_limits() -> None:
    """Nobody, one twice, too many."""
    world = GroupWorld()
    await world.make()
    one = MemberChange(group_id=GROUP, user_id="mia", nickname="X")
    many = [MemberChange(group_id=GROUP, user_id=str(number)) for number in range(101)]
    for changes in ([], [one, one], many):
        with pytest.raises(errors.ArgsError, match="members"):
            await world.use.roles.change_members(world.by("olga"), changes)


async def test_a_group_that_is_over_changes_no_more() -> None:
    """1204, whatever is tried."""
    world = GroupWorld()
    await world.make()
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=False)
    root = world.by("imAdmin")
    tries = [
        lambda: world.use.roles.transfer(root, GROUP, "olga", "mia"),
        lambda: world.use.roles.mute(root, GROUP, "mia", 1),
        lambda: world.use.roles.unmute(root, GROUP, "mia"),
        lambda: change(world, "imAdmin", "mia", nickname="X"),
    ]
    for attempt in tries:
        with pytest.raises(errors.DismissedAlready):
            await attempt()
