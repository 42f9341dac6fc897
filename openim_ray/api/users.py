"""
Routes of accounts (OpenIM wire, §6.3).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.user_pb2 import (
    accountCheckReq,
    accountCheckResp,
    getAllUserIDReq,
    getAllUserIDResp,
    getDesignateUsersReq,
    getDesignateUsersResp,
    getPaginationUsersReq,
    getPaginationUsersResp,
    setGlobalRecvMessageOptReq,
    singleUserStatus,
    updateUserInfoExReq,
    updateUserInfoReq,
    userRegisterReq,
)
from openim_ray.services.authority import Authority
from openim_ray.services.wire_views import user_info, user_of


async def user_register(call: Call, request: userRegisterReq) -> None:
    """Create accounts."""
    await call.services.users.register([user_of(info) for info in request.users])


async def get_users_info(call: Call, request: getDesignateUsersReq) -> getDesignateUsersResp:
    """Return accounts; ids that nobody has are left out."""
    users = await call.services.users.find(request.userIDs)
    return getDesignateUsersResp(usersInfo=[user_info(user) for user in users])


async def update_user_info(call: Call, request: updateUserInfoReq) -> None:
    """Set those fields that are not empty; the older form of `update_user_info_ex`, which can also empty them."""
    info = request.userInfo
    fields: dict[str, str | int] = {
        "nickname": info.nickname,
        "face_url": info.faceURL,
        "ex": info.ex,
        "global_recv_msg_opt": info.globalRecvMsgOpt,
    }
    await call.services.users.update(info.userID, {name: value for name, value in fields.items() if value})


async def update_user_info_ex(call: Call, request: updateUserInfoExReq) -> None:
    """Set those fields that are not null."""
    info = request.userInfo
    fields = {"nickname": "nickname", "face_url": "faceURL", "ex": "ex", "global_recv_msg_opt": "globalRecvMsgOpt"}
    changes: dict[str, str | int] = {
        name: getattr(info, wire).value for name, wire in fields.items() if info.HasField(wire)
    }
    await call.services.users.update(info.userID, changes)


async def set_global_msg_recv_opt(call: Call, request: setGlobalRecvMessageOptReq) -> None:
    """Set what a user wants of all conversations."""
    await call.services.users.update(request.userID, {"global_recv_msg_opt": request.globalRecvMsgOpt})


async def account_check(call: Call, request: accountCheckReq) -> accountCheckResp:
    """Tell which ids have accounts."""
    results = await call.services.users.existing(request.checkUserIDs)
    return accountCheckResp(
        results=[singleUserStatus(userID=user_id, accountStatus=int(there)) for user_id, there in results]
    )


async def get_users(call: Call, request: getPaginationUsersReq) -> getPaginationUsersResp:
    """Return a page of accounts, perhaps filtered."""
    page = request.pagination
    total, users = await call.services.users.page(page.pageNumber, page.showNumber, request.userID, request.nickName)
    return getPaginationUsersResp(total=total, users=[user_info(user) for user in users])


async def get_all_users_uid(call: Call, request: getAllUserIDReq) -> getAllUserIDResp:
    """Return a page of the ids of all accounts."""
    total, users = await call.services.users.page(request.pagination.pageNumber, request.pagination.showNumber)
    return getAllUserIDResp(total=total, userIDs=[user.user_id for user in users])


ROUTES = (
    Route("/user/user_register", userRegisterReq, user_register, Authority.ADMIN),
    Route("/user/get_users_info", getDesignateUsersReq, get_users_info, Authority.ANYBODY),
    Route("/user/update_user_info", updateUserInfoReq, update_user_info, Authority.OWNER, "userInfo.userID"),
    Route("/user/update_user_info_ex", updateUserInfoExReq, update_user_info_ex, Authority.OWNER, "userInfo.userID"),
    Route(
        "/user/set_global_msg_recv_opt",
        setGlobalRecvMessageOptReq,
        set_global_msg_recv_opt,
        Authority.OWNER,
        "userID",
    ),
    Route("/user/account_check", accountCheckReq, account_check, Authority.ADMIN),
    Route("/user/get_users", getPaginationUsersReq, get_users, Authority.ADMIN),
    Route("/user/get_all_users_uid", getAllUserIDReq, get_all_users_uid, Authority.ADMIN),
)
