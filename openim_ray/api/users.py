"""
Routes of accounts (OpenIM wire, §6.3). What users keep, and settings of their clients: `api.user_data`.
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User
from openim_ray.protocol.pb.account_pb2 import DisableUserReq, EnableUserReq
from openim_ray.protocol.pb.user_pb2 import (
    accountCheckReq,
    accountCheckResp,
    addNotificationAccountReq,
    addNotificationAccountResp,
    getAllUserIDReq,
    getAllUserIDResp,
    getDesignateUsersReq,
    getDesignateUsersResp,
    getPaginationUsersReq,
    getPaginationUsersResp,
    searchNotificationAccountReq,
    searchNotificationAccountResp,
    setGlobalRecvMessageOptReq,
    singleUserStatus,
    updateNotificationAccountInfoReq,
    updateUserInfoExReq,
    updateUserInfoReq,
    userRegisterReq,
)
from openim_ray.services.authority import Authority
from openim_ray.services.wire_views import account_info, user_info, user_of


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
    await call.services.profiles.update(
        call.cause, info.userID, {name: value for name, value in fields.items() if value}
    )


async def update_user_info_ex(call: Call, request: updateUserInfoExReq) -> None:
    """Set those fields that are not null."""
    info = request.userInfo
    fields = {"nickname": "nickname", "face_url": "faceURL", "ex": "ex", "global_recv_msg_opt": "globalRecvMsgOpt"}
    changes: dict[str, str | int] = {
        name: getattr(info, wire).value for name, wire in fields.items() if info.HasField(wire)
    }
    await call.services.profiles.update(call.cause, info.userID, changes)


async def set_global_msg_recv_opt(call: Call, request: setGlobalRecvMessageOptReq) -> None:
    """Set what a user wants of all conversations."""
    changes = {"global_recv_msg_opt": request.globalRecvMsgOpt}
    await call.services.profiles.update(call.cause, request.userID, changes)


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


async def add_notification_account(call: Call, request: addNotificationAccountReq) -> addNotificationAccountResp:
    """Create a notification account or a robot."""
    account = User(
        user_id=UserID(request.userID),
        nickname=request.nickName,
        face_url=request.faceURL,
        app_manager_level=request.appMangerLevel,
    )
    info = account_info(await call.services.notification_accounts.add(account))
    return addNotificationAccountResp(
        userID=info.userID, faceURL=info.faceURL, nickName=info.nickName, appMangerLevel=info.appMangerLevel
    )


async def update_notification_account(call: Call, request: updateNotificationAccountInfoReq) -> None:
    """Set those fields that are not empty."""
    accounts = call.services.notification_accounts
    await accounts.update(call.cause, request.userID, request.nickName, request.faceURL)


async def search_notification_account(
    call: Call, request: searchNotificationAccountReq
) -> searchNotificationAccountResp:
    """Return a page of notification accounts and robots."""
    level = request.appManagerLevel if request.HasField("appManagerLevel") else None
    page = request.pagination
    total, accounts = await call.services.notification_accounts.search(
        request.keyword, level, page.pageNumber, page.showNumber
    )
    return searchNotificationAccountResp(total=total, notificationAccounts=[account_info(one) for one in accounts])


async def disable_user(call: Call, request: DisableUserReq) -> None:
    """Log a user out everywhere, and let her not log in again. Not of the official server."""
    await call.services.accounts.disable(request.userID)


async def enable_user(call: Call, request: EnableUserReq) -> None:
    """Let a user log in again. Not of the official server."""
    await call.services.accounts.enable(request.userID)


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
    Route(
        "/user/add_notification_account",
        addNotificationAccountReq,
        add_notification_account,
        Authority.ADMIN,
    ),
    Route(
        "/user/update_notification_account",
        updateNotificationAccountInfoReq,
        update_notification_account,
        Authority.ADMIN,
    ),
    Route(
        "/user/search_notification_account",
        searchNotificationAccountReq,
        search_notification_account,
        Authority.ADMIN,
    ),
    Route("/user/disable_user", DisableUserReq, disable_user, Authority.ADMIN),
    Route("/user/enable_user", EnableUserReq, enable_user, Authority.ADMIN),
)
