"""Changes of accounts, and who hears of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from openim_ray.domain import errors
from openim_ray.domain.group import Group, Member
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import User
from openim_ray.services import profile_announcements
from tests.unit.services.memory_world import START_MS, MemoryWorld
from tests.unit.services.outbox import forget, kinds, waiting
from tests.unit.services.test_friendships import befriend, caused_by, detail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from openim_ray.transactions import DirectoryTransaction


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with three users."""
    world = MemoryWorld()
    world.add_users("ann", "ben", "cid")
    return world


async def update(world: MemoryWorld, **changes: str | int) -> None:
    """Let Ann change her account."""
    await world.services.profiles.update(caused_by("ann"), "ann", changes)


async def announce(world: MemoryWorld) -> int:
    """Announce until there is nothing left; return how many pages that took."""
    pages = 0
    while await world.services.announcements.tell_page():
        pages += 1
    return pages


async def join(world: MemoryWorld, group_id: str, user_id: str, **fields: str) -> None:
    """Let a user be in a group."""

    def use_case(transaction: DirectoryTransaction) -> None:
        group = Group(group_id=GroupID(group_id), group_name="Group")
        transaction.put_group(group)
        user = transaction.users([user_id])[user_id]
        transaction.put_member(Member(group_id=group.group_id, user=user, join_time=START_MS, **fields))

    await world.directory.change(use_case)


async def test_her_own_devices_hear_at_once(world: MemoryWorld) -> None:
    """1303 in her own stream; the others only behind the answer."""
    await befriend(world)
    await update(world, nickname="Anna", ex="x")

    (ann,) = await world.services.users.find(["ann"])
    assert (ann.nickname, ann.ex, ann.create_time) == ("Anna", "x", START_MS)
    assert await kinds(world) == {"ann_ann": [1303]}
    (told,) = await waiting(world, "ann_ann")
    assert told.way == ("ann", "ann", "n_ann_ann")
    assert told.options == {"senderSync"}
    assert told.tips == {"userID": "ann"} == {**detail(1303), "userID": "ann"}


async def test_what_an_administrator_changes_comes_from_her(world: MemoryWorld) -> None:
    """1303 from the one who called to the one who changed."""
    await world.services.profiles.update(caused_by("imAdmin"), "ann", {"nickname": "Anna"})
    (told,) = await waiting(world, "ann_imAdmin")
    assert told.way == ("imAdmin", "ann", "n_ann_imAdmin")


async def test_whoever_has_her_in_the_list_is_told(world: MemoryWorld) -> None:
    """1209 from her to each, in the pair's stream, with the operation of the change; her own devices aren't flooded by the echo."""
    await befriend(world, "ann", "ben")
    await befriend(world, "cid", "ann")
    await world.services.friendships.delete(caused_by("ben"), "ben", "ann")
    await forget(world)
    await update(world, nickname="Anna")
    await announce(world)

    assert await kinds(world) == {"ann_ann": [1303], "ann_cid": [1209]}
    (told,) = await waiting(world, "ann_cid")
    assert told.way == ("ann", "cid", "n_ann_cid")
    assert (told.effect.receivers, told.effect.sender_sync) == (["cid"], False)
    assert told.effect.operation_id == "operation of ann"
    assert told.tips == {"userID": "ann"}
    assert await announce(world) == 0


async def test_groups_that_show_it_are_told(world: MemoryWorld) -> None:
    """1516 to groups where the member has no name or picture of her own; without a version, so that clients ask."""
    await join(world, "plain", "ann")
    await join(world, "named", "ann", nickname="A")
    await join(world, "both", "ann", nickname="A", face_url="f")
    await join(world, "others", "ben")
    await update(world, nickname="Anna")
    await announce(world)

    assert await kinds(world) == {"ann_ann": [1303], "plain": [1516]}
    (told,) = await waiting(world, "plain")
    assert told.way == ("ann", "plain", "n_plain")
    assert (told.message.groupID, told.effect.receivers, told.effect.clone_id) == ("plain", None, "")
    assert told.tips.keys() == detail(1516).keys()
    assert told.tips["changedUser"]["nickname"] == "Anna"
    assert told.tips["group"]["memberCount"] == 1
    assert (told.tips["groupMemberVersion"], told.tips["groupMemberVersionID"]) == (0, "")

    await forget(world)
    await update(world, face_url="http://face")
    await announce(world)
    assert await kinds(world) == {"ann_ann": [1303], "named": [1516], "plain": [1516]}


