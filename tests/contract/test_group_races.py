"""
Changes of one group at once, each by a process's own store: one wins, the others are refused or follow, and all lists agree.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from openim_ray.config import GroupsSection
from openim_ray.core.effects import decode_effect
from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupStatus, Role, Verification
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import HandleResult, User
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.assembly import GroupServices, build_group_services
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.groups.membership import Application, Invitation, Removal
from openim_ray.services.notifications import Cause
from openim_ray.storage.memory import MemoryMessageStore
from openim_ray.storage.open import open_directory_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from openim_ray.storage.places import Places
    from openim_ray.storage.stores import OpenDirectoryStore

NAMES = ("olga", "ada", "mia", "max", "sue", "sid", "imAdmin")
MEMBERS_MAX = 5
ROUNDS = 5


class Untouched:
    """A broker whose owners of logs are away: effects stay in the outbox."""

    async def apply_effects(self, _home_keys: Sequence[str]) -> None:
        """Do nothing."""


class Racers(NamedTuple):
    """
    Two sets of services, each over a store of its own that shares the places.
    """

    stores: list[OpenDirectoryStore]
    services: list[GroupServices]

    async def make(self, group_id: str, **fields: Any) -> GroupID:
        """Make a group: Olga owns it, Ada is its admin, Mia and Max are ordinary members."""
        group = Group(group_id=GroupID(group_id), **fields)
        new = NewGroup(group=group, owner_id="olga", admin_ids=["ada"], member_ids=["mia", "max"])
        return (await self.services[0].creation.create(by("olga"), new)).group_id

    async def run(self, *attempts: Callable[[GroupServices], Awaitable[Any]]) -> list[Exception | None]:
        """Start all attempts at once, each on its own store, and return what became of them; a bug or a lost store fails the test."""
        jobs = [attempt(self.services[number % 2]) for number, attempt in enumerate(attempts)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not _is_refusal(result):
                raise result
        return [result if isinstance(result, Exception) else None for result in results]

    async def check(self, group_id: str) -> list[str]:
        """Return the members, of whom every list says the same."""
        store = self.stores[0]
        group = (await store.view(lambda view: view.groups([group_id])))[group_id]
        ids = await store.view(lambda view: view.member_ids(group_id))
        staff = await store.view(lambda view: view.staff(group_id))
        assert group.member_count == len(ids) == len(set(ids))
        owners = [one.user.user_id for one in staff if one.role_level == Role.OWNER]
        assert owners == ([group.owner_user_id] if ids else [])
        for name in NAMES:
            _, _, joined = await store.joined_group_ids(UserID(name))
            assert (group_id in joined) == (name in ids)
        return ids

    async def told(self, group_id: str) -> list[int]:
        """Return the notifications of a group in the order in which they will be applied."""
        waiting = await self.stores[0].view(lambda view: view.waiting_effects(group_id, 1_000))
        return [decode_effect(one.payload).content_type for one in waiting]


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, errors.OpenIMError) and error.code != errors.OpenIMError.code and not error.temporary


def by(user_id: str) -> Operator:
    """Return who acts."""
    return Operator(Cause(user_id, "operation", 1_800_000_000_000), is_app_admin=user_id == "imAdmin")


@pytest.fixture
async def racers(people_places: Places) -> AsyncIterator[Racers]:
    """Open two stores of the same places."""
    stores = [await open_directory_store(people_places) for _ in range(2)]
    await stores[0].register([User(user_id=UserID(name)) for name in NAMES])
    settings = GroupsSection(members_max=MEMBERS_MAX)
    services = [
        build_group_services(store, MemoryMessageStore(), DirectoryChanges(store, Untouched()), settings)  # type: ignore[arg-type]
        for store in stores
    ]
    yield Racers(stores, services)
    for store in stores:
        await store.aclose()


def join(user_id: str, group_id: str) -> Callable[[GroupServices], Awaitable[None]]:
    """Return how somebody joins or applies."""
    application = Application(group_id=group_id, applicant_id=user_id)
    return lambda use: use.membership.join(by(user_id), application)


def respond(user_id: str, group_id: str, result: int) -> Callable[[GroupServices], Awaitable[None]]:
    """Return how somebody answers Sue."""
    verdict = Verdict(group_id=group_id, applicant_id="sue", result=result)
    return lambda use: use.applications.respond(by(user_id), verdict)


async def test_two_answers_to_an_application(racers: Racers) -> None:
    """The first counts; the second hears 1206."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"answers{number}")
        await join("sue", group_id)(racers.services[0])
        results = await racers.run(respond("olga", group_id, 1), respond("ada", group_id, -1))
        (lost,) = [one for one in results if one is not None]
        assert isinstance(lost, errors.GroupRequestHandled)
        request = await racers.stores[0].view(lambda view, key=group_id: view.group_request(key, "sue"))  # type: ignore[misc]
        assert request is not None
        assert ("sue" in await racers.check(group_id)) == (request.handle_result == HandleResult.AGREED)


