"""
Accounts that are erased: at once, and what relates them to others.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain import errors
from openim_ray.domain.erasure import Erasure, ErasurePhase
from openim_ray.domain.group import Group, GroupStatus, Role
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import User, UserStatus
from openim_ray.ports import Page, TokenRecord
from openim_ray.protocol.identifiers import Platform
from openim_ray.services.account_erasing import is_waited_for, logins_ended, neutralize
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.friendships import Application
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.membership import Invitation
from openim_ray.services.leaving import build_leaving
from openim_ray.services.notifications import Cause
from tests.unit.services.groups.group_world import GroupWorld

if TYPE_CHECKING:
    from openim_ray.services.leaving import Leaving


@pytest.fixture
def world() -> GroupWorld:
    """Return a server with seven users."""
    return GroupWorld()


def cause(world: GroupWorld, user_id: str) -> Cause:
    """Return a call of a user's."""
    return Cause(user_id, "operation", world.clock.now_ms)


def leaving(world: GroupWorld) -> Leaving:
    """Return what the job uses."""
    changes = DirectoryChanges(world.directory, world.broker)
    return build_leaving(world.config, world.directory, world.messages, changes, world.clock)


async def test_an_erased_account_has_no_name_and_no_token(world: GroupWorld) -> None:
    """At once; nobody logs in with it, changes it or takes its id, and the erasure is durable."""
    tokens, erasing = world.services.tokens, world.services.account_erasing
    old = (await tokens.issue_user_token("mia", Platform.WEB)).token
    begun = await erasing.begin("mia")

    assert begun == Erasure(user_id="mia", phase=ErasurePhase.MESSAGES, created_ms=world.clock.now_ms)
    with pytest.raises(errors.TokenKicked):
        await tokens.authenticate(old)
    assert sorted(world.broker.kicked) == [("mia", platform) for platform in sorted(Platform)]
    assert world.broker.forgotten == ["mia"], "or what is written to her is taken for a while"
    with pytest.raises(errors.NoPermission):
        await tokens.issue_user_token("mia", Platform.WEB)
    with pytest.raises(errors.RegisteredAlready):
        await world.services.users.register([User(user_id=UserID("mia"))])
    with pytest.raises(errors.UserIDNotFound):
        await world.services.accounts.enable("mia")
    with pytest.raises(errors.UserIDNotFound):
        await world.services.profiles.update(cause(world, "imAdmin"), "mia", {"nickname": "Mia"})
    (user,) = await world.services.users.find(["mia"])
    assert (user.nickname, user.face_url, user.ex, user.status) == ("", "", "", UserStatus.ERASED)
    assert await world.directory.view(lambda view: view.unfinished_erasures("", 10)) == [begun]


async def test_erasing_again_tells_how_far_it_has_come(world: GroupWorld) -> None:
    """And ends what was left of tokens; nothing begins anew."""
    erasing = world.services.account_erasing
    begun = await erasing.begin("mia")
    further = replace(begun, phase=ErasurePhase.RELATIONS, messages=7)
    await world.directory.change(lambda tx: tx.put_erasure(further))
    world.broker.kicked.clear()
    assert await erasing.begin("mia") == further
    assert await erasing.find("mia") == further
    assert world.broker.kicked


async def test_what_broke_before_her_tokens_ended_goes_on(world: GroupWorld) -> None:
    """It is durable that they are still to be ended, before anything else; who says it again ends them."""
    tokens, erasing = world.services.tokens, world.services.account_erasing
    old = (await tokens.issue_user_token("mia", Platform.WEB)).token
    world.broker.fails = True
    with pytest.raises(errors.Unavailable):
        await erasing.begin("mia")
    assert (await tokens.authenticate(old)).user_id == "mia"
    left = Erasure(user_id="mia", phase=ErasurePhase.TOKENS, created_ms=world.clock.now_ms)
    assert await world.directory.view(lambda view: view.unfinished_erasures("", 10)) == [left]

    world.broker.fails = False
    world.clock.now_ms += 5000
    assert await erasing.begin("mia") == Erasure(
        user_id="mia", phase=ErasurePhase.MESSAGES, created_ms=world.clock.now_ms
    )
    with pytest.raises(errors.TokenKicked):
        await tokens.authenticate(old)


