"""Applications are answered once, by who may."""

from __future__ import annotations

import pytest

from openim_ray.config import GroupsSection
from openim_ray.domain import errors
from openim_ray.domain.group import Verification
from openim_ray.domain.people import HandleResult
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.membership import Application, Invitation
from openim_ray.services.groups.roles import MemberChange
from tests.unit.services.groups.group_world import GROUP, GroupWorld


async def applied(world: GroupWorld, *user_ids: str, **fields: int) -> None:
    """Make the group, and let users apply; the outbox is empty then."""
    await world.make(**fields)
    for one in user_ids:
        await world.use.membership.join(world.by(one), Application(group_id=GROUP, applicant_id=one, message="please"))
    forget(world)


def forget(world: GroupWorld) -> None:
    """Empty the outbox."""
    for key in world.waiting():
        world.told(key)


async def respond(world: GroupWorld, by: str, user_id: str, result: int, message: str = "") -> None:
    """Answer an application."""
    verdict = Verdict(group_id=GROUP, applicant_id=user_id, result=result, message=message)
    await world.use.applications.respond(world.by(by), verdict)


async def test_who_is_accepted_is_in() -> None:
    """1505 to her, the owner and admins, 1510 to the group."""
    world = GroupWorld()
    await applied(world, "sue")
    await respond(world, "ada", "sue", 1, "ok")
    member = world.member("sue")
    assert member is not None
    assert (member.operator_user_id, member.join_source, member.inviter_user_id) == ("ada", 3, "")
    request = world.request("sue")
    assert request is not None
    assert (request.handle_result, request.handle_msg, request.handle_user_id) == (1, "ok", "ada")
    (entered,) = world.told()
    assert (entered.type, entered.message.sendID, entered.effect.joined) == (1510, "ada", ["sue"])
    told = {one.message.recvID: one for key in ("ada_sue", "ada_olga", "ada_ada") for one in world.told(key)}
    assert {one: (each.type, each.tips["receiverAs"]) for one, each in told.items()} == {
        "sue": (1505, 0),
        "olga": (1505, 1),
        "ada": (1505, 1),
    }
    assert len({one.tips["uuid"] for one in told.values()}) == 1
    tips = told["sue"].tips
    assert (tips["handleMsg"], tips["request"]["handleResult"], tips["group"]["memberCount"]) == ("ok", 1, 5)
    assert tips["opUser"]["userID"] == "ada"
    assert world.waiting() == []


async def test_who_is_refused_is_not() -> None:
    """1506 to her, the owner and admins, nothing to the group. She may apply again."""
    world = GroupWorld()
    await applied(world, "sue")
    await respond(world, "olga", "sue", -1, "no")
    assert world.member("sue") is None
    assert world.told() == []
    assert [one.type for key in ("olga_sue", "olga_olga", "ada_olga") for one in world.told(key)] == [1506] * 3
    await world.use.membership.join(world.by("sue"), Application(group_id=GROUP, applicant_id="sue"))
    request = world.request("sue")
    assert request is not None
    assert request.handle_result == HandleResult.PENDING


async def test_an_administrator_answers_with_her_own_name() -> None:
    """She is no member: `opUser` shows her account."""
    world = GroupWorld()
    await applied(world, "sue")
    await respond(world, "imAdmin", "sue", 1)
    (told,) = world.told("imAdmin_sue")
    assert (told.tips["opUser"]["userID"], told.tips["opUser"]["nickname"], told.tips["opUser"]["roleLevel"]) == (
        "imAdmin",
        "Imadmin",
        0,
    )


async def test_who_was_invited_comes_in_as_invited() -> None:
    """1509, which names the inviter."""
    world = GroupWorld()
    await world.make(need_verification=Verification.ALL_APPLY)
    await world.use.membership.invite(world.by("mia"), Invitation(group_id=GROUP, user_ids=["sue"]))
    forget(world)
    await respond(world, "olga", "sue", 1)
    (told,) = world.told()
    assert (told.type, told.tips["opUser"]["userID"], told.tips["inviterUser"]["userID"]) == (1509, "olga", "mia")
    member = world.member("sue")
    assert member is not None
    assert (member.inviter_user_id, member.join_source) == ("mia", 2)


@pytest.mark.parametrize("first", [1, -1])
async def test_an_application_is_answered_once(first: int) -> None:
    """1206, whatever was said first."""
    world = GroupWorld()
    await applied(world, "sue")
    await respond(world, "olga", "sue", first)
    forget(world)
    for second in (1, -1):
        with pytest.raises(errors.GroupRequestHandled):
            await respond(world, "ada", "sue", second)
    assert world.waiting() == []


async def test_who_is_in_meanwhile_is_not_let_in_twice() -> None:
    """The application is answered, and nobody hears of a new member."""
    world = GroupWorld()
    await applied(world, "sue")
    await world.use.membership.invite(world.by("mia"), Invitation(group_id=GROUP, user_ids=["sue"]))
    before = world.member("sue")
    world.told()
    await respond(world, "olga", "sue", 1)
    assert world.member("sue") == before
    assert world.told() == []
    assert [one.type for one in world.told("olga_sue")] == [1505]


async def test_a_full_group_lets_nobody_in() -> None:
    """The application goes on waiting."""
    world = GroupWorld(GroupsSection(members_max=5))
    await applied(world, "sue", "sid")
    await respond(world, "olga", "sue", 1)
    with pytest.raises(errors.ArgsError, match=r"groups\.members_max"):
        await respond(world, "olga", "sid", 1)
    request = world.request("sid")
    assert request is not None
    assert request.handle_result == HandleResult.PENDING
    await respond(world, "olga", "sid", -1)


async def test_refusals() -> None:
    """Who may not, what isn't there, wrong values, a group that is over."""
    world = GroupWorld()
    await applied(world, "sue")
    for by in ("mia", "sue", "sid"):
        with pytest.raises(errors.NoPermission):
            await respond(world, by, "sue", 1)
    with pytest.raises(errors.RecordNotFound, match="fromUserID"):
        await respond(world, "olga", "sid", 1)
    with pytest.raises(errors.ArgsError, match="handleResult"):
        await respond(world, "olga", "sue", 0)
    with pytest.raises(errors.ArgsError, match="handledMsg"):
        await respond(world, "olga", "sue", 1, "x" * 4097)
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=True)
    with pytest.raises(errors.DismissedAlready):
        await respond(world, "imAdmin", "sue", 1)


async def test_only_so_many_of_a_large_staff_are_told() -> None:
    """The owner and the admins who are it longest; the others find the application in their list."""
    world = GroupWorld()
    await world.make()
    many = world.add_many(60)
    await world.use.membership.invite(world.by("olga"), Invitation(group_id=GROUP, user_ids=many))
    changes = [MemberChange(group_id=GROUP, user_id=one, role_level=60) for one in many]
    await world.use.roles.change_members(world.by("olga"), changes)
    forget(world)
    await world.use.membership.join(world.by("sue"), Application(group_id=GROUP, applicant_id="sue"))
    assert len(world.waiting()) == 51
    assert "olga_sue" in world.waiting()
