"""
What contradicts each other, done at once by two servers over one directory: one wins, the other one is told so, and state and version lists agree.

More pairs meet in test_serial_order.py.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from openim_ray.config import GroupsSection
from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupStatus, Role, Verification
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import User
from openim_ray.services.black_lists import BlackListService
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.assembly import GroupServices, build_group_services
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.groups.membership import Application as Joining
from openim_ray.services.groups.membership import Invitation, Removal
from openim_ray.services.notifications import Cause
from openim_ray.storage.memory import MemoryMessageStore
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.version_rules import MARKER
from openim_ray.transactions import Window

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence
    from typing import Any

    from openim_ray.ports import Broker
    from openim_ray.storage.places import Places
    from openim_ray.storage.stores import OpenDirectoryStore

ROUNDS = 6
"""How often each pair meets."""

MEMBERS_MAX = 6
STAFF = ("olga", "ada", "mia", "max")
OTHERS = tuple(f"u{number}" for number in range(6))


# There is only one of a directory in memory.
pytestmark = pytest.mark.parametrize("people_places", ["sqlite", "postgresql"], indirect=True)


class NoBroker:
    """
    Actors that can't be reached: effects stay in the outbox.
    """

    async def apply_effects(self, home_keys: Sequence[str]) -> None:
        """Do nothing."""


class Server(NamedTuple):
    """
    The services of one server, with connections of its own.
    """

    directory: OpenDirectoryStore
    groups: GroupServices
    black_lists: BlackListService

    @classmethod
    async def start(cls, places: Places) -> Server:
        """Open the directory."""
        broker: Broker = NoBroker()  # type: ignore[assignment]
        directory = await open_directory_store(places)
        changes = DirectoryChanges(directory, broker)
        settings = GroupsSection(members_max=MEMBERS_MAX)
        groups = build_group_services(directory, MemoryMessageStore(), changes, settings)
        return cls(directory, groups, BlackListService(changes))


@pytest.fixture
async def servers(people_places: Places) -> AsyncIterator[tuple[Server, Server]]:
    """Start two servers over one directory, in which a few people have accounts."""
    pair = (await Server.start(people_places), await Server.start(people_places))
    users = [User(user_id=UserID(name), nickname=name) for name in (*STAFF, *OTHERS)]
    await pair[0].directory.register(users)
    yield pair
    for server in pair:
        await server.directory.aclose()


def cause(user_id: str) -> Cause:
    """Return a call of a user."""
    return Cause(user_id, "operation", int(time.time() * 1000))


def by(user_id: str) -> Operator:
    """Return who acts."""
    return Operator(cause(user_id), is_app_admin=False)


async def at_once(*calls: Coroutine[Any, Any, object]) -> list[type | None]:
    """Make calls at once, and return how each ended: None, or the kind of error, which is never that the store could not decide."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, errors.OpenIMError):
            raise answer
    assert not [answer for answer in answers if isinstance(answer, errors.Unavailable)]
    return [type(answer) if isinstance(answer, errors.OpenIMError) else None for answer in answers]


async def make_group(server: Server, group_id: str, **fields: Any) -> None:
    """Make a group of Olga's, with Ada as its admin, and Mia and Max."""
    group = Group(group_id=GroupID(group_id), need_verification=Verification.ALL_DIRECTLY, **fields)
    new = NewGroup(group=group, owner_id="olga", admin_ids=["ada"], member_ids=["mia", "max"])
    await server.groups.creation.create(by("olga"), new)


async def check_group(server: Server, group_id: str) -> Group:
    """Hold count, owner, pages, ids, outbox and version lists of a group to each other; return it."""
    directory = server.directory
    group = (await directory.view(lambda view: view.groups([group_id])))[group_id]
    total, members = await directory.view(lambda view: view.page_members(group_id, [], "", Window(0, 100)))
    ids = [member.user.user_id for member in members]
    assert (group.member_count, total, len(ids)) == (len(ids), len(ids), len(set(ids)))
    assert [one.user.user_id for one in members if one.role_level == Role.OWNER] == (
        [group.owner_user_id] if ids else []
    )
    version, version_id, listed = await directory.member_ids(group_id)
    assert listed == ids
    delta = await directory.members_delta(group_id, version_id, 1)
    changed = {one for one in (*delta.inserted, *delta.updated) if one != MARKER}
    assert changed <= set(ids)
    assert set(delta.deleted).isdisjoint(ids)
    for name in (*STAFF, *OTHERS):
        _, own_id, joined = await directory.joined_group_ids(UserID(name))
        assert (group_id in joined) == (name in ids)
        own = await directory.joined_groups_delta(UserID(name), own_id, 1)
        assert (group_id in own.inserted) <= (name in ids)
        assert (group_id in own.deleted) <= (name not in ids)
    waiting = await directory.view(lambda view: view.waiting_effects(group_id, 1000))
    assert [effect.number for effect in waiting] == list(range(1, len(waiting) + 1))
    assert version >= len(ids)
    return group


