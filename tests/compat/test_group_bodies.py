"""Groups by HTTP against what the official server answered to the same calls, and notifications against what it sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.domain.group import Group, Verification
from openim_ray.domain.ids import GroupID
from openim_ray.domain.people import User
from openim_ray.services.groups.applications import Verdict
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.information import GroupChange
from openim_ray.services.groups.membership import Application, Invitation, Removal
from openim_ray.services.groups.roles import MemberChange
from tests.compat import recorded
from tests.compat.test_http_bodies import shape
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.groups.group_world import GroupWorld
from tests.unit.services.memory_world import START_MS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CALLS = recorded.load("group_calls")
GROUP = GroupID("2119114068")


def name_of(row: dict[str, Any]) -> str:
    """Return a test id."""
    return f"{row['path']}-{row['response']['errCode']}-{row['needs']}-{row['caller']}"


class RecordedWorld(GroupWorld):
    """Ann's group with its admin Cid and the ordinary member Ben; Dee is a stranger."""

    def __init__(self) -> None:
        super().__init__(group_id=GROUP)
        people = [
            User(user_id=one, nickname=one.capitalize(), create_time=START_MS) for one in ("ann", "ben", "cid", "dee")
        ]  # type: ignore[arg-type]
        self.tables.directory.register(people)
        for one in people:
            self.tables.directory.joined_group_ids(one.user_id)


# --- what there has to be


async def users(_world: RecordedWorld) -> None:
    """Four users."""


async def made(world: RecordedWorld) -> None:
    """A group of three."""
    group = Group(group_id=GROUP, group_name="G", introduction="i")
    new = NewGroup(group=group, owner_id="ann", admin_ids=["cid"], member_ids=["ben"])
    await world.use.creation.create(world.by("ann"), new)


async def change(world: RecordedWorld, **fields: Any) -> None:
    """Make the group and change it."""
    await made(world)
    await world.use.information.change(world.by("ann"), GROUP, GroupChange(**fields))


async def change_ben(world: RecordedWorld, **fields: Any) -> None:
    """Make the group and change Ben in it."""
    await made(world)
    changes = [MemberChange(group_id=GROUP, user_id="ben", **fields)]
    await world.use.roles.change_members(world.by("ann"), changes)


async def muted_ben(world: RecordedWorld) -> None:
    """Ben may not write."""
    await made(world)
    await world.use.roles.mute(world.by("ann"), GROUP, "ben", 60)


async def muted(world: RecordedWorld) -> None:
    """Ordinary members may not write."""
    await made(world)
    await world.use.information.mute(world.by("ann"), GROUP)


async def invited(world: RecordedWorld) -> None:
    """Dee is a member."""
    await made(world)
    await world.use.membership.invite(world.by("ben"), Invitation(group_id=GROUP, user_ids=["dee"]))


async def applied(world: RecordedWorld) -> None:
    """Dee would like to be one."""
    await made(world)
    await world.use.membership.join(world.by("dee"), Application(group_id=GROUP, applicant_id="dee", message="please"))


async def handed_over(world: RecordedWorld) -> None:
    """Ben owns it."""
    await made(world)
    await world.use.roles.transfer(world.by("ann"), GROUP, "ann", "ben")


async def dismissed(world: RecordedWorld) -> None:
    """It is over."""
    await made(world)
    await world.use.information.dismiss(world.by("ann"), GROUP, silently=False)


NEEDS: dict[str, Callable[[RecordedWorld], Awaitable[None]]] = {
    "users": users,
    "made": made,
    "renamed": lambda world: change(world, group_name="H"),
    "open": lambda world: change(world, need_verification=Verification.ALL_DIRECTLY),
    "ben has another name": lambda world: change_ben(world, nickname="Benny"),
    "ben is an admin": lambda world: change_ben(world, role_level=60),
    "ben is muted": muted_ben,
    "muted": muted,
    "dee is in": invited,
    "dee has applied": applied,
    "owned by ben": handed_over,
    "dismissed": dismissed,
}


# --- calls


def with_our_versions(row: dict[str, Any], world: RecordedWorld) -> dict[str, Any]:
    """Return the recorded request: where it asks for a change, with the version of ours before the last change."""
    body = {**row["request"]}
    data = row["response"].get("data")
    if body.get("versionID"):
        version, body["versionID"], _ = world.tables.directory.joined_group_ids(body["userID"])
        body["version"] = version - 1 if data["insert"] or data["delete"] else version
    if asked := body.get("reqList"):
        (answer,) = data["respList"].values()
        version, version_id = world.version()
        known = {"versionID": version_id, "version": version - 1 if answer["group"] else version}
        body["reqList"] = [{**one, **known} if one["versionID"] else one for one in asked]
    return body


