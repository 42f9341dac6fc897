"""Watching who is online, over a socket and the API (OpenIM wire, §3.9, §6.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from openim_ray.domain.errors import Unavailable
from openim_ray.protocol.frames import Response
from openim_ray.protocol.identifiers import Platform, RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import (
    SetAppBackgroundStatusReq,
    SubUserOnlineStatus,
    SubUserOnlineStatusTips,
)
from tests.e2e.server import ApiError
from tests.integration.connection import NATIVE, Connection
from tests.integration.people import People
from tests.integration.websocket import WAIT_SECONDS

SUBSCRIBE: Final = RequestIdentifier.SUB_USER_ONLINE_STATUS
IPHONE: Final = NATIVE._replace(name="iphone", platform=Platform.IOS)
ANDROID: Final = int(Platform.ANDROID)
WEB: Final = int(Platform.WEB)


def states(data: bytes) -> dict[str, list[int]]:
    """Return what a 2005 says."""
    return {one.userID: list(one.onlinePlatformIDs) for one in SubUserOnlineStatusTips.FromString(data).subscribers}


async def subscribe(client: Connection, *user_ids: str) -> dict[str, list[int]]:
    """Subscribe to users; returns the answer."""
    request = SubUserOnlineStatus(subscribeUserID=user_ids)
    response = await client.answer(SUBSCRIBE, request.SerializeToString())
    assert response.err_code == 0, response.err_msg
    return states(response.data)


def pushed_states(client: Connection, user_id: str) -> list[list[int]]:
    """Return the pushed states of a user, in order."""
    pushes = [one for one in client.received if isinstance(one, Response)]
    news = [states(one.data) for one in pushes if one.req_identifier == SUBSCRIBE and not one.msg_incr]
    return [one[user_id] for one in news if user_id in one]


async def sees(client: Connection, user_id: str, *platforms: int, number: int) -> None:
    """Wait for that many pushes of a user's state; the last one must say this."""
    await client.until(lambda: len(pushed_states(client, user_id)) >= number, f"push number {number} of {user_id}")
    assert pushed_states(client, user_id)[number - 1] == list(platforms)


async def all_see(clients: Sequence[Connection], user_id: str, *platforms: int, number: int) -> None:
    """Let each of them see it."""
    for client in clients:
        await sees(client, user_id, *platforms, number=number)


async def set_background(client: Connection, *, background: bool) -> None:
    """Tell whether the app is in the background."""
    request = SetAppBackgroundStatusReq(userID=client.user_id, isBackground=background)
    response = await client.answer(RequestIdentifier.SET_BACKGROUND_STATUS, request.SerializeToString())
    assert (response.err_code, response.data) == (0, b"")


async def ask(people: People, path: str, *user_ids: str) -> Any:
    """Ask a route about users, again while it says that this may be tried again; returns its data."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            try:
                return await asyncio.to_thread(people.server.data, path, {"userIDs": user_ids})
            except ApiError as error:
                if error.code != Unavailable.code:
                    raise
