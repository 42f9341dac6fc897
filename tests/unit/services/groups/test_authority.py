"""Who may do what in a group: each action, done by everybody it could be done by, against the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.domain import errors
from openim_ray.domain.group import Cut, Verification
from openim_ray.domain.ids import UserID
from openim_ray.services.clearing import Reach
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.authority import ALLOWED, Action, Standing
from openim_ray.services.groups.information import GroupChange
from openim_ray.services.groups.membership import Application, Invitation, Removal
from openim_ray.services.groups.roles import MemberChange
from tests.unit.services.groups.group_world import GROUP, GroupWorld

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openim_ray.services.groups.lookups import Operator

WHO = {
    Standing.OWNER: "olga",
    Standing.ADMIN: "ada",
    Standing.MEMBER: "mia",
    Standing.STRANGER: "sue",
    Standing.APP_ADMIN: "imAdmin",
}
"""Who acts; done to are others of the same role, where there can be several: Abe (admin), Max (member)."""


def kick(user_id: str) -> Callable[[GroupWorld, Operator], Awaitable[Any]]:
    """Return how a member is removed."""
    return lambda world, by: world.use.membership.kick(by, Removal(group_id=GROUP, user_ids=[user_id]))


def mute(user_id: str) -> Callable[[GroupWorld, Operator], Awaitable[Any]]:
    """Return how a member is muted."""
    return lambda world, by: world.use.roles.mute(by, GROUP, user_id, 60)


def change(user_id: str, **fields: Any) -> Callable[[GroupWorld, Operator], Awaitable[Any]]:
    """Return how a member is changed."""
    one = MemberChange(group_id=GROUP, user_id=user_id, **fields)
    return lambda world, by: world.use.roles.change_members(by, [one])


async def change_oneself(world: GroupWorld, by: Operator) -> None:
    """Change one's own name; an administrator acts for the member whom she names."""
    user_id = "max" if by.is_app_admin else by.user_id
    await change(user_id, nickname="N")(world, by)


async def invite_past_approval(world: GroupWorld, by: Operator) -> None:
    """Invite where everybody applies: whoever may only propose has not let anybody in."""
    await world.use.information.change(
        world.by("imAdmin"), GROUP, GroupChange(need_verification=Verification.ALL_APPLY)
    )
    await world.use.membership.invite(by, Invitation(group_id=GROUP, user_ids=["sid"]))
    if world.member("sid") is None:
        raise errors.NoPermission


async def clear(world: GroupWorld, by: Operator) -> None:
    """Clear the chat for everybody; an administrator acts for the member whom she names."""
    world.write("text")
    user_id = "max" if by.is_app_admin else by.user_id
    world.tables.directory.change(lambda tx: tx.cut(f"sg_{GROUP}", GROUP, [Cut(user_id=UserID(user_id))]))
    await world.services.clearing.clear(by, user_id, [f"sg_{GROUP}"], Reach(clears_others=True))


DO: dict[Action, Callable[[GroupWorld, Operator], Awaitable[Any]]] = {
    Action.READ_MEMBERS: lambda world, by: world.use.queries.member_ids(by, GROUP),
    Action.INVITE: lambda world, by: world.use.membership.invite(by, Invitation(group_id=GROUP, user_ids=["sid"])),
    Action.INVITE_PAST_APPROVAL: invite_past_approval,
    Action.KICK_MEMBER: kick("max"),
    Action.KICK_ADMIN: kick("abe"),
    Action.READ_APPLICATIONS: lambda world, by: world.use.queries.requests_of(by, GROUP, ["ann"]),
    Action.HANDLE_APPLICATION: lambda world, by: world.use.applications.respond(
        by, Verdict(group_id=GROUP, applicant_id="ann", result=1)
    ),
    Action.SET_INFO: lambda world, by: world.use.information.change(by, GROUP, GroupChange(group_name="N")),
    Action.MUTE_GROUP: lambda world, by: world.use.information.mute(by, GROUP),
    Action.MUTE_MEMBER: mute("max"),
    Action.MUTE_ADMIN: mute("abe"),
    Action.MUTE_OWNER: mute("olga"),
    Action.SET_OWN_CARD: change_oneself,
    Action.SET_CARD_OF_MEMBER: change("max", nickname="N"),
    Action.SET_CARD_OF_ADMIN: change("abe", nickname="N"),
    Action.SET_CARD_OF_OWNER: change("olga", nickname="N"),
    Action.SET_ROLE: change("max", role_level=60),
    Action.TRANSFER: lambda world, by: world.use.roles.transfer(by, GROUP, "olga", "max"),
    Action.DISMISS: lambda world, by: world.use.information.dismiss(by, GROUP, silently=False),
    Action.CLEAR: clear,
}


def test_the_table_is_complete() -> None:
    """Every action stands in it, and is tried below."""
    assert set(ALLOWED) == set(Action) == set(DO)


@pytest.mark.parametrize("standing", Standing, ids=lambda one: one.name)
@pytest.mark.parametrize("action", Action, ids=lambda one: one.name)
async def test_the_table_is_what_happens(action: Action, standing: Standing) -> None:
    """Done by who may, refused with 1002 and without effect to who may not."""
    world = GroupWorld()
    world.add_users("abe", "ann")
    await world.make()
    await world.use.membership.invite(world.by("olga"), Invitation(group_id=GROUP, user_ids=["abe"]))
    await change("abe", role_level=60)(world, world.by("olga"))
    await world.use.membership.join(world.by("ann"), Application(group_id=GROUP, applicant_id="ann"))
    before = world.version()
    if standing in ALLOWED[action]:
        await DO[action](world, world.by(WHO[standing]))
        return
    with pytest.raises(errors.NoPermission):
        await DO[action](world, world.by(WHO[standing]))
    if action is not Action.INVITE_PAST_APPROVAL:
        assert world.version() == before
