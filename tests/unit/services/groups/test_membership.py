"""Members join, are invited, leave, are removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from openim_ray.config import GroupsSection
from openim_ray.domain import errors
from openim_ray.domain.group import JoinSource, Role, Verification
from openim_ray.domain.people import HandleResult, UserStatus
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.membership import Application, Invitation, Removal
from tests.unit.services.groups.group_world import GROUP, GroupWorld
from tests.unit.services.outbox import kinds

DIRECTLY = {"need_verification": Verification.ALL_DIRECTLY}
BY_APPROVAL = {"need_verification": Verification.ALL_APPLY}


async def join(world: GroupWorld, user_id: str, **fields: Any) -> None:
    """Apply as oneself."""
    application = Application(**{"group_id": GROUP, "applicant_id": user_id, **fields})
    await world.use.membership.join(world.by(user_id), application)


async def invite(world: GroupWorld, by: str, *user_ids: str, **fields: Any) -> None:
    """Invite users."""
    await world.use.membership.invite(world.by(by), Invitation(group_id=GROUP, user_ids=list(user_ids), **fields))


async def kick(world: GroupWorld, by: str, *user_ids: str, **fields: Any) -> None:
    """Remove users."""
    await world.use.membership.kick(world.by(by), Removal(group_id=GROUP, user_ids=list(user_ids), **fields))


# --- joining


async def test_who_needs_no_approval_is_in_at_once() -> None:
    """1510 to all, with the new member in it and the list's version after her."""
    world = GroupWorld()
    await world.make(**DIRECTLY)
    await join(world, "sue", join_source=4)
    member = world.member("sue")
    assert member is not None
    assert (member.role_level, member.join_source, member.operator_user_id) == (Role.MEMBER, JoinSource.QR_CODE, "sue")
    assert world.row("sue") is not None
    (told,) = world.told()
    assert (told.type, told.message.sendID, told.effect.clone_id) == (1510, "sue", "sg_g")
    assert (told.effect.joined, told.effect.left, told.effect.forget_facts) == (["sue"], [], True)
    assert (told.tips["entrantUser"]["userID"], told.tips["group"]["memberCount"]) == ("sue", 5)
    assert (told.tips["groupMemberVersion"], told.tips["groupMemberVersionID"]) == world.version()


@pytest.mark.parametrize("verification", [Verification.INVITED_DIRECTLY, Verification.ALL_APPLY])
async def test_who_needs_approval_applies(verification: int) -> None:
    """1503 to owner, admins and herself, all with the same uuid; she is no member."""
    world = GroupWorld()
    await world.make(need_verification=verification)
    await join(world, "sue", message="please", ex="e")
    assert world.member("sue") is None
    request = world.request("sue")
    assert request is not None
    assert (request.req_msg, request.ex, request.join_source, request.handle_result) == ("please", "e", 3, 0)
    assert world.told() == []
    told = {key: world.told(key) for key in ("olga_sue", "ada_sue", "sue_sue")}
    assert [len(one) for one in told.values()] == [1, 1, 1]
    assert {one.type for (one,) in told.values()} == {1503}
    assert {one.message.recvID: one.effect.receivers for (one,) in told.values()} == {
        "olga": ["olga", "sue"],
        "ada": ["ada", "sue"],
        "sue": ["sue"],
    }
    assert len({one.tips["uuid"] for (one,) in told.values()}) == 1
    tips = told["ada_sue"][0].tips
    assert (tips["applicant"]["userID"], tips["reqMsg"], tips["request"]["reqMsg"]) == ("sue", "please", "please")
    assert tips["request"]["groupInfo"] is None
    assert world.waiting() == []


async def test_an_application_that_waits_is_replaced() -> None:
    """The newest counts."""
    world = GroupWorld()
    await world.make()
    await join(world, "sue", message="please")
    world.clock.now_ms += 5
    await join(world, "sue", message="please!")
    request = world.request("sue")
    assert request is not None
    assert (request.req_msg, request.req_time) == ("please!", world.clock.now_ms)


