"""Friendships: applied for, answered, changed, ended; and what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openim_ray.domain import errors
from openim_ray.services import friendships
from openim_ray.services.friendships import Application, FriendChanges, Verdict
from openim_ray.services.notifications import Cause
from tests.compat import recorded
from tests.unit.services.memory_world import START_MS, MemoryWorld
from tests.unit.services.outbox import forget, kinds, waiting

if TYPE_CHECKING:
    from openim_ray.domain.people import Friend

PAIR = "ann_ben"
UNSTORED = {"senderSync"}


def caused_by(user_id: str, now_ms: int = START_MS) -> Cause:
    """Return a call of a user."""
    return Cause(user_id, f"operation of {user_id}", now_ms)


def detail(content_type: int) -> dict[str, object]:
    """Return what the official server told with a type."""
    return next(row["detail"] for row in recorded.load("notifications") if row["content_type"] == content_type)


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with three users who don't know each other."""
    world = MemoryWorld()
    world.add_users("ann", "ben", "cid")
    return world


async def apply(world: MemoryWorld, from_id: str = "ann", to_id: str = "ben", message: str = "hi") -> None:
    """Let somebody apply."""
    await world.services.friendships.apply(caused_by(from_id), Application(from_id, to_id, message))


async def respond(world: MemoryWorld, result: int, from_id: str = "ann", to_id: str = "ben") -> None:
    """Let somebody answer."""
    verdict = Verdict(from_id, to_id, result, "because")
    await world.services.friendships.respond(caused_by(to_id, START_MS + 1), verdict)


async def befriend(world: MemoryWorld, one: str = "ann", other: str = "ben") -> None:
    """Let two users be friends, and forget what was told."""
    await world.services.friendships.import_friends(caused_by("imAdmin"), one, [other])
    await forget(world)


async def friends(world: MemoryWorld, owner_id: str) -> list[Friend]:
    """Return a friend list."""
    return (await world.services.relations.friends(owner_id, 1, 10))[1]


async def friend_ids(world: MemoryWorld, owner_id: str) -> list[str]:
    """Return the ids of a friend list."""
    return [one.friend.user_id for one in await friends(world, owner_id)]


# --- applying


async def test_an_application_is_kept_and_told_to_both(world: MemoryWorld) -> None:
    """1203 from applicant to target, not stored, with the whole application; nobody is a friend yet."""
    await apply(world)

    (told,) = await waiting(world, PAIR)
    assert told.kind == 1203
    assert told.way == ("ann", "ben", "n_ann_ben")
    assert told.effect.receivers == ["ben", "ann"]
    assert told.effect.operation_id == "operation of ann"
    assert told.options == {*UNSTORED, "offlinePush"}
    assert (told.effect.clone, told.effect.stored) == (b"", False)
    assert told.tips.keys() == detail(1203).keys()
    assert told.tips["request"] == {
        "fromUserID": "ann",
        "fromNickname": "Ann",
        "fromFaceURL": "",
        "toUserID": "ben",
        "toNickname": "Ben",
        "toFaceURL": "",
        "handleResult": 0,
        "reqMsg": "hi",
        "createTime": START_MS,
        "handlerUserID": "",
        "handleMsg": "",
        "handleTime": 0,
        "ex": "",
    }
    assert world.broker.poked == [PAIR]
    assert await friend_ids(world, "ann") == []


async def test_a_new_application_replaces_the_one_before(world: MemoryWorld) -> None:
    """Whether that waits still or was refused; the target sees one."""
    await apply(world, message="first")
    await apply(world, message="second")
    await respond(world, -1)
    await apply(world, message="third")

    total, found = await world.services.friend_requests.received("ben", [], 1, 10)
    assert [(one.req_msg, one.handle_result) for one in found] == [("third", 0)]
    assert total == 1


