"""
Routes of presence (OpenIM wire, §6.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from openim_ray.api.route import Call, Route
from openim_ray.ports import PresentDevice
from openim_ray.protocol.pb.msggateway_pb2 import (
    GetUsersOnlineStatusReq,
    SingleDetail,
    SinglePlatformToken,
    SuccessDetail,
    SuccessResult,
)
from openim_ray.protocol.pb.user_pb2 import (
    getSubscribeUsersStatusReq,
    getSubscribeUsersStatusResp,
    getUserStatusReq,
    getUserStatusResp,
    onlineStatus,
    subscribeOrCancelUsersStatusReq,
    subscribeOrCancelUsersStatusResp,
)
from openim_ray.services.authority import Authority

_OFFLINE: Final = 0
_ONLINE: Final = 1


async def get_users_online_status(call: Call, request: GetUsersOnlineStatusReq) -> Sequence[SuccessResult]:
    """Return each user's connections. The official server gives their tokens away with them; here that field is empty."""
    found = await call.services.presence.devices(request.userIDs)
    return [
        SuccessResult(
            userID=user_id,
            status=_status(devices),
            detailPlatformStatus=[
                SuccessDetail(platformID=one.platform_id, connID=one.connection_id, isBackground=one.background)
                for one in devices
            ],
        )
        for user_id, devices in found.items()
    ]


async def get_users_online_token_detail(call: Call, request: GetUsersOnlineStatusReq) -> Sequence[SingleDetail]:
    """Return with which tokens each user is connected: by their digests, nobody keeps the tokens."""
    found = await call.services.presence.devices(request.userIDs)
    return [
        SingleDetail(userID=user_id, status=_status(devices), singlePlatformToken=_tokens(devices))
        for user_id, devices in found.items()
    ]


async def get_users_status(call: Call, request: getUserStatusReq) -> getUserStatusResp:
    """Return on which platforms users are online."""
    return getUserStatusResp(statusList=_statuses(await call.services.presence.platforms(request.userIDs)))


async def subscribe_users_status(
    call: Call, request: subscribeOrCancelUsersStatusReq
) -> subscribeOrCancelUsersStatusResp:
    """Subscribe in the older form, for the connections that the user has now; return on which platforms users are online."""
    found = await call.services.presence.subscribe(request.userID, request.userIDs, request.genre)
    return subscribeOrCancelUsersStatusResp(statusList=_statuses(found))


async def get_subscribe_users_status(call: Call, request: getSubscribeUsersStatusReq) -> getSubscribeUsersStatusResp:
    """Return whom the user's connections watch, in either form."""
    return getSubscribeUsersStatusResp(statusList=_statuses(await call.services.presence.subscribed(request.userID)))


def _status(present: Sequence[object]) -> int:
    return _ONLINE if present else _OFFLINE


def _statuses(found: Mapping[str, Sequence[int]]) -> list[onlineStatus]:
    return [
        onlineStatus(userID=user_id, status=_status(platforms), platformIDs=platforms)
        for user_id, platforms in found.items()
    ]


def _tokens(devices: Sequence[PresentDevice]) -> list[SinglePlatformToken]:
    digests: dict[int, dict[str, None]] = {}
    for device in devices:
        digests.setdefault(device.platform_id, {})[device.token_digest] = None
    return [
        SinglePlatformToken(platformID=platform_id, total=len(found), token=list(found))
        for platform_id, found in digests.items()
    ]


ROUTES = (
    Route("/user/get_users_online_status", GetUsersOnlineStatusReq, get_users_online_status, Authority.ANYBODY),
    Route(
        "/user/get_users_online_token_detail", GetUsersOnlineStatusReq, get_users_online_token_detail, Authority.ADMIN
    ),
    Route("/user/get_users_status", getUserStatusReq, get_users_status, Authority.ANYBODY),
    Route(
        "/user/subscribe_users_status",
        subscribeOrCancelUsersStatusReq,
        subscribe_users_status,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/user/get_subscribe_users_status",
        getSubscribeUsersStatusReq,
        get_subscribe_users_status,
        Authority.OWNER,
        "userID",
    ),
)