async def test_refusals_of_joining() -> None:
    """A member, another's name, an unknown group, a group that is over, wrong values."""
    world = GroupWorld(GroupsSection(members_max=4))
    await world.make(**DIRECTLY)
    with pytest.raises(errors.ArgsError, match="already a member"):
        await join(world, "mia")
    with pytest.raises(errors.NoPermission):
        await world.use.membership.join(world.by("sid"), Application(group_id=GROUP, applicant_id="sue"))
    with pytest.raises(errors.RecordNotFound, match="groupID"):
        await join(world, "sue", group_id="none")
    with pytest.raises(errors.UserIDNotFound):
        await world.use.membership.join(world.by("imAdmin"), Application(group_id=GROUP, applicant_id="nobody"))
    with pytest.raises(errors.ArgsError, match="reqMessage"):
        await join(world, "sue", message="x" * 4097)
    with pytest.raises(errors.ArgsError, match="joinSource"):
        await join(world, "sue", join_source=5)
    with pytest.raises(errors.ArgsError, match=r"groups\.members_max"):
        await join(world, "sue")
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=True)
    with pytest.raises(errors.DismissedAlready):
        await join(world, "sue")
    assert world.request("sue") is None


async def test_an_administrator_lets_somebody_join() -> None:
    """In her name."""
    world = GroupWorld()
    await world.make(**DIRECTLY)
    await world.use.membership.join(world.by("imAdmin"), Application(group_id=GROUP, applicant_id="sue"))
    member = world.member("sue")
    assert member is not None
    assert member.operator_user_id == "imAdmin"


async def test_history_is_hidden_where_that_is_set() -> None:
    """Until the owner of the log has the exact cut, who joins sees nothing of what was there before."""
    world = GroupWorld(GroupsSection(history_for_new_members=False))
    await world.make(**DIRECTLY)
    world.write("one", "two")
    await join(world, "sue")
    row = world.row("sue")
    assert row is not None
    assert (row.min_seq, row.max_seq) == (3, 0)
    (told,) = world.told()
    assert not told.effect.with_history


# --- inviting


@pytest.mark.parametrize("verification", [Verification.INVITED_DIRECTLY, Verification.ALL_DIRECTLY])
@pytest.mark.parametrize("by", ["mia", "ada", "olga", "imAdmin"])
async def test_any_member_invites(by: str, verification: int) -> None:
    """1509 with inviter and invited."""
    world = GroupWorld()
    await world.make(need_verification=verification)
    await invite(world, by, "sue", "sid", reason="r")
    member = world.member("sid")
    assert member is not None
    assert (member.join_source, member.inviter_user_id, member.operator_user_id) == (JoinSource.INVITATION, by, by)
    (told,) = world.told()
    assert (told.type, told.message.sendID, told.effect.joined) == (1509, by, ["sue", "sid"])
    assert [one["userID"] for one in told.tips["invitedUserList"]] == ["sue", "sid"]
    assert (told.tips["opUser"]["userID"], told.tips["inviterUser"]["userID"]) == (by, by)
    assert told.tips["group"]["memberCount"] == 6


@pytest.mark.parametrize("by", ["ada", "olga", "imAdmin"])
async def test_the_staff_invites_past_approval(by: str) -> None:
    """Who could accept the application lets in at once."""
    world = GroupWorld()
    await world.make(**BY_APPROVAL)
    await invite(world, by, "sue")
    assert world.member("sue") is not None


async def test_an_ordinary_member_proposes_where_everybody_needs_approval() -> None:
    """Each of the invited applies: 1503 to the staff and the inviter."""
    world = GroupWorld()
    await world.make(**BY_APPROVAL)
    await invite(world, "mia", "sue", "sid", reason="nice people")
    assert world.member("sue") is None
    request = world.request("sue")
    assert request is not None
    assert (request.inviter_user_id, request.join_source, request.req_msg) == (
        "mia",
        JoinSource.INVITATION,
        "nice people",
    )
    for key, receivers in {"mia_olga": ["olga", "mia"], "ada_mia": ["ada", "mia"], "mia_mia": ["mia"]}.items():
        told = world.told(key)
        assert [one.type for one in told] == [1503, 1503]
        assert [one.tips["applicant"]["userID"] for one in told] == ["sue", "sid"]
        assert told[0].effect.receivers == receivers
    assert world.waiting() == []


async def test_who_has_applied_herself_is_not_proposed() -> None:
    """Her words stay, and the staff hears nothing twice; a proposal gives way to her own application and to a newer one."""
    world = GroupWorld()
    await world.make(need_verification=Verification.ALL_APPLY)
    await join(world, "sue", message="please")
    applied = world.request("sue")
    told = await kinds(world)
    await invite(world, "max", "sue", reason="spam")
    assert world.request("sue") == applied
    assert await kinds(world) == told

    for by in ("max", "mia"):
        await invite(world, by, "sid", reason=by)
        proposed = world.request("sid")
        assert proposed is not None
        assert (proposed.inviter_user_id, proposed.req_msg) == (by, by)
    await join(world, "sid", message="hers")
    own = world.request("sid")
    assert own is not None
    assert (own.inviter_user_id, own.req_msg) == ("", "hers")


