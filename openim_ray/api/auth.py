"""
Routes of tokens (OpenIM wire, §6.3).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.auth_pb2 import (
    forceLogoutReq,
    getAdminTokenReq,
    getAdminTokenResp,
    getUserTokenReq,
    getUserTokenResp,
    parseTokenReq,
    parseTokenResp,
)
from openim_ray.services.authority import Authority


async def get_admin_token(call: Call, request: getAdminTokenReq) -> getAdminTokenResp:
    """Let an administrator log in by the secret."""
    issued = await call.services.tokens.issue_admin_token(request.secret, request.userID, call.source)
    return getAdminTokenResp(token=issued.token, expireTimeSeconds=issued.lifetime_seconds)


async def get_user_token(call: Call, request: getUserTokenReq) -> getUserTokenResp:
    """Issue a token for a user's device."""
    issued = await call.services.tokens.issue_user_token(request.userID, request.platformID)
    return getUserTokenResp(token=issued.token, expireTimeSeconds=issued.lifetime_seconds)


async def parse_token(call: Call, request: parseTokenReq) -> parseTokenResp:
    """Tell whose a token is and until when (Unix seconds), if it still counts."""
    owner = await call.services.tokens.authenticate(request.token)
    return parseTokenResp(userID=owner.user_id, platformID=owner.platform_id, expireTimeSeconds=owner.expires_at)


async def force_logout(call: Call, request: forceLogoutReq) -> None:
    """End a user's logins on a platform."""
    await call.services.tokens.force_logout(request.userID, request.platformID)


ROUTES = (
    Route("/auth/get_admin_token", getAdminTokenReq, get_admin_token, Authority.NOBODY),
    Route("/auth/get_user_token", getUserTokenReq, get_user_token, Authority.ADMIN),
    Route("/auth/parse_token", parseTokenReq, parse_token, Authority.NOBODY),
    Route("/auth/force_logout", forceLogoutReq, force_logout, Authority.ADMIN),
)
