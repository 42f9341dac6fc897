"""
Pairs of calls that touch the same rows, made at once by two servers over one directory: state, counts, version lists and what is told are
those of one call after the other, in one of both orders.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from openim_ray.config import GroupsSection
from openim_ray.core.effects import decode_effect
from openim_ray.domain import errors
from openim_ray.domain.group import Group, GroupRequest, Member, Role, Verification
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import Friend, FriendRequest, User
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.services.black_lists import BlackListService
from openim_ray.services.changes import DirectoryChanges, LeftToSweep
from openim_ray.services.friendships import Application, FriendshipService, Verdict
from openim_ray.services.groups import applications, membership
from openim_ray.services.groups.assembly import GroupServices, build_group_services
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.notifications import Cause
from openim_ray.storage.memory import MemoryMessageStore
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

    Attempt = Callable[["Server", str], Awaitable[Any]]
    Pairs = dict[str, tuple[Attempt, Attempt]]

ROUNDS: Final = 6
"""How often each pair meets, each time in a group of its own."""

MEMBERS: Final = {"olga": Role.OWNER, "ada": Role.ADMIN, "mia": Role.MEMBER, "max": Role.MEMBER}
APPLICANTS: Final = ("sue", "sid")
PEOPLE: Final = (*MEMBERS, *APPLICANTS)
MEMBERS_MAX: Final = 5
NOW_MS: Final = 1_800_000_000_000

# There is only one of a directory in memory.
stores = pytest.mark.parametrize("people_places", ["sqlite", "postgresql"], indirect=True)


class Server(NamedTuple):
    """
    Services with connections of their own; owners of logs are away.
    """

    directory: OpenDirectoryStore
    groups: GroupServices
    friendships: FriendshipService
    black_lists: BlackListService

    @classmethod
    async def start(cls, places: Places) -> Server:
        """Open the directory."""
        directory = await open_directory_store(places)
        changes = DirectoryChanges(directory, LeftToSweep())
        settings = GroupsSection(members_max=MEMBERS_MAX)
        groups = build_group_services(directory, MemoryMessageStore(), changes, settings)
        return cls(directory, groups, FriendshipService(changes), BlackListService(changes))

    async def prepare(self, topic: Topic, names: list[str]) -> None:
        """Make what each round finds, all of it in one transaction: a commit for each would cost more than what is tested."""
        accounts = list(dict.fromkeys(one for name in names for one in topic.people(name)))
        known = await self.directory.users(accounts)
        await self.directory.register([User(user_id=UserID(one), nickname=one) for one in accounts if one not in known])
        users = await self.directory.users(accounts)

        def fill(tx: DirectoryTransaction) -> None:
            for name in names:
                topic.fill(tx, name, users)

        await self.directory.change(fill)

    async def found(self, topic: Topic, name: str) -> str:
        """Return all that a round may have changed, under one name for all rounds."""
        found = await self.directory.view(lambda view: topic.found(view, name))
        return json.dumps(found).replace(name, "NAME")


class Topic(NamedTuple):
    """
    Calls that meet, in the round of a name: whom they need, what they find, what they may change.
    """

    people: Callable[[str], list[str]]
    fill: Callable[[DirectoryTransaction, str, dict[str, User]], None]
    found: Callable[[DirectoryView, str], list[Any]]
    pairs: Pairs


def fill_group(tx: DirectoryTransaction, name: str, users: dict[str, User]) -> None:
    """Make a group, to which Sue and Sid apply."""
    group = Group(group_id=GroupID(name), need_verification=Verification.ALL_APPLY)
    tx.put_group(group)
    tx.put_members(
        [
            Member(group_id=group.group_id, user=users[one], role_level=role, join_time=NOW_MS)
            for one, role in MEMBERS.items()
        ]
    )
    for one in APPLICANTS:
        tx.put_group_request(GroupRequest(group_id=group.group_id, user=users[one], req_time=NOW_MS - 1))


def found_group(view: DirectoryView, name: str) -> list[Any]:
    """Return the group as every list shows it, and what is told there."""
    group = view.groups([name])[name]
    members = view.members(name, PEOPLE)
    requests = [view.group_request(name, one) for one in APPLICANTS]
    version, version_id = view.member_list_version(name)
    delta = view.member_list_changes(name, version_id, 1)
    return [
        (group.status, group.member_count, group.owner_user_id),
        sorted((one, member.role_level, member.mute_end_time) for one, member in members.items()),
        view.member_ids(name),
        [(one.req_msg, one.handle_result, one.handle_user_id) if one else None for one in requests],
        [one for one in PEOPLE if name in view.joined_group_ids(one, "", 1000)],
        _told(view, name),
        (version, sorted(delta.inserted), sorted(delta.updated), sorted(delta.deleted), delta.sort_version),
    ]


def couple(name: str) -> list[str]:
    """Return somebody, a friend of hers, and one who would like to be one."""
    return [f"{kind}{name}" for kind in "ofp"]


def fill_friends(tx: DirectoryTransaction, name: str, users: dict[str, User]) -> None:
    """Let them be so."""
    owner, friend, applicant = (users[one] for one in couple(name))
    for one, other in ((owner, friend), (friend, owner)):
        tx.put_friend(Friend(owner_user_id=one.user_id, friend=other, create_time=NOW_MS))
    tx.put_friend_request(FriendRequest(from_user=applicant, to_user=owner, create_time=NOW_MS))


def found_friends(view: DirectoryView, name: str) -> list[Any]:
    """Return their lists, and what each pair is told."""
    owner, *others = couple(name)
    asked = view.friend_request(others[1], owner)
    return [
        [sorted(view.friends_among(one, couple(name))) for one in couple(name)],
        sorted(view.blacks_among(owner, others)),
        (asked.req_msg, asked.handle_result, asked.handler_user_id) if asked else None,
        [_told(view, "_".join(sorted((owner, one)))) for one in others],
        [view.friend_list_version(one).version for one in couple(name)],
    ]


def _told(view: DirectoryView, home_key: str) -> list[Any]:
    """Return what the owner of a log will tell, in order, without what no two runs have in common."""
    effects = [decode_effect(one.payload) for one in view.waiting_effects(home_key, 1000)]
    told = [MsgData.FromString(effect.notification) for effect in effects]
    return [
        (effect.joined, effect.left, message.contentType, re.sub(r"[vV]ersionID[^,}]*", "", message.content.decode()))
        for effect, message in zip(effects, told, strict=True)
    ]


def cause(user_id: str) -> Cause:
    """Return a call of a user."""
    return Cause(user_id, "operation", NOW_MS)


def by(user_id: str) -> Operator:
    """Return who acts."""
    return Operator(cause(user_id), is_app_admin=False)


def join(user_id: str, message: str) -> Attempt:
    """Apply."""
    return lambda use, name: use.groups.membership.join(
        by(user_id), membership.Application(group_id=name, applicant_id=user_id, message=message)
    )


def answer(user_id: str, applicant_id: str, result: int) -> Attempt:
    """Answer an application to the group."""
    return lambda use, name: use.groups.applications.respond(
        by(user_id), applications.Verdict(group_id=name, applicant_id=applicant_id, result=result)
    )


def kick(user_id: str, member_id: str) -> Attempt:
    """Remove a member."""
    return lambda use, name: use.groups.membership.kick(
        by(user_id), membership.Removal(group_id=name, user_ids=[member_id])
    )


def invite(user_id: str, invited_id: str) -> Attempt:
    """Invite somebody."""
    return lambda use, name: use.groups.membership.invite(
        by(user_id), membership.Invitation(group_id=name, user_ids=[invited_id])
    )


def quits(user_id: str) -> Attempt:
    """Leave."""
    return lambda use, name: use.groups.membership.quit(by(user_id), name, user_id)


def transfer(user_id: str) -> Attempt:
    """Hand Olga's group over."""
    return lambda use, name: use.groups.roles.transfer(by("olga"), name, "olga", user_id)