async def test_who_was_refused_may_be_proposed() -> None:
    """Her application doesn't wait any more."""
    world = GroupWorld()
    await world.make(need_verification=Verification.ALL_APPLY)
    await join(world, "sue", message="please")
    applied = world.request("sue")
    assert applied is not None
    refused = replace(applied, handle_result=HandleResult.REFUSED)
    await world.directory.change(lambda tx: tx.put_group_request(refused))
    await invite(world, "max", "sue", reason="nice")
    proposed = world.request("sue")
    assert proposed is not None
    assert (proposed.inviter_user_id, proposed.handle_result) == ("max", HandleResult.PENDING)


async def test_proposals_have_limits_of_their_own() -> None:
    """Each of them is told of one by one, with the reason."""
    world = GroupWorld()
    await world.make(**BY_APPROVAL)
    with pytest.raises(errors.ArgsError, match="reason"):
        await invite(world, "mia", "sue", reason="x" * 4097)
    with pytest.raises(errors.ArgsError, match="100"):
        await invite(world, "mia", *world.add_many(101))


async def test_who_is_a_member_already_is_left_out() -> None:
    """An invitation may be repeated; if nobody is left, nothing happens."""
    world = GroupWorld()
    await world.make()
    await invite(world, "mia", "max", "sue")
    (told,) = world.told()
    assert told.effect.joined == ["sue"]
    await invite(world, "mia", "max", "sue")
    assert world.waiting() == []


async def test_nobody_invites_who_was_erased() -> None:
    """Nor accepts an application of hers."""
    world = GroupWorld()
    await world.make()
    await join(world, "sue")
    sue = world.tables.directory.users(["sue"])["sue"]
    world.tables.directory.change(lambda tx: tx.put_user(replace(sue, status=UserStatus.ERASED)))
    with pytest.raises(errors.UserIDNotFound):
        await invite(world, "mia", "sue")
    with pytest.raises(errors.UserIDNotFound):
        await world.use.applications.respond(world.by("olga"), Verdict(group_id=GROUP, applicant_id="sue", result=1))
    assert world.member("sue") is None


async def test_many_are_told_of_in_batches() -> None:
    """At most fifty a notification; each joins by the one that names her."""
    world = GroupWorld()
    await world.make()
    many = world.add_many(120)
    await invite(world, "mia", *many)
    told = world.told()
    assert [len(one.tips["invitedUserList"]) for one in told] == [50, 50, 20]
    assert [user_id for one in told for user_id in one.effect.joined] == many
    assert world.group().member_count == 124


async def test_an_invitation_need_not_stand_in_the_chat() -> None:
    """`sendMessage: false`."""
    world = GroupWorld()
    await world.make()
    await invite(world, "mia", "sue", in_chat=False)
    (told,) = world.told()
    assert (told.effect.clone, told.effect.clone_id, told.options["isSendMsg"]) == (b"", "", False)


@pytest.mark.parametrize(
    ("by", "user_ids", "error"),
    [
        ("sue", ["sid"], errors.NoPermission),
        ("mia", [], errors.ArgsError),
        ("mia", ["sue", "sue"], errors.ArgsError),
        ("mia", ["a:b"], errors.ArgsError),
        ("mia", ["nobody"], errors.UserIDNotFound),
        ("mia", ["sue", "nobody"], errors.UserIDNotFound),
        ("mia", ["sue", "sid"], errors.ArgsError),
    ],
)
async def test_refused_invitations_change_nothing(by: str, user_ids: list[str], error: type[Exception]) -> None:
    """The last one would make the group too large."""
    world = GroupWorld(GroupsSection(members_max=5))
    await world.make()
    with pytest.raises(error):
        await invite(world, by, *user_ids)
    assert world.member_ids() == ["olga", "ada", "mia", "max"]
    assert world.waiting() == []


# --- leaving and being removed