@pytest.mark.parametrize("changes", [{"global_recv_msg_opt": 1}, {"nickname": "Ann"}, {}])
async def test_what_others_do_not_see_is_not_announced(world: MemoryWorld, changes: dict[str, str | int]) -> None:
    """Her devices hear of it, nobody else; no list takes a step."""
    await befriend(world)
    before = world.tables.directory.friend_ids(UserID("ben"))
    await update(world, **changes)

    assert await announce(world) == 0
    assert await kinds(world) == {"ann_ann": [1303]}
    assert world.tables.directory.friend_ids(UserID("ben")) == before
    assert world.broker.forgotten == (["ann"] if "global_recv_msg_opt" in changes else []), (
        "others may know an older one"
    )


async def test_announcements_go_on_from_page_to_page(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that comes new goes on where the last one stopped; nobody is told twice."""
    monkeypatch.setattr(profile_announcements, "PAGE", 2)
    names = [f"u{number}" for number in range(5)]
    world.add_users(*names)
    for name in names:
        await befriend(world, name, "ann")
    for number in range(3):
        await join(world, f"g{number}", "ann")
    await update(world, nickname="Anna")

    for _ in range(2):
        assert await world.services.announcements.tell_page()
    told = await kinds(world)
    assert sorted(told) == ["ann_ann", "ann_u0", "ann_u1", "ann_u2", "ann_u3"]
    restarted = MemoryWorld(directory=world.directory)
    assert await announce(restarted) == 3
    told = await kinds(world)
    assert all(len(types) == 1 for types in told.values())
    assert sorted(told) == ["ann_ann", *(f"ann_{name}" for name in names), "g0", "g1", "g2"]


async def test_a_second_change_begins_anew(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was told already is told again; what was new with the first change still counts for groups."""
    monkeypatch.setattr(profile_announcements, "PAGE", 1)
    await befriend(world, "ben", "ann")
    await befriend(world, "cid", "ann")
    await join(world, "named", "ann", nickname="A")
    await update(world, face_url="f")
    assert await world.services.announcements.tell_page()
    await update(world, nickname="Anna")
    await announce(world)

    assert await kinds(world) == {"ann_ann": [1303, 1303], "ann_ben": [1209, 1209], "ann_cid": [1209], "named": [1516]}


async def test_announcements_take_turns(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user in many lists does not delay another's news."""
    monkeypatch.setattr(profile_announcements, "PAGE", 1)
    for owner, other in (("ben", "ann"), ("cid", "ann"), ("ann", "ben")):
        await befriend(world, owner, other)
    await world.services.friendships.delete(caused_by("ben"), "ben", "ann")
    await befriend(world, "ben", "ann")
    await update(world, nickname="Anna")
    world.clock.now_ms += 1
    await world.services.profiles.update(caused_by("ben", world.clock.now_ms), "ben", {"nickname": "Benny"})
    for _ in range(2):
        world.clock.now_ms += 1
        await world.services.announcements.tell_page()

    assert (await kinds(world))["ann_ben"] == [1209, 1209]
    assert "ann_cid" not in await kinds(world)


async def test_old_news_is_dropped(world: MemoryWorld) -> None:
    """After ten minutes everybody has asked for the lists, or will at the next login."""
    await befriend(world)
    await update(world, nickname="Anna")
    world.clock.now_ms += 600_000
    await announce(world)
    assert await kinds(world) == {"ann_ann": [1303]}


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"nickname": "x" * 1025}, 1001, "nickname"),
        ({"nickname": "a\0b"}, 1001, "nickname"),
        ({"face_url": "x" * 65_537}, 1001, "faceURL"),
        ({"ex": "x" * 65_537}, 1001, "ex"),
        ({"global_recv_msg_opt": 3}, 1001, "globalRecvMsgOpt"),
    ],
)
async def test_a_bad_change_is_refused(
    world: MemoryWorld, changes: dict[str, str | int], code: int, field: str
) -> None:
    """The refusal names the field; nothing is changed or told."""
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await update(world, **changes)
    assert caught.value.code == code
    assert await kinds(world) == {}


async def test_a_stranger_cannot_be_changed(world: MemoryWorld) -> None:
    """1101, also for a change that changes nothing."""
    for changes in ({"ex": "x"}, {}):
        with pytest.raises(errors.UserIDNotFound):
            await world.services.profiles.update(caused_by("imAdmin"), "nobody", changes)


# --- notification accounts


