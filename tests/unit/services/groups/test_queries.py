"""Groups, members and applications, looked up."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.membership import Application
from openim_ray.services.groups.roles import MemberChange
from openim_ray.services.versions import id_hash
from tests.unit.services.groups.group_world import GROUP, GroupWorld


async def applied(world: GroupWorld, *user_ids: str) -> None:
    """Let users apply, one after the other."""
    for one in user_ids:
        world.clock.now_ms += 1
        await world.use.membership.join(world.by(one), Application(group_id=GROUP, applicant_id=one))


async def test_groups_are_found_by_anybody() -> None:
    """In the order asked for; unknown ids are left out."""
    world = GroupWorld()
    made = await world.make()
    assert await world.use.queries.groups(["none", GROUP, GROUP]) == [made]


async def test_abstracts_tell_two_lists_apart() -> None:
    """Number and hash of the members, whatever their order."""
    world = GroupWorld()
    await world.make()
    (abstract,) = await world.use.queries.abstracts(world.by("mia"), [GROUP, "none"])
    assert (abstract.group_id, abstract.member_count) == (GROUP, 4)
    assert abstract.ids_hash == id_hash(["ada", "max", "mia", "olga"])


async def test_strangers_learn_the_number_of_members_only() -> None:
    """Of a hash over ids somebody could find out who is among them."""
    world = GroupWorld()
    await world.make()
    (abstract,) = await world.use.queries.abstracts(world.by("sue"), [GROUP])
    assert (abstract.member_count, abstract.ids_hash) == (4, 0)
    with pytest.raises(errors.ArgsError, match="groupIDs"):
        await world.use.queries.abstracts(world.by("sue"), [f"g{number}" for number in range(101)])


async def test_an_administrator_searches_groups() -> None:
    """By name, by id, with the owner; one that is over has none."""
    world = GroupWorld()
    await world.make()
    total, (found,) = await world.use.queries.search("", "G", 1, 10)
    assert (total, found.group.group_id, found.owner and found.owner.nickname) == (1, GROUP, "Olga")
    assert await world.use.queries.search("other", "", 1, 10) == (0, [])
    await world.use.information.dismiss(world.by("olga"), GROUP, silently=True)
    _, (found,) = await world.use.queries.search(GROUP, "", 1, 10)
    assert (found.owner, found.group.member_count) == (None, 0)


async def test_joined_groups_are_paged() -> None:
    """The group with its live numbers."""
    world = GroupWorld()
    made = await world.make()
    assert await world.use.queries.joined("mia", 1, 10) == (1, [made])
    assert await world.use.queries.joined("sue", 1, 10) == (0, [])


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (0, ["olga", "ada", "mia", "max"]),
        (1, ["olga"]),
        (2, ["ada"]),
        (3, ["mia", "max"]),
        (4, ["ada", "mia", "max"]),
        (5, ["olga", "ada"]),
    ],
)
async def test_members_are_filtered_by_role(which: int, found: list[str]) -> None:
    """Role descending, then by time of joining."""
    world = GroupWorld()
    await world.make()
    total, members = await world.use.queries.page_members(world.by("mia"), GROUP, which, "", 1, 100)
    assert (total, [one.user.user_id for one in members]) == (len(found), found)


async def test_members_are_searched_by_what_is_shown() -> None:
    """A name of the group counts, and hides that of the account."""
    world = GroupWorld()
    await world.make()
    change = MemberChange(group_id=GROUP, user_id="mia", nickname="Zora")
    await world.use.roles.change_members(world.by("mia"), [change])

    async def search(keyword: str) -> list[str]:
        _, members = await world.use.queries.page_members(world.by("imAdmin"), GROUP, 0, keyword, 1, 100)
        return [one.user.user_id for one in members]

    assert await search("Zor") == ["mia"]
    assert await search("max") == ["max"]
    assert await search("Mia") == []
    assert await search("%") == []


async def test_members_are_looked_up() -> None:
    """Those that are members, in the order asked for."""
    world = GroupWorld()
    await world.make()
    members = await world.use.queries.members(world.by("mia"), GROUP, ["max", "sue", "olga"])
    assert [one.user.user_id for one in members] == ["max", "olga"]
    assert await world.use.queries.member_ids(world.by("max"), GROUP) == ["olga", "ada", "mia", "max"]


async def test_strangers_learn_of_no_members() -> None:
    """1002; of a group that isn't there 1004."""
    world = GroupWorld()
    await world.make()
    sue, queries = world.by("sue"), world.use.queries
    for ask in (
        lambda group_id: queries.members(sue, group_id, ["mia"]),
        lambda group_id: queries.page_members(sue, group_id, 0, "", 1, 10),
        lambda group_id: queries.member_ids(sue, group_id),
    ):
        with pytest.raises(errors.NoPermission):
            await ask(GROUP)
        with pytest.raises(errors.RecordNotFound, match="groupID"):
            await ask("none")