@pytest.mark.parametrize(
    ("application", "code", "field"),
    [
        (Application("ann", "ann"), 1301, "toUserID"),
        (Application("ann", "nobody"), 1004, "toUserID"),
        (Application("nobody", "ann"), 1004, "fromUserID"),
        (Application("ann", ""), 1001, "toUserID"),
        (Application("ann", "a:b"), 1001, "toUserID"),
        (Application("ann", "ben", message="é" * 2049), 1001, "reqMsg"),
        (Application("ann", "ben", message="a\0b"), 1001, "reqMsg"),
        (Application("ann", "ben", ex="x" * 65_537), 1001, "ex"),
    ],
)
async def test_a_bad_application_is_refused(
    world: MemoryWorld, application: Application, code: int, field: str
) -> None:
    """The refusal names the field, and nothing is kept or told."""
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await world.services.friendships.apply(caused_by("ann"), application)
    assert caught.value.code == code
    assert await kinds(world) == {}
    assert (await world.services.friend_requests.sent("ann", [], 1, 10))[0] == 0


async def test_who_is_blocked_cannot_apply(world: MemoryWorld) -> None:
    """1302; the other way round it is no hindrance."""
    await world.services.black_lists.block(caused_by("ben"), "ben", "ann", "")

    with pytest.raises(errors.BlockedByPeer):
        await apply(world)
    await apply(world, "ben", "ann")


async def test_friends_cannot_apply_but_half_friends_can(world: MemoryWorld) -> None:
    """1304 while each stands in the other's list."""
    await befriend(world)

    with pytest.raises(errors.RelationshipAlready):
        await apply(world)
    await world.services.friendships.delete(caused_by("ann"), "ann", "ben")
    await apply(world)


# --- answering


async def test_who_accepts_is_a_friend_at_once(world: MemoryWorld) -> None:
    """Both lists, 1201 with its line in the chat, the application with its answer."""
    await apply(world)
    await forget(world)
    await respond(world, 1)

    assert (await friend_ids(world, "ann"), await friend_ids(world, "ben")) == (["ben"], ["ann"])
    (mine,) = await friends(world, "ann")
    assert (mine.add_source, mine.operator_user_id, mine.create_time) == (2, "ann", START_MS + 1)
    (told,) = await waiting(world, PAIR)
    assert told.kind == 1201
    assert told.way == ("ben", "ann", "n_ann_ben")
    assert told.effect.clone_id == "si_ann_ben"
    assert told.effect.receivers == ["ann", "ben"]
    assert told.effect.forget_facts
    assert told.options == {*UNSTORED, "isSendMsg"}
    assert told.tips.keys() == detail(1201).keys()
    assert told.tips["fromToUserID"] == {"fromUserID": "ann", "toUserID": "ben"}
    assert told.tips["request"]["handleResult"] == 1
    assert told.tips["request"]["handlerUserID"] == "ben"
    version, version_id, _ = world.tables.directory.friend_ids("ann")  # type: ignore[arg-type]
    assert (told.tips["friendVersion"], told.tips["friendVersionID"]) == (version, version_id)


async def test_who_refuses_stays_a_stranger(world: MemoryWorld) -> None:
    """1202 with the answer, and no line in the chat."""
    await apply(world)
    await forget(world)
    await respond(world, -1)

    assert (await friend_ids(world, "ann"), await friend_ids(world, "ben")) == ([], [])
    (told,) = await waiting(world, PAIR)
    assert told.kind == 1202
    assert told.way == ("ben", "ann", "n_ann_ben")
    assert told.effect.clone_id == ""
    assert told.options == {*UNSTORED, "offlinePush"}
    assert told.tips.keys() == detail(1202).keys()
    assert told.tips["handleMsg"] == "because"
    assert told.tips["request"]["handleResult"] == -1


async def test_an_answer_counts_once(world: MemoryWorld) -> None:
    """1305 for the second, whatever it says, and the first one stands."""
    await apply(world)
    await respond(world, -1)

    for result in (1, -1):
        with pytest.raises(errors.FriendRequestHandled):
            await respond(world, result)
    assert await friend_ids(world, "ann") == []


async def test_there_must_be_an_application(world: MemoryWorld) -> None:
    """1004, also for the one who applied herself."""
    await apply(world)

    for from_id, to_id in (("ben", "ann"), ("cid", "ben"), ("nobody", "ben")):
        with pytest.raises(errors.RecordNotFound, match="fromUserID"):
            await respond(world, 1, from_id, to_id)


@pytest.mark.parametrize("result", [0, 2, -2])
async def test_an_answer_is_yes_or_no(world: MemoryWorld, result: int) -> None:
    """1001 naming the field."""
    await apply(world)
    with pytest.raises(errors.ArgsError, match="handleResult"):
        await respond(world, result)


