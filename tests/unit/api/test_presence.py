"""The routes that tell who is online (OpenIM wire, §6.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openim_ray.ports import PresentDevice
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[ApiClient]:
    """Serve alice, who is there with a phone in the background and two pages of one login, and bob, who isn't there."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    world.broker.online["alice"] = [
        PresentDevice(5, "gateway-0-a", False, "digest-web"),
        PresentDevice(1, "gateway-0-b", True, "digest-phone"),
        PresentDevice(5, "gateway-1-a", False, "digest-web"),
    ]
    async with api_client(world) as client:
        yield client


async def test_connections_are_listed_as_a_bare_array(api: ApiClient) -> None:
    """Each with its platform; their tokens are nobody's business."""
    body = {"userIDs": ["bob", "alice", "bob"]}
    answer = await api.call("/user/get_users_online_status", body, await api.user_token("bob"))
    assert answer.data == [
        {"userID": "bob", "status": 0, "detailPlatformStatus": None},
        {
            "userID": "alice",
            "status": 1,
            "detailPlatformStatus": [
                {"platformID": 5, "connID": "gateway-0-a", "isBackground": False, "token": ""},
                {"platformID": 1, "connID": "gateway-0-b", "isBackground": True, "token": ""},
                {"platformID": 5, "connID": "gateway-1-a", "isBackground": False, "token": ""},
            ],
        },
    ]
    assert (await api.call("/user/get_users_online_status", {}, await api.user_token("bob"))).data == []


async def test_tokens_in_use_are_counted_by_platform(api: ApiClient) -> None:
    """Named by their digests, each once, and to administrators only."""
    path, body = "/user/get_users_online_token_detail", {"userIDs": ["alice", "bob"]}
    answer = await api.call(path, body, await api.admin_token())
    assert answer.data == [
        {
            "userID": "alice",
            "status": 1,
            "singlePlatformToken": [
                {"platformID": 5, "total": 1, "token": ["digest-web"]},
                {"platformID": 1, "total": 1, "token": ["digest-phone"]},
            ],
        },
        {"userID": "bob", "status": 0, "singlePlatformToken": None},
    ]
    assert (await api.call(path, body, await api.user_token("alice"))).code == 1002


async def test_platforms_are_listed(api: ApiClient) -> None:
    """Each once, ascending."""
    body = {"userID": "bob", "userIDs": ["alice", "bob"]}
    answer = await api.call("/user/get_users_status", body, await api.user_token("bob"))
    assert answer.data == {
        "statusList": [
            {"userID": "alice", "status": 1, "platformIDs": [1, 5]},
            {"userID": "bob", "status": 0, "platformIDs": None},
        ]
    }


async def test_the_older_subscription_answers_with_states(api: ApiClient) -> None:
    """States for a subscription and for the list of them, nothing for the end of one, 1001 for what is neither."""
    path, token = "/user/subscribe_users_status", await api.user_token("bob")
    body = {"userID": "bob", "userIDs": ["alice"], "genre": 1}
    answer = await api.call(path, body, token)
    assert answer.data == {"statusList": [{"userID": "alice", "status": 1, "platformIDs": [1, 5]}]}
    assert (await api.call("/user/get_subscribe_users_status", {"userID": "bob"}, token)).data == answer.data
    assert (await api.call(path, {**body, "genre": 2}, token)).data == {"statusList": None}
    listed = await api.call("/user/get_subscribe_users_status", {"userID": "bob"}, token)
    assert listed.data == {"statusList": None}
    bad = [{**body, "genre": 3}, {**body, "userIDs": ["a:b"]}, {**body, "userIDs": list(map(str, range(2_001)))}]
    assert [(await api.call(path, one, token)).code for one in bad] == [1001] * 3


async def test_limits_and_trouble_have_their_codes(api: ApiClient) -> None:
    """Too many ids are the caller's fault, an inbox that does not answer is not."""
    token = await api.user_token("bob")
    body = {"userIDs": [str(number) for number in range(10_001)]}
    assert (await api.call("/user/get_users_online_status", body, token)).code == 1001
    api.world.broker.fails = True
    assert (await api.call("/user/get_users_online_status", {"userIDs": ["bob"]}, token)).code == 90002
