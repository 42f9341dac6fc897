"""The route table: who may call what, walked route by route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route import Call, Route
from openim_ray.api.route_table import TABLE
from openim_ray.protocol.bodies import to_json_dict
from openim_ray.services.authority import Authority
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BUILT = [route for route in TABLE.values() if route.path not in NOT_BUILT]
OWNED = [route for route in BUILT if route.authority is Authority.OWNER]


def path_of(route: Route[Any]) -> str:
    """Return a test id."""
    return route.path


def body_for(route: Route[Any], owner: str) -> dict[str, Any]:
    """Return a body in which a user is named as the owner."""
    message: Any = route.request()
    target, names = message, route.owner.split(".")
    for name in names[:-1]:
        target = getattr(target, name)
    setattr(target, names[-1], owner)
    return to_json_dict(message)


@pytest.fixture
async def api() -> AsyncIterator[ApiClient]:
    """Serve alice and bob."""
    world = MemoryWorld()
    world.add_users("alice", "bob", "carol", "dave")
    async with api_client(world) as client:
        yield client


@pytest.mark.parametrize("route", OWNED, ids=path_of)
async def test_owners_are_read_from_an_existing_field(route: Route[Any]) -> None:
    """The owner's field exists in the body and is a text, so that no misspelled name opens a route."""
    descriptor = route.request.DESCRIPTOR
    *parents, last = route.owner.split(".")
    for parent in parents:
        descriptor = descriptor.fields_by_name[parent].message_type
    assert descriptor.fields_by_name[last].type == FieldDescriptor.TYPE_STRING


@pytest.mark.parametrize("route", OWNED, ids=path_of)
async def test_nobody_asks_for_somebody_elses_data(api: ApiClient, route: Route[Any]) -> None:
    """1002 for another user's id and for none; the user herself and an administrator pass that check."""
    token = await api.user_token("alice")
    for owner in ("bob", ""):
        assert (await api.call(route.path, body_for(route, owner), token)).code == 1002
    for allowed in (token, await api.admin_token()):
        assert (await api.call(route.path, body_for(route, "alice"), allowed)).code not in (1002, 500)


@pytest.mark.parametrize("route", [one for one in BUILT if one.authority is Authority.ADMIN], ids=path_of)
async def test_administrators_routes_are_closed_to_users(api: ApiClient, route: Route[Any]) -> None:
    """1002 for a user, whatever she asks; an administrator passes that check."""
    assert (await api.call(route.path, {}, await api.user_token("alice"))).code == 1002
    assert (await api.call(route.path, {}, await api.admin_token())).code not in (1002, 500)


OPEN = [
    "/group/get_group_abstract_info",
    "/group/get_groups_info",
    "/msg/get_server_time",
    "/user/get_users_info",
    "/user/get_users_online_status",
    "/user/get_users_status",
]
"""What is asked for is no secret among users."""

BY_CONSTRUCTION = ["/group/join_group", "/group/quit_group"]
"""They concern the caller; whom else an administrator names is checked by the use case."""


async def test_a_token_that_counts_no_more_opens_no_route() -> None:
    """1001 without one, 1503 for garbage, 1506 for one that a newer login ended, 1501 for an expired one; on every route that needs a token."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    async with api_client(world) as api:
        ended = await api.user_token("alice")
        current = await api.user_token("alice")
        closed = [route.path for route in BUILT if route.authority is not Authority.NOBODY]
        for path in closed:
            codes = [(await api.call(path, {}, token)).code for token in ("", "garbage", ended)]
            assert codes == [1001, 1503, 1506], path
        world.clock.now_ms += 366 * 24 * 3600 * 1000
        for path in closed:
            assert (await api.call(path, {}, current)).code == 1501, path


@pytest.mark.parametrize("route", [one for one in BUILT if one.authority is Authority.ROLE], ids=path_of)
async def test_strangers_do_nothing_in_a_group(api: ApiClient, route: Route[Any]) -> None:
    """1002 for who is no member (`test_authority.py` of the group services walks the roles); an administrator passes that check."""
    made = {"groupInfo": {"groupName": "G", "groupType": 2}, "ownerUserID": "bob", "memberUserIDs": ["carol"]}
    group = (await api.call("/group/create_group", made, await api.admin_token())).data["groupInfo"]["groupID"]
    member = {"groupID": group, "userID": "carol", "nickname": "C"}
    body = {
        **member,
        "userIDs": ["carol"],
        "members": [member],
        "kickedUserIDs": ["carol"],
        "invitedUserIDs": ["dave"],
        "mutedSeconds": 9,
    }
    body |= {
        "groupName": "H",
        "groupInfoForSet": {"groupID": group, "groupName": "H"},
        "fromUserID": "dave",
        "handleResult": 1,
    }
    body |= {"oldOwnerUserID": "bob", "newOwnerUserID": "carol", "pagination": {"pageNumber": 1, "showNumber": 9}}
    fields = set(route.request.DESCRIPTOR.fields_by_name)
    asked = {name: value for name, value in body.items() if name in fields}
    if "groupInfoForSet" in fields:
        asked = {"groupInfoForSet": body["groupInfoForSet"]}
    assert (await api.call(route.path, asked, await api.user_token("alice"))).code == 1002
    assert (await api.call(route.path, asked, await api.admin_token())).code not in (1002, 500)


def test_which_routes_need_no_token_and_no_owner() -> None:
    """These are few, and each is open on purpose."""
    open_to = {
        authority: sorted(route.path for route in BUILT if route.authority is authority)
        for authority in (Authority.NOBODY, Authority.ANYBODY)
    }
    assert open_to == {
        Authority.NOBODY: ["/auth/get_admin_token", "/auth/parse_token"],
        Authority.ANYBODY: sorted([*BY_CONSTRUCTION, *OPEN]),
    }


@pytest.mark.parametrize("path", NOT_BUILT)
async def test_what_is_not_built_answers_so(path: str) -> None:
    """Each such route names its own path."""
    with pytest.raises(Exception, match=f"not implemented: {path}$") as caught:
        await TABLE[path].handle(Call(None, None, "", ""), None)  # type: ignore[arg-type]
    assert caught.value.code == 1099  # type: ignore[attr-defined]