async def test_an_answer_has_a_limit(world: MemoryWorld) -> None:
    """1001 for a text that is too long."""
    await apply(world)
    with pytest.raises(errors.ArgsError, match="handleMsg"):
        await world.services.friendships.respond(caused_by("ben"), Verdict("ann", "ben", 1, "x" * 4097))


async def test_two_who_applied_to_each_other_are_accepted_together(world: MemoryWorld) -> None:
    """The other application doesn't wait any more."""
    await apply(world)
    await apply(world, "ben", "ann")
    await respond(world, 1)

    assert await world.services.friend_requests.unhandled("ann", 0) == 0
    assert [one.handle_result for one in await world.services.friend_requests.between("ann", "ben")] == [1, 1]


async def test_who_become_friends_hear_1201_and_nothing_else(world: MemoryWorld) -> None:
    """Whichever way they do; 1204 is in the protocol, but the official server never sends it, and no SDK waits for it."""
    await apply(world)
    await respond(world, 1)
    assert await kinds(world) == {PAIR: [1203, 1201]}

    await apply(world, "ann", "cid")
    await apply(world, "cid", "ann")
    await respond(world, 1, "cid", "ann")
    await world.services.friendships.import_friends(caused_by("imAdmin"), "ben", ["cid"])
    told = await kinds(world)
    assert (set(told["ann_cid"]), told["ben_cid"]) == ({1203, 1201}, [1201])


async def test_what_is_noted_of_a_friend_survives_a_new_friendship(world: MemoryWorld) -> None:
    """Ben deleted Ann and accepts her again: her remark for him stays."""
    await befriend(world)
    await world.services.friendships.set_remark(caused_by("ann"), "ann", "ben", "Benny")
    await world.services.friendships.delete(caused_by("ben"), "ben", "ann")
    await apply(world, "ben", "ann")
    await respond(world, 1, "ben", "ann")

    assert [one.remark for one in await friends(world, "ann")] == ["Benny"]
    assert await friend_ids(world, "ben") == ["ann"]