def dismiss(use: Server, name: str) -> Awaitable[Any]:
    """End the group."""
    return use.groups.information.dismiss(by("olga"), name, silently=False)


def respond(result: int) -> Attempt:
    """Let somebody answer who would like to be her friend."""
    return lambda use, name: use.friendships.respond(cause(f"o{name}"), Verdict(f"p{name}", f"o{name}", result))


def apply(message: str) -> Attempt:
    """Let somebody ask again for a friendship."""
    return lambda use, name: use.friendships.apply(cause(f"p{name}"), Application(f"p{name}", f"o{name}", message))


def block(text: str) -> Attempt:
    """Block a friend."""
    return lambda use, name: use.black_lists.block(cause(f"o{name}"), f"o{name}", f"f{name}", text)


def unblock(use: Server, name: str) -> Awaitable[Any]:
    """Take that back."""
    return use.black_lists.unblock(cause(f"o{name}"), f"o{name}", f"f{name}")


def unfriend(owner: str, friend: str) -> Attempt:
    """Take a friend off a list."""
    return lambda use, name: use.friendships.delete(cause(owner.format(name)), owner.format(name), friend.format(name))


APPLICATIONS: Final[Pairs] = {
    "accept and refuse": (answer("olga", "sue", 1), answer("ada", "sue", -1)),
    "two accept": (answer("olga", "sue", 1), answer("ada", "sue", 1)),
    "the last place": (answer("olga", "sue", 1), answer("ada", "sid", 1)),
    "two applications": (join("sue", "one"), join("sue", "other")),
    "apply and refuse": (join("sue", "again"), answer("olga", "sue", -1)),
    "invite and accept": (invite("olga", "sue"), answer("ada", "sue", 1)),
    "two invite": (invite("olga", "sue"), invite("ada", "sue")),
}