async def test_who_has_kept_a_connection_only_is_kicked(world: GroupWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Her tokens have ended, then the inbox was away: her device goes on until somebody closes its connection."""
    erasing = world.services.account_erasing

    async def away(_user_id: str, _platform_id: int) -> None:
        raise errors.Unavailable("the inbox is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.broker, "force_logout", away)
        with pytest.raises(errors.Unavailable):
            await erasing.begin("mia")
    assert (await erasing.find("mia")).phase == ErasurePhase.TOKENS
    await erasing.begin("mia")
    assert (await erasing.find("mia")).phase == ErasurePhase.MESSAGES
    assert sorted(world.broker.kicked) == [("mia", platform) for platform in sorted(Platform)]


async def test_a_token_that_was_still_valid_begins_it_anew(world: GroupWorld) -> None:
    """Also when all was done: what she wrote with it is not erased yet. That it is to be done is durable before the token ends."""
    erasing, clock = world.services.account_erasing, world.clock
    token = TokenRecord("digest", "mia", Platform.WEB, 0, clock.now_ms // 1000 + 60)
    begun = await erasing.begin("mia")
    done = replace(begun, phase=ErasurePhase.DONE, conversation_id="c", seq=9, messages=7, finished_ms=clock.now_ms)
    await world.directory.change(lambda tx: tx.put_erasure(done))
    await world.state.save([token._replace(digest="expired", expires_at=clock.now_ms // 1000)])
    assert await erasing.begin("mia") == done

    await world.state.save([token])
    clock.now_ms += 5000
    world.broker.fails = True
    with pytest.raises(errors.Unavailable):
        await erasing.begin("mia")
    anew = Erasure(user_id="mia", phase=ErasurePhase.TOKENS, messages=7, created_ms=clock.now_ms)
    assert await world.directory.view(lambda view: view.unfinished_erasures("", 10)) == [anew]
    world.broker.fails = False
    assert await erasing.begin("mia") == replace(anew, phase=ErasurePhase.MESSAGES)
    assert not await world.services.tokens.has_valid("mia")


async def test_one_that_was_begun_anew_waits_for_its_own_tokens(world: GroupWorld) -> None:
    """Tokens that ended for the one before say nothing of it."""
    before = Erasure(user_id="mia", created_ms=1)
    anew = Erasure(user_id="mia", created_ms=2)
    await world.directory.change(lambda tx: tx.put_erasure(anew))
    assert (await world.directory.change(partial(logins_ended, before, 3))).result == anew
    assert await world.services.account_erasing.find("mia") == anew
    ended = (await world.directory.change(partial(logins_ended, anew, 3))).result
    assert ended == Erasure(user_id="mia", phase=ErasurePhase.MESSAGES, created_ms=3)
    assert await world.services.account_erasing.find("mia") == ended


async def test_who_can_not_be_erased(world: GroupWorld) -> None:
    """An administrator of the server, and who isn't there; and nobody is said to be erased who isn't."""
    erasing = world.services.account_erasing
    with pytest.raises(errors.ArgsError):
        await erasing.begin("imAdmin")
    with pytest.raises(errors.UserIDNotFound):
        await erasing.begin("nobody")
    with pytest.raises(errors.RecordNotFound):
        await erasing.find("mia")


async def test_nobody_comes_near_an_erased_account(world: GroupWorld) -> None:
    """It is no friend and no member any more."""
    await world.services.account_erasing.begin("mia")
    with pytest.raises(errors.RecordNotFound):
        await world.services.friendships.apply(cause(world, "max"), Application("max", "mia", "hello"))
    new = NewGroup(group=Group(group_id=GroupID("g")), owner_id="olga")
    await world.use.creation.create(world.by("olga"), new)
    with pytest.raises(errors.UserIDNotFound):
        await world.use.membership.invite(world.by("olga"), Invitation(group_id="g", user_ids=["mia"]))


async def test_what_relates_her_to_others_ends(world: GroupWorld) -> None:
    """Friends lose her from their lists and hear of it, as does her black list; once more it finds nothing."""
    friendships, blacks = world.services.friendships, world.services.black_lists
    await friendships.import_friends(cause(world, "imAdmin"), "mia", ["max", "ada"])
    await friendships.delete(cause(world, "mia"), "mia", "ada")  # she still stands in Ada's list
    await blacks.block(cause(world, "mia"), "mia", "sue", "because")
    await world.services.account_erasing.begin("mia")
    for key in ("max_mia", "ada_mia", "mia_sue"):
        world.told(key)

    await leaving(world).leave("mia")
    for owner, friend in (("mia", "max"), ("max", "mia"), ("mia", "ada"), ("ada", "mia")):
        assert not await world.directory.designated_friends(UserID(owner), [friend])
    assert await world.directory.blocked(UserID("mia"), Page(1, 10)) == (0, [])
    assert [(told.type, told.message.sendID) for told in world.told("max_mia")] == [(1205, "mia"), (1205, "max")]
    assert [(told.type, told.message.sendID) for told in world.told("ada_mia")] == [(1205, "ada")]
    assert [told.type for told in world.told("mia_sue")] == [1208]
    await leaving(world).leave("mia")
    assert not world.told("max_mia")


async def test_memberships_end(world: GroupWorld) -> None:
    """A group that she owns goes to the admin; what tells of it doesn't name her."""
    await world.make()
    await world.services.account_erasing.begin("olga")
    world.told()
    await leaving(world).leave("olga")
    assert world.member_ids() == ["ada", "mia", "max"]
    assert world.group().owner_user_id == "ada"
    told = world.told()
    assert [one.type for one in told] == [1507, 1504]
    assert "Olga" not in str([one.tips for one in told])

    await world.services.account_erasing.begin("ada")
    await leaving(world).leave("ada")
    owner = world.member("mia")
    assert owner is not None
    assert owner.role_level == Role.OWNER  # the member who has been there longest: there is no admin


async def test_a_group_in_which_she_was_alone_is_over(world: GroupWorld) -> None:
    """Nobody could ever do anything with it."""
    await world.use.creation.create(world.by("olga"), NewGroup(group=Group(group_id=GroupID("g")), owner_id="olga"))
    await world.services.account_erasing.begin("olga")
    await leaving(world).leave("olga")
    assert world.member_ids() == []
    assert world.group().status == GroupStatus.DISMISSED


async def test_one_group_does_not_keep_her_in_the_others(world: GroupWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is told at the end, and tried again."""
    for number in ("g", "h"):
        new = NewGroup(group=Group(group_id=GroupID(number)), owner_id="olga", member_ids=["mia"])
        await world.use.creation.create(world.by("olga"), new)
    job = leaving(world)
    quit_group = job._groups.membership.quit

    async def quit_but_one(operator: object, group_id: str, user_id: str) -> None:
        if group_id == "g":
            raise errors.Unavailable("not now")
        await quit_group(operator, group_id, user_id)  # type: ignore[arg-type]

    monkeypatch.setattr(job._groups.membership, "quit", quit_but_one)
    with pytest.raises(errors.Unavailable):
        await job.leave("mia")
    assert await world.directory.view(lambda view: view.joined_group_ids("mia", "", 10)) == ["g"]
    monkeypatch.undo()
    await job.leave("mia")
    assert await world.directory.view(lambda view: view.joined_group_ids("mia", "", 10)) == []


async def test_words_that_wait_in_the_outbox_are_waited_for(world: GroupWorld) -> None:
    """They would become messages after hers were erased; later ones hold none, and those of others are none of hers."""
    begun = await world.services.account_erasing.begin("mia")

    async def put(sender: str, created_ms: int) -> None:
        effect = encode_effect(Effect(sender_id=sender))
        await world.directory.change(lambda tx: tx.put_effect(f"{sender}_{created_ms}", effect, created_ms))

    query = partial(is_waited_for, begun, 1000)
    assert not await world.directory.view(query)
    await put("max", begun.created_ms)
    await put("mia", begun.created_ms + 1001)
    assert not await world.directory.view(query)
    await put("mia", begun.created_ms + 1000)
    assert await world.directory.view(query)


async def test_what_a_late_call_brought_is_taken(world: GroupWorld) -> None:
    """A call that was under way when the account was marked may have put something after it."""
    await world.services.account_erasing.begin("mia")
    await world.directory.change(lambda tx: tx.put_client_config("mia", {"theme": "hers"}))
    await world.directory.change(partial(neutralize, "mia"))
    assert await world.directory.view(lambda view: view.client_config("mia")) == {}