async def test_who_leaves_keeps_the_chat_up_to_there() -> None:
    """1504 to all and to her; her row ends at the log's end, and begins where it did."""
    world = GroupWorld()
    await world.make()
    world.write("one", "two")
    await world.use.membership.quit(world.by("mia"), GROUP, "mia")
    assert world.member("mia") is None
    row = world.row("mia")
    assert row is not None
    assert (row.min_seq, row.max_seq) == (0, 2)
    (told,) = world.told()
    assert (told.type, told.message.sendID) == (1504, "mia")
    assert (told.effect.left, told.effect.also, told.effect.forget_facts) == (["mia"], ["mia"], True)
    assert (told.tips["quitUser"]["userID"], told.tips["group"]["memberCount"]) == ("mia", 3)
    assert (told.tips["groupMemberVersion"], told.tips["groupMemberVersionID"]) == world.version()


async def test_who_comes_back_finds_the_row_open() -> None:
    """The end is gone; a beginning stays, since that was her doing or the group's at her first joining."""
    world = GroupWorld()
    await world.make(**DIRECTLY)
    await world.use.membership.quit(world.by("mia"), GROUP, "mia")
    closed = world.row("mia")
    assert closed is not None
    assert closed.max_seq == 1, "a row without an end would be that of a member"
    await join(world, "mia")
    row = world.row("mia")
    assert row is not None
    assert (row.min_seq, row.max_seq) == (0, 0)


async def test_the_owner_does_not_leave() -> None:
    """1002, also for an administrator who acts for her; nor does who isn't there, or somebody in another's name."""
    world = GroupWorld()
    await world.make()
    for by in ("olga", "imAdmin"):
        with pytest.raises(errors.NoPermission):
            await world.use.membership.quit(world.by(by), GROUP, "olga")
    with pytest.raises(errors.NotInGroupYet):
        await world.use.membership.quit(world.by("sue"), GROUP, "sue")
    with pytest.raises(errors.NoPermission):
        await world.use.membership.quit(world.by("ada"), GROUP, "mia")
    assert len(world.member_ids()) == 4


async def test_removed_members_hear_of_it() -> None:
    """1508 to all and to them."""
    world = GroupWorld()
    await world.make()
    world.write("one")
    await kick(world, "ada", "mia", "max")
    assert world.member_ids() == ["olga", "ada"]
    (told,) = world.told()
    assert (told.type, told.effect.left, told.effect.also) == (1508, ["mia", "max"], ["mia", "max"])
    assert [one["userID"] for one in told.tips["kickedUserList"]] == ["mia", "max"]
    assert [row.max_seq for one in ("mia", "max") if (row := world.row(one))] == [1, 1]


async def test_many_are_removed_in_batches() -> None:
    """As they are invited."""
    world = GroupWorld()
    await world.make()
    many = world.add_many(60)
    await invite(world, "mia", *many)
    world.told()
    await kick(world, "olga", *many, in_chat=False)
    told = world.told()
    assert [len(one.effect.left) for one in told] == [50, 10]
    assert {one.effect.clone for one in told} == {b""}


@pytest.mark.parametrize(
    ("by", "user_ids", "error"),
    [
        ("olga", [], errors.ArgsError),
        ("olga", ["olga"], errors.ArgsError),
        ("ada", ["ada"], errors.ArgsError),
        ("ada", ["olga"], errors.ArgsError),
        ("imAdmin", ["olga"], errors.ArgsError),
        ("olga", ["mia", "mia"], errors.ArgsError),
        ("olga", ["mia", "sue"], errors.UserIDNotFound),
        ("olga", ["mia", "nobody"], errors.UserIDNotFound),
        ("mia", ["max"], errors.NoPermission),
        ("sue", ["max"], errors.NoPermission),
    ],
)
async def test_refused_removals_change_nothing(by: str, user_ids: list[str], error: type[Exception]) -> None:
    """Not even of those who could be removed."""
    world = GroupWorld()
    await world.make()
    with pytest.raises(error):
        await kick(world, by, *user_ids)
    assert world.group().member_count == 4
    assert world.waiting() == []


async def test_large_pictures_make_more_notifications() -> None:
    """What one notification holds is limited in bytes, too."""
    world = GroupWorld()
    await world.make()
    many = world.add_many(20)
    for one in many:
        large = replace(world.tables.directory.users([one])[one], face_url="x" * 40_000)
        world.tables.directory.change(lambda transaction, large=large: transaction.put_user(large))
    await invite(world, "mia", *many)
    assert {len(one.tips["invitedUserList"]) for one in world.told()} <= {1, 2, 3}
