"""
Routes that erase accounts. Not of the official server, which has none.
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.domain.erasure import Erasure, ErasurePhase
from openim_ray.protocol.pb.account_pb2 import EraseUserReq, ErasureInfo, GetErasureReq
from openim_ray.services.authority import Authority


async def erase_user(call: Call, request: EraseUserReq) -> ErasureInfo:
    """Erase an account for good; answers when that is certain to happen, and what she wrote is erased behind the answer."""
    return _info(await call.services.account_erasing.begin(request.userID))


async def get_erasure(call: Call, request: GetErasureReq) -> ErasureInfo:
    """Tell how far the erasure of an account has come."""
    return _info(await call.services.account_erasing.find(request.userID))


def _info(erasure: Erasure) -> ErasureInfo:
    return ErasureInfo(
        userID=erasure.user_id,
        phase=ErasurePhase(erasure.phase).name.lower(),
        erasedMessages=erasure.messages,
        beginTime=erasure.created_ms,
        endTime=erasure.finished_ms,
    )


ROUTES = (
    Route("/user/erase_user", EraseUserReq, erase_user, Authority.ADMIN),
    Route("/user/get_erasure", GetErasureReq, get_erasure, Authority.ADMIN),
)