async def test_notification_accounts_are_made_found_and_changed(world: MemoryWorld) -> None:
    """By administrators; a change is told like any other."""
    accounts = world.services.notification_accounts
    await accounts.add(User(user_id=UserID("note"), nickname="Notes", app_manager_level=3))
    await accounts.add(User(user_id=UserID("robo"), nickname="Robot", app_manager_level=4))
    await accounts.update(caused_by("imAdmin"), "note", "News", "")

    assert [one.nickname for one in (await accounts.search("", None, 1, 10))[1]] == ["News", "Robot"]
    total, found = await accounts.search("obo", 4, 1, 10)
    assert (total, [one.user_id for one in found]) == (1, ["robo"])
    assert (await accounts.search("robo", 3, 1, 10))[0] == 0
    assert (await accounts.search("ann", None, 1, 10))[0] == 0
    assert await kinds(world) == {"imAdmin_note": [1303]}


async def test_an_account_without_an_id_gets_one(world: MemoryWorld) -> None:
    """Of digits, as the official server's; each its own."""
    made = [
        await world.services.notification_accounts.add(User(user_id=UserID(""), nickname="N", app_manager_level=3))
        for _ in range(2)
    ]
    assert all(one.user_id.isdecimal() and len(one.user_id) == 10 for one in made)
    assert len(await world.services.users.find([one.user_id for one in made])) == 2


@pytest.mark.parametrize(
    ("account", "code", "field"),
    [
        (User(user_id=UserID("note"), nickname="N"), 1001, "appMangerLevel"),
        (User(user_id=UserID("note"), nickname="N", app_manager_level=2), 1001, "appMangerLevel"),
        (User(user_id=UserID("note"), app_manager_level=3), 1001, "nickName"),
        (User(user_id=UserID("a:b"), nickname="N", app_manager_level=3), 1001, "userID"),
        (User(user_id=UserID("ann"), nickname="N", app_manager_level=3), 1102, "ann"),
    ],
)
async def test_a_bad_account_is_not_made(world: MemoryWorld, account: User, code: int, field: str) -> None:
    """The refusal names the field."""
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await world.services.notification_accounts.add(account)
    assert caught.value.code == code


async def test_people_are_no_notification_accounts(world: MemoryWorld) -> None:
    """1001 for a person, 1101 for nobody, and levels that are none of these are refused."""
    accounts = world.services.notification_accounts
    with pytest.raises(errors.ArgsError, match="userID"):
        await accounts.update(caused_by("imAdmin"), "ann", "N", "")
    with pytest.raises(errors.UserIDNotFound, match="userID"):
        await accounts.update(caused_by("imAdmin"), "nobody", "N", "")
    with pytest.raises(errors.ArgsError, match="appManagerLevel"):
        await accounts.search("", 2, 1, 10)


# --- the task that announces


async def announced(world: MemoryWorld, home_key: str) -> None:
    """Wait until something waits for a log."""
    async with asyncio.timeout(20):
        while home_key not in await kinds(world):  # noqa: ASYNC110 - an outbox wakes nobody
            await asyncio.sleep(0.001)


@asynccontextmanager
async def running(world: MemoryWorld) -> AsyncIterator[None]:
    """Let announcements run, as a gateway does."""
    task = asyncio.create_task(world.services.announcements.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_change_wakes_the_task(world: MemoryWorld) -> None:
    """It sleeps until there is something, and does not wait for its next look."""
    await befriend(world)
    async with running(world):
        await asyncio.sleep(0)
        await update(world, nickname="Anna")
        await announced(world, "ann_ben")


@pytest.mark.parametrize("error", [errors.Unavailable("the store is down"), ValueError("a fault of ours")])
async def test_the_task_outlives_failures(
    world: MemoryWorld, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever failed is logged and tried again a little later."""
    monkeypatch.setattr(profile_announcements, "RETRY_SECONDS", 0.001)
    await befriend(world)
    await update(world, nickname="Anna")
    failures = iter([error, error])
    change = world.directory.change

    async def failing(use_case: Callable[[DirectoryTransaction], object]) -> object:
        if failure := next(failures, None):
            raise failure
        return await change(use_case)

    monkeypatch.setattr(world.directory, "change", failing)
    with capture_logs() as logs:
        async with running(world):
            await announced(world, "ann_ben")
    assert [one["event"] for one in logs] == ["profile not announced"] * 2


async def test_what_another_process_left_is_found(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody says that there is something: a look now and then finds it."""
    monkeypatch.setattr(profile_announcements, "POLL_SECONDS", 0.001)
    await befriend(world)
    async with running(MemoryWorld(directory=world.directory)):
        await asyncio.sleep(0.005)
        await update(world, nickname="Anna")
        await announced(world, "ann_ben")