async def test_two_transfers(racers: Racers) -> None:
    """There is one owner afterwards; the second call isn't the owner's any more."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"transfers{number}")
        results = await racers.run(
            lambda use, key=group_id: use.roles.transfer(by("olga"), key, "olga", "mia"),  # type: ignore[misc]
            lambda use, key=group_id: use.roles.transfer(by("olga"), key, "olga", "max"),  # type: ignore[misc]
        )
        (lost,) = [one for one in results if one is not None]
        assert isinstance(lost, errors.NoPermission)
        assert len(await racers.check(group_id)) == 4
        assert (await racers.told(group_id)).count(1507) == 1


async def test_invited_and_removed(racers: Racers) -> None:
    """Either she is let in and removed, or the removal finds nobody and she stays."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"invited{number}")
        results = await racers.run(
            lambda use, key=group_id: use.membership.invite(by("mia"), Invitation(group_id=key, user_ids=["sue"])),  # type: ignore[misc]
            lambda use, key=group_id: use.membership.kick(by("olga"), Removal(group_id=key, user_ids=["sue"])),  # type: ignore[misc]
        )
        assert results[0] is None
        assert ("sue" in await racers.check(group_id)) == isinstance(results[1], errors.UserIDNotFound)


async def test_leaving_and_being_removed(racers: Racers) -> None:
    """One of both finds her; she goes once."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"leaving{number}")
        results = await racers.run(
            lambda use, key=group_id: use.membership.quit(by("mia"), key, "mia"),  # type: ignore[misc]
            lambda use, key=group_id: use.membership.kick(by("olga"), Removal(group_id=key, user_ids=["mia"])),  # type: ignore[misc]
        )
        assert sum(one is None for one in results) == 1
        assert await racers.check(group_id) == ["olga", "ada", "max"]
        assert len(set(await racers.told(group_id)) & {1504, 1508}) == 1


async def test_the_last_place(racers: Racers) -> None:
    """Two join where there is room for one."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"place{number}", need_verification=Verification.ALL_DIRECTLY)
        results = await racers.run(join("sue", group_id), join("sid", group_id))
        assert sum(one is None for one in results) == 1
        assert {type(one) for one in results if one is not None} == {errors.ArgsError}
        assert len(await racers.check(group_id)) == MEMBERS_MAX


async def test_joining_while_it_ends(racers: Racers) -> None:
    """Nobody is left in a group that is over."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"ends{number}", need_verification=Verification.ALL_DIRECTLY)
        results = await racers.run(
            join("sue", group_id),
            lambda use, key=group_id: use.information.dismiss(by("olga"), key, silently=False),  # type: ignore[misc]
        )
        assert results[1] is None
        assert results[0] is None or isinstance(results[0], errors.DismissedAlready)
        assert await racers.check(group_id) == []


async def test_one_id_for_two_groups(racers: Racers) -> None:
    """The second maker hears 1202."""
    for number in range(ROUNDS):
        new = NewGroup(group=Group(group_id=GroupID(f"id{number}")), owner_id="olga")
        results = await racers.run(
            lambda use, new=new: use.creation.create(by("olga"), new),  # type: ignore[misc]
            lambda use, new=new: use.creation.create(by("mia"), replace(new, owner_id="mia")),  # type: ignore[misc]
        )
        (lost,) = [one for one in results if one is not None]
        assert isinstance(lost, errors.GroupIDExisted)
        assert len(await racers.check(f"id{number}")) == 1


async def test_muted_and_unmuted(racers: Racers) -> None:
    """What members hear last is what is."""
    for number in range(ROUNDS):
        group_id = await racers.make(f"muted{number}")
        results = await racers.run(
            lambda use, key=group_id: use.information.mute(by("olga"), key),  # type: ignore[misc]
            lambda use, key=group_id: use.information.unmute(by("ada"), key),  # type: ignore[misc]
        )
        assert results == [None, None]
        group = (await racers.stores[0].view(lambda view, key=group_id: view.groups([key])))[group_id]  # type: ignore[misc]
        assert ((await racers.told(group_id))[-1] == 1514) == (group.status == GroupStatus.MUTED)