async def test_a_friend_list_has_a_limit(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """1001 saying whose; the application waits on, and nobody is in one list only."""
    monkeypatch.setattr(friendships, "FRIENDS_MAX", 1)
    await befriend(world, "ben", "cid")
    await apply(world)
    with pytest.raises(errors.ArgsError, match="ben has 1 friends"):
        await respond(world, 1)
    assert (await friend_ids(world, "ann"), await friend_ids(world, "ben")) == ([], ["cid"])
    assert await world.services.friend_requests.unhandled("ben", 0) == 1
    with pytest.raises(errors.ArgsError, match="cid has 1 friends"):
        await world.services.friendships.import_friends(caused_by("imAdmin"), "ann", ["cid"])


# --- changing


async def test_changes_of_friends_are_told_to_the_owner(world: MemoryWorld) -> None:
    """1210 in her own stream, with the ids and her list's version; what is None stays."""
    await befriend(world)
    await befriend(world, other="cid")
    changes = FriendChanges(is_pinned=True, remark="B")
    await world.services.friendships.update(caused_by("ann"), "ann", ["ben", "cid"], changes)
    await world.services.friendships.update(caused_by("ann"), "ann", ["ben"], FriendChanges(ex="x"))

    found = {one.friend.user_id: (one.is_pinned, one.remark, one.ex) for one in await friends(world, "ann")}
    assert found == {"ben": (True, "B", "x"), "cid": (True, "B", "")}
    told, last = await waiting(world, "ann_ann")
    assert (told.kind, last.kind) == (1210, 1210)
    assert told.way == ("ann", "ann", "n_ann_ann")
    assert told.effect.receivers == ["ann"]
    assert told.options == UNSTORED
    assert told.tips.keys() == detail(1210).keys()
    assert told.tips["fromToUserID"] == {"fromUserID": "", "toUserID": "ann"}
    assert told.tips["friendIDs"] == ["ben", "cid"]
    version, version_id, _ = world.tables.directory.friend_ids("ann")  # type: ignore[arg-type]
    assert (last.tips["friendVersion"], last.tips["friendVersionID"]) == (version, version_id)


async def test_what_stays_the_same_is_no_step_of_the_list(world: MemoryWorld) -> None:
    """Setting the same again changes no version."""
    await befriend(world)
    await world.services.friendships.set_remark(caused_by("ann"), "ann", "ben", "B")
    before = world.tables.directory.friend_ids("ann")  # type: ignore[arg-type]
    await world.services.friendships.set_remark(caused_by("ann"), "ann", "ben", "B")

    assert world.tables.directory.friend_ids("ann") == before  # type: ignore[arg-type]


async def test_a_stranger_among_friends_refuses_all(world: MemoryWorld) -> None:
    """1004, and the friends of the call aren't changed."""
    await befriend(world)
    with pytest.raises(errors.RecordNotFound, match="friendUserIDs: cid"):
        await world.services.friendships.update(caused_by("ann"), "ann", ["ben", "cid"], FriendChanges(remark="B"))
    assert [one.remark for one in await friends(world, "ann")] == [""]
    assert await kinds(world) == {}


@pytest.mark.parametrize(
    ("ids", "changes", "field"),
    [
        ([], FriendChanges(), "friendUserIDs"),
        (["ben", "cid", "dan"], FriendChanges(), "friendUserIDs"),
        (["b:n"], FriendChanges(), "friendUserIDs"),
        (["ben"], FriendChanges(remark="x" * 1025), "remark"),
        (["ben"], FriendChanges(ex="x" * 65_537), "ex"),
    ],
)
async def test_bad_changes_are_refused(
    world: MemoryWorld, ids: list[str], changes: FriendChanges, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1001 naming the field: nobody, too many, no id, long texts."""
    monkeypatch.setattr(friendships, "FRIENDS_AT_ONCE_MAX", 2)
    await befriend(world)
    with pytest.raises(errors.ArgsError, match=field):
        await world.services.friendships.update(caused_by("ann"), "ann", ids, changes)


async def test_a_remark_is_told_to_both(world: MemoryWorld) -> None:
    """1206, the older route's."""
    await befriend(world)
    await world.services.friendships.set_remark(caused_by("ann"), "ann", "ben", "B")

    (told,) = await waiting(world, PAIR)
    assert told.kind == 1206
    assert told.way == ("ann", "ben", "n_ann_ben")
    assert told.options == UNSTORED
    assert told.tips.keys() == detail(1206).keys()


async def test_only_a_friend_has_a_remark(world: MemoryWorld) -> None:
    """1004 otherwise."""
    with pytest.raises(errors.RecordNotFound, match="friendUserID"):
        await world.services.friendships.set_remark(caused_by("ann"), "ann", "ben", "B")


# --- ending


async def test_who_deletes_changes_her_own_list_only(world: MemoryWorld) -> None:
    """1205 to both; the facts of the two are read anew."""
    await befriend(world)
    await world.services.friendships.delete(caused_by("ann"), "ann", "ben")

    assert (await friend_ids(world, "ann"), await friend_ids(world, "ben")) == ([], ["ann"])
    (told,) = await waiting(world, PAIR)
    assert told.kind == 1205
    assert told.way == ("ann", "ben", "n_ann_ben")
    assert told.options == UNSTORED
    assert told.effect.forget_facts
    assert told.tips.keys() == detail(1205).keys()


async def test_deleting_a_stranger_succeeds(world: MemoryWorld) -> None:
    """And is told to nobody, whether she exists or not; an id that can't be one is refused."""
    for stranger in ("ben", "nobody"):
        await world.services.friendships.delete(caused_by("ann"), "ann", stranger)
    assert await kinds(world) == {}
    with pytest.raises(errors.ArgsError, match="friendUserID"):
        await world.services.friendships.delete(caused_by("ann"), "ann", "")
    for owner in ("nobody", "", "a:b"):
        with pytest.raises(errors.RecordNotFound, match="ownerUserID"):
            await world.services.friendships.delete(caused_by("imAdmin"), owner, "ann")


# --- importing


async def test_imported_friends_are_friends_both_ways(world: MemoryWorld) -> None:
    """1201 from each to the owner, with an application that is never null; who is a friend hears nothing."""
    await befriend(world)
    await world.services.friendships.import_friends(caused_by("imAdmin"), "ann", ["ben", "cid", "cid"])

    assert await friend_ids(world, "ann") == ["ben", "cid"]
    assert (await friend_ids(world, "ben"), await friend_ids(world, "cid")) == (["ann"], ["ann"])
    assert await kinds(world) == {"ann_cid": [1201]}
    (told,) = await waiting(world, "ann_cid")
    assert told.way == ("cid", "ann", "n_ann_cid")
    assert told.effect.clone_id == "si_ann_cid"
    assert told.tips["fromToUserID"] == {"fromUserID": "ann", "toUserID": "cid"}
    assert told.tips["request"]["toNickname"] == "Cid"
    (_, cid) = await friends(world, "ann")
    assert (cid.add_source, cid.operator_user_id) == (1, "imAdmin")


@pytest.mark.parametrize(
    ("owner", "ids", "code", "field"),
    [
        ("ann", ["ben", "ann"], 1301, "friendUserIDs"),
        ("ann", ["ben", "nobody"], 1004, "friendUserIDs: no such user: nobody"),
        ("nobody", ["ben"], 1004, "ownerUserID"),
        ("ann", [], 1001, "friendUserIDs"),
    ],
)
async def test_a_bad_import_makes_no_friends(
    world: MemoryWorld, owner: str, ids: list[str], code: int, field: str
) -> None:
    """All or none."""
    with pytest.raises(errors.OpenIMError, match=field) as caught:
        await world.services.friendships.import_friends(caused_by("imAdmin"), owner, ids)
    assert caught.value.code == code
    assert await friend_ids(world, "ben") == []
    assert await kinds(world) == {}


# --- reading


async def test_applications_are_listed_for_both(world: MemoryWorld) -> None:
    """Newest first, by what became of them, by page; only those that wait are counted."""
    await apply(world, "ann", "ben")
    await respond(world, -1)
    later = Application("cid", "ben", "later")
    await world.services.friendships.apply(caused_by("cid", START_MS + 5), later)

    requests = world.services.friend_requests
    total, received = await requests.received("ben", [], 1, 10)
    assert (total, [one.from_user.user_id for one in received]) == (2, ["cid", "ann"])
    assert [one.from_user.user_id for one in (await requests.received("ben", [-1], 1, 10))[1]] == ["ann"]
    assert [one.from_user.user_id for one in (await requests.received("ben", [0, 1], 1, 10))[1]] == ["cid"]
    assert [one.from_user.user_id for one in (await requests.received("ben", [], 2, 1))[1]] == ["ann"]
    assert [one.to_user.user_id for one in (await requests.sent("cid", [], 1, 10))[1]] == ["ben"]
    assert await requests.unhandled("ben", 0) == 1
    assert await requests.unhandled("ben", START_MS + 6) == 0
    assert [one.req_msg for one in await requests.between("ben", "cid")] == ["later"]


@pytest.mark.parametrize(("number", "size"), [(0, 10), (1, 0), (1, 10**9), (-1, 1)])
async def test_pages_of_applications_have_bounds(world: MemoryWorld, number: int, size: int) -> None:
    """1001 naming the field."""
    for read in (world.services.friend_requests.received, world.services.friend_requests.sent):
        with pytest.raises(errors.ArgsError, match="pagination"):
            await read("ann", [], number, size)


async def test_results_that_there_are_not_are_refused(world: MemoryWorld) -> None:
    """1001 naming the field."""
    with pytest.raises(errors.ArgsError, match="handleResults"):
        await world.services.friend_requests.received("ann", [7], 1, 10)


async def test_relations_are_looked_up_by_name(world: MemoryWorld) -> None:
    """Account, friend, black list; unknown ids are left out."""
    await befriend(world)
    await world.services.black_lists.block(caused_by("ann"), "ann", "cid", "")

    found = await world.services.relations.relations("ann", ["cid", "nobody", "ben"])
    assert [(one.user.user_id, one.friend is not None, one.blocked is not None) for one in found] == [
        ("cid", False, True),
        ("ben", True, False),
    ]
    await world.services.friendships.delete(caused_by("ben"), "ben", "ann")
    assert await world.services.relations.are_friends("ann", "ben") == (True, False)