async def test_removed_while_somebody_invites(servers: tuple[Server, Server]) -> None:
    """Mia, who is removed, may have invited before, and not after; whoever came in stays."""
    one, other = servers
    for number in range(ROUNDS):
        group_id = f"g{number}"
        await make_group(one, group_id)
        ended = await at_once(
            one.groups.membership.kick(by("olga"), Removal(group_id=group_id, user_ids=["mia"])),
            other.groups.membership.invite(by("mia"), Invitation(group_id=group_id, user_ids=["u0"])),
        )
        assert ended[0] is None
        await check_group(one, group_id)
        members = await one.directory.view(lambda view, group_id=group_id: view.member_ids(group_id))
        assert "mia" not in members
        assert ("u0" in members) == (ended[1] is None)


async def test_many_join_at_the_limit(servers: tuple[Server, Server]) -> None:
    """As many get in as there is room for."""
    one, other = servers
    for group_id in ("g", "h"):
        await make_group(one, group_id)
        ended = await at_once(
            *(
                server.groups.membership.join(by(name), Joining(group_id=group_id, applicant_id=name))
                for server, name in zip((one, other) * 3, OTHERS, strict=True)
            )
        )
        assert (ended.count(None), ended.count(errors.ArgsError)) == (MEMBERS_MAX - len(STAFF), len(OTHERS) - 2)
        assert (await check_group(one, group_id)).member_count == MEMBERS_MAX


async def test_dismissed_while_somebody_joins(servers: tuple[Server, Server]) -> None:
    """Nobody is left in a group that is over."""
    one, other = servers
    for number in range(ROUNDS):
        group_id = f"g{number}"
        await make_group(one, group_id)
        ended = await at_once(
            one.groups.information.dismiss(by("olga"), group_id, silently=False),
            other.groups.membership.join(by("u0"), Joining(group_id=group_id, applicant_id="u0")),
        )
        assert ended[0] is None
        assert ended[1] in (None, errors.DismissedAlready)
        group = await check_group(one, group_id)
        assert (group.status, group.member_count) == (GroupStatus.DISMISSED, 0)


async def test_two_groups_with_one_id(servers: tuple[Server, Server]) -> None:
    """One is made, with its own owner and members."""
    one, other = servers
    for number in range(ROUNDS):
        group = Group(group_id=GroupID(f"g{number}"))
        ended = await at_once(
            one.groups.creation.create(by("olga"), NewGroup(group=group, owner_id="olga", member_ids=["u0"])),
            other.groups.creation.create(by("ada"), NewGroup(group=group, owner_id="ada", member_ids=["u1"])),
        )
        assert sorted(map(str, ended)) == sorted(map(str, (None, errors.GroupIDExisted)))
        made = await check_group(one, group.group_id)
        assert (made.owner_user_id, made.member_count) == ("olga" if ended[0] is None else "ada", 2)


async def test_blocked_and_unblocked_at_once(servers: tuple[Server, Server]) -> None:
    """Two who block the same one make one entry; who is unblocked meanwhile is on the list, or isn't, and messages are judged alike."""
    one, other = servers
    for name in OTHERS[:ROUNDS]:
        twice = await at_once(*(server.black_lists.block(cause("olga"), "olga", name, "") for server in servers))
        assert twice == [None, None]
        total, _ = await one.directory.view(lambda view, name=name: (len(view.blacks_among("olga", [name])), None))
        assert total == 1
        await at_once(
            one.black_lists.unblock(cause("olga"), "olga", name),
            other.black_lists.block(cause("olga"), "olga", name, "again"),
        )
        is_listed = bool(await one.directory.view(lambda view, name=name: view.blacks_among("olga", [name])))
        assert (await one.directory.single_chat_facts(name, "olga")).blocked_by_receiver == is_listed