async def test_limits_are_named() -> None:
    """Pages, filters, lists, results."""
    world = GroupWorld()
    await world.make()
    queries, mia = world.use.queries, world.by("mia")
    with pytest.raises(errors.ArgsError, match="filter"):
        await queries.page_members(mia, GROUP, 6, "", 1, 10)
    for number, size in ((0, 10), (1, 0), (1, 10**9), (-1, 1)):
        with pytest.raises(errors.ArgsError, match="pagination"):
            await queries.page_members(mia, GROUP, 0, "", number, size)
        with pytest.raises(errors.ArgsError, match="pagination"):
            await queries.joined("mia", number, size)
        with pytest.raises(errors.ArgsError, match="pagination"):
            await queries.received_requests("olga", [], [], number, size)
        with pytest.raises(errors.ArgsError, match="pagination"):
            await queries.sent_requests("olga", [], [], number, size)
        with pytest.raises(errors.ArgsError, match="pagination"):
            await queries.search("", "", number, size)
    with pytest.raises(errors.ArgsError, match="groupIDs"):
        await queries.groups([str(one) for one in range(10_001)])
    with pytest.raises(errors.ArgsError, match="handleResults"):
        await queries.sent_requests("olga", [], [7], 1, 10)
    with pytest.raises(errors.ArgsError, match="userIDs"):
        await queries.requests_of(world.by("olga"), GROUP, [str(one) for one in range(1_001)])


async def test_who_owns_or_administers_sees_applications() -> None:
    """Newest first, with their groups; filtered by group and result; an ordinary member sees none."""
    world = GroupWorld()
    await world.make()
    await applied(world, "sue", "sid")
    queries = world.use.queries
    for user_id in ("olga", "ada"):
        found = await queries.received_requests(user_id, [], [], 1, 10)
        assert (found.total, [one.user.user_id for one in found.requests]) == (2, ["sid", "sue"])
        assert found.groups[GROUP].member_count == 4
    assert (await queries.received_requests("mia", [], [], 1, 10)).total == 0
    assert (await queries.received_requests("mia", [GROUP], [], 1, 10)).total == 0
    assert (await queries.received_requests("olga", ["other"], [], 1, 10)).total == 0
    await world.use.applications.respond(world.by("olga"), Verdict(group_id=GROUP, applicant_id="sue", result=-1))
    assert (await queries.received_requests("olga", [GROUP], [0], 1, 10)).total == 1
    assert (await queries.received_requests("olga", [], [-1, 1], 1, 10)).total == 1


async def test_applicants_see_their_own() -> None:
    """What became of them included."""
    world = GroupWorld()
    await world.make()
    await applied(world, "sue", "sid")
    queries = world.use.queries
    found = await queries.sent_requests("sue", [], [], 1, 10)
    assert [one.user.user_id for one in found.requests] == ["sue"]
    assert (await queries.sent_requests("sue", ["other"], [], 1, 10)).total == 0
    assert (await queries.requests_of(world.by("sue"), GROUP, ["sue"])).total == 1
    with pytest.raises(errors.NoPermission):
        await queries.requests_of(world.by("sue"), GROUP, ["sid"])
    found = await queries.requests_of(world.by("olga"), GROUP, ["sid", "max", "sue"])
    assert [one.user.user_id for one in found.requests] == ["sid", "sue"]


async def test_what_waits_is_counted() -> None:
    """From a time on."""
    world = GroupWorld()
    await world.make()
    await applied(world, "sue", "sid")
    now = world.clock.now_ms
    count = world.use.queries.unhandled_count
    assert [await count("olga", 0), await count("ada", now), await count("olga", now + 1)] == [2, 1, 0]
    assert await count("mia", 0) == 0
