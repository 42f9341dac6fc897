"""Groups, as far as a login reads them: there are none, and what isn't built is never answered in part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import NotImplementedRoute
from openim_ray.domain.group import Group, Member
from openim_ray.domain.ids import GroupID
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from openim_ray.services.groups import GroupService
    from openim_ray.transactions import DirectoryTransaction

ASKED: dict[str, Callable[[GroupService], Coroutine[Any, Any, object]]] = {
    "total": lambda groups: groups.joined_total("alice", 1, 100),
    "info": lambda groups: groups.check_none_exists(["g"]),
}


def join(world: MemoryWorld) -> None:
    """Let Alice found a group."""
    world.add_users("alice")
    member = Member(group_id=GroupID("g"), user=world.tables.directory.users(["alice"])["alice"])

    def found(transaction: DirectoryTransaction) -> None:
        transaction.put_group(Group(group_id=GroupID("g")))
        transaction.put_member(member)

    world.tables.directory.change(found)


@pytest.mark.parametrize("what", ASKED)
async def test_without_groups_there_is_nothing(what: str) -> None:
    """The stores are asked and know none."""
    assert not await ASKED[what](MemoryWorld().services.groups)


@pytest.mark.parametrize("what", ASKED)
async def test_with_groups_it_says_what_is_missing(what: str) -> None:
    """A store that holds groups (of a later version) makes these routes fail instead of answering that there are none."""
    world = MemoryWorld()
    join(world)
    with pytest.raises(NotImplementedRoute):
        await ASKED[what](world.services.groups)


async def test_the_list_of_joined_groups_has_a_version() -> None:
    """A client that has the version hears nothing; one that lacks an insertion hears that it isn't built."""
    world = MemoryWorld()
    groups = world.services.groups
    first = await groups.joined_changes("alice", "", 0)
    again = await groups.joined_changes("alice", first.version_id, first.version)
    assert (first.full, again.full, again.version) == (True, False, first.version)
    assert (await groups.full_joined_ids("alice", 0)).equal
    join(world)
    with pytest.raises(NotImplementedRoute):
        await groups.joined_changes("alice", first.version_id, first.version)