MEMBERSHIP: Final[Pairs] = {
    "two transfers": (transfer("mia"), transfer("max")),
    "transfer and kick": (transfer("mia"), kick("olga", "mia")),
    "transfer and quit": (transfer("mia"), quits("mia")),
    "quit and kick": (quits("mia"), kick("ada", "mia")),
    "kick and kick": (kick("olga", "mia"), kick("ada", "mia")),
    "kick and invite": (kick("olga", "ada"), invite("ada", "sue")),
    "kick and invite of one": (kick("olga", "sue"), invite("ada", "sue")),
    "dismiss and accept": (dismiss, answer("ada", "sue", 1)),
    "dismiss and quit": (dismiss, quits("mia")),
    "mute and unmute": (
        lambda use, name: use.groups.information.mute(by("olga"), name),
        lambda use, name: use.groups.information.unmute(by("ada"), name),
    ),
    "mute and unmute a member": (
        lambda use, name: use.groups.roles.mute(by("olga"), name, "mia", 60),
        lambda use, name: use.groups.roles.unmute(by("ada"), name, "mia"),
    ),
}

FRIENDSHIPS: Final[Pairs] = {
    "friend accepted and refused": (respond(1), respond(-1)),
    "friend accepted twice": (respond(1), respond(1)),
    "friend asks and is refused": (apply("again"), respond(-1)),
    "friend asks twice": (apply("one"), apply("other")),
    "two blocks": (block("one"), block("other")),
    "block and unblock": (block("one"), unblock),
    "both unfriend": (unfriend("o{}", "f{}"), unfriend("f{}", "o{}")),
}

TOPICS: Final = {
    "applications": Topic(lambda _: list(PEOPLE), fill_group, found_group, APPLICATIONS),
    "membership": Topic(lambda _: list(PEOPLE), fill_group, found_group, MEMBERSHIP),
    "friendships": Topic(couple, fill_friends, found_friends, FRIENDSHIPS),
}


async def outcome(attempt: Awaitable[Any]) -> str:
    """Return how a call ended; what is no refusal fails the test, and a store that could not decide does, too."""
    try:
        await attempt
    except errors.OpenIMError as error:
        if error.temporary or error.code == errors.OpenIMError.code:
            raise
        return f"{error.code} {error.detail}"
    return "done"


async def serial(topic: Topic, pair: tuple[Attempt, Attempt], folder: Path) -> set[str]:
    """Return the two results."""
    results = set()
    for first in (0, 1):
        server = await Server.start(Places.in_memory(folder / str(first)))
        await server.prepare(topic, ["g0k0"])
        ended = {number: await outcome(pair[number](server, "g0k0")) for number in (first, 1 - first)}
        results.add(f"{ended[0]} {ended[1]} {await server.found(topic, 'g0k0')}")
        await server.directory.aclose()
    return results


@pytest.fixture
async def servers(people_places: Places) -> AsyncIterator[tuple[Server, Server]]:
    """Start two servers over one directory."""
    pair = (await Server.start(people_places), await Server.start(people_places))
    yield pair
    for server in pair:
        await server.directory.aclose()


@stores
@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS)
async def test_one_after_the_other(servers: tuple[Server, Server], topic: Topic, tmp_path: Path) -> None:
    """Whoever was first: every list says so."""
    one, other = servers
    for index, (kind, pair) in enumerate(topic.pairs.items()):
        names = [f"g{number}k{index}" for number in range(ROUNDS)]
        await one.prepare(topic, names)
        allowed = await serial(topic, pair, tmp_path / kind)
        for name in names:
            ended = await asyncio.gather(outcome(pair[0](one, name)), outcome(pair[1](other, name)))
            result = f"{ended[0]} {ended[1]} {await one.found(topic, name)}"
            assert result in allowed, (kind, result, allowed)