async def headers_of(api: ApiClient, user_id: str) -> dict[str, str]:
    """Return the headers with which somebody calls."""
    return {"operationID": "recorded", "token": await api.user_token(user_id)}


@pytest.mark.parametrize("row", CALLS, ids=name_of)
async def test_recorded_calls_are_answered_alike(row: dict[str, Any]) -> None:
    """The same code and name, and data with the same keys and types, as the official server gave."""
    world = RecordedWorld()
    await NEEDS[row["needs"]](world)
    async with api_client(world) as api:
        body = with_our_versions(row, world)
        response = await api.http.post(row["path"], json=body, headers=await headers_of(api, row["caller"]))
        envelope = await response.json()
    expected = row["response"]
    assert (envelope["errCode"], envelope["errMsg"]) == (expected["errCode"], expected["errMsg"]), envelope
    assert shape(envelope.get("data")) == shape(expected.get("data"))
    assert ("data" in envelope) == ("data" in expected)


def test_every_route_that_clients_called_is_replayed() -> None:
    """Of all groups' routes that were recorded."""
    called = {row["path"] for row in recorded.load("http") if row["path"].startswith("/group/")}
    assert called <= {row["path"] for row in CALLS}


# --- notifications


async def kicked(world: RecordedWorld) -> None:
    """Ann removes Dee."""
    await invited(world)
    await world.use.membership.kick(world.by("ann"), Removal(group_id=GROUP, user_ids=["dee"]))


async def left(world: RecordedWorld) -> None:
    """Dee leaves."""
    await invited(world)
    await world.use.membership.quit(world.by("dee"), GROUP, "dee")


async def joined(world: RecordedWorld) -> None:
    """Dee comes in."""
    await change(world, need_verification=Verification.ALL_DIRECTLY)
    await world.use.membership.join(world.by("dee"), Application(group_id=GROUP, applicant_id="dee"))


async def answered(world: RecordedWorld, result: int) -> None:
    """Ann answers Dee."""
    await applied(world)
    verdict = Verdict(group_id=GROUP, applicant_id="dee", result=result, message="because")
    await world.use.applications.respond(world.by("ann"), verdict)


async def unmuted_ben(world: RecordedWorld) -> None:
    """Ben may write."""
    await muted_ben(world)
    await world.use.roles.unmute(world.by("ann"), GROUP, "ben")


async def unmuted(world: RecordedWorld) -> None:
    """All may write."""
    await muted(world)
    await world.use.information.unmute(world.by("ann"), GROUP)


async def demoted_ben(world: RecordedWorld) -> None:
    """Ben was an admin."""
    await change_ben(world, role_level=60)
    changes = [MemberChange(group_id=GROUP, user_id="ben", role_level=20)]
    await world.use.roles.change_members(world.by("ann"), changes)


CAUSES: dict[int, tuple[Callable[[RecordedWorld], Awaitable[None]], str]] = {
    1501: (made, GROUP),
    1502: (lambda world: change(world, introduction="j", ex="e"), GROUP),
    1503: (applied, "cid_dee"),
    1504: (left, GROUP),
    1505: (lambda world: answered(world, 1), "ann_dee"),
    1506: (lambda world: answered(world, -1), "ann_dee"),
    1507: (handed_over, GROUP),
    1508: (kicked, GROUP),
    1509: (invited, GROUP),
    1510: (joined, GROUP),
    1511: (dismissed, GROUP),
    1512: (muted_ben, GROUP),
    1513: (unmuted_ben, GROUP),
    1514: (muted, GROUP),
    1515: (unmuted, GROUP),
    1516: (lambda world: change_ben(world, nickname="Benny"), GROUP),
    1517: (lambda world: change_ben(world, role_level=60), GROUP),
    1518: (demoted_ben, GROUP),
    1519: (lambda world: change(world, notification="n"), GROUP),
    1520: (lambda world: change(world, group_name="H"), GROUP),
}
"""What leads to each notification, and the log through which it goes."""

RECORDED = {row["content_type"]: row["detail"] for row in recorded.load("notifications")}


@pytest.mark.parametrize("content_type", CAUSES)
async def test_recorded_notifications_are_sent_alike(content_type: int) -> None:
    """The same keys and types, all the way down."""
    world = RecordedWorld()
    cause, home_key = CAUSES[content_type]
    await cause(world)
    told = next(one for one in world.told(home_key) if one.type == content_type)
    assert shape(told.tips) == shape(RECORDED[content_type])


def test_every_notification_of_groups_is_compared() -> None:
    """All of them were recorded."""
    assert set(CAUSES) == {one for one in RECORDED if 1500 < one < 1600} == set(range(1501, 1521))
