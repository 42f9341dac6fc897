"""
Routes of what the server keeps for users and does not look into: favourites and the like, settings of clients (OpenIM wire, §6.3).
"""

from __future__ import annotations

from openim_ray.api.route import Call, Route
from openim_ray.protocol.pb.user_pb2 import (
    AllCommandInfoResp,
    clientConfig,
    delUserClientConfigReq,
    getUserClientConfigReq,
    getUserClientConfigResp,
    pageUserClientConfigReq,
    pageUserClientConfigResp,
    processUserCommandAddReq,
    processUserCommandDeleteReq,
    processUserCommandGetAllReq,
    processUserCommandGetAllResp,
    processUserCommandGetReq,
    processUserCommandGetResp,
    processUserCommandUpdateReq,
    setUserClientConfigReq,
)
from openim_ray.services.authority import Authority
from openim_ray.services.user_commands import CommandKey
from openim_ray.services.wire_views import command_info


async def process_user_command_add(call: Call, request: processUserCommandAddReq) -> None:
    """Keep a thing for a user."""
    key = CommandKey(request.userID, request.type, request.uuid)
    await call.services.user_commands.add(call.cause, key, request.value.value, request.ex.value)


async def process_user_command_update(call: Call, request: processUserCommandUpdateReq) -> None:
    """Change those of its texts that are not null."""
    key = CommandKey(request.userID, request.type, request.uuid)
    value = request.value.value if request.HasField("value") else None
    ex = request.ex.value if request.HasField("ex") else None
    await call.services.user_commands.update(call.cause, key, value, ex)


async def process_user_command_delete(call: Call, request: processUserCommandDeleteReq) -> None:
    """Keep a thing no longer."""
    key = CommandKey(request.userID, request.type, request.uuid)
    await call.services.user_commands.delete(call.cause, key)


async def process_user_command_get(call: Call, request: processUserCommandGetReq) -> processUserCommandGetResp:
    """Return what a user keeps, of one type."""
    commands = await call.services.user_commands.all(request.userID, request.type)
    return processUserCommandGetResp(CommandResp=[command_info(one) for one in commands])


async def process_user_command_get_all(
    call: Call, request: processUserCommandGetAllReq
) -> processUserCommandGetAllResp:
    """Return what a user keeps."""
    commands = await call.services.user_commands.all(request.userID)
    return processUserCommandGetAllResp(
        CommandResp=[
            AllCommandInfoResp(type=one.kind, createTime=one.create_time, uuid=one.uuid, value=one.value, ex=one.ex)
            for one in commands
        ]
    )


async def get_user_client_config(call: Call, request: getUserClientConfigReq) -> getUserClientConfigResp:
    """Return the settings of a user's clients."""
    return getUserClientConfigResp(configs=await call.services.client_configs.find(request.userID))


async def set_user_client_config(call: Call, request: setUserClientConfigReq) -> None:
    """Add or replace settings of a user, or of everybody."""
    await call.services.client_configs.put(request.userID, request.configs)


async def del_user_client_config(call: Call, request: delUserClientConfigReq) -> None:
    """Remove settings of a user, or of everybody."""
    await call.services.client_configs.delete(request.userID, request.keys)


async def page_user_client_config(call: Call, request: pageUserClientConfigReq) -> pageUserClientConfigResp:
    """Return a page of settings."""
    page = request.pagination
    total, configs = await call.services.client_configs.page(
        request.userID, request.key, page.pageNumber, page.showNumber
    )
    return pageUserClientConfigResp(
        total=total, configs=[clientConfig(userID=user_id, key=key, value=value) for user_id, key, value in configs]
    )


ROUTES = (
    Route(
        "/user/process_user_command_add",
        processUserCommandAddReq,
        process_user_command_add,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/user/process_user_command_update",
        processUserCommandUpdateReq,
        process_user_command_update,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/user/process_user_command_delete",
        processUserCommandDeleteReq,
        process_user_command_delete,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/user/process_user_command_get",
        processUserCommandGetReq,
        process_user_command_get,
        Authority.OWNER,
        "userID",
    ),
    Route(
        "/user/process_user_command_get_all",
        processUserCommandGetAllReq,
        process_user_command_get_all,
        Authority.OWNER,
        "userID",
    ),
    Route("/user/get_user_client_config", getUserClientConfigReq, get_user_client_config, Authority.OWNER, "userID"),
    Route("/user/set_user_client_config", setUserClientConfigReq, set_user_client_config, Authority.ADMIN),
    Route("/user/del_user_client_config", delUserClientConfigReq, del_user_client_config, Authority.ADMIN),
    Route("/user/page_user_client_config", pageUserClientConfigReq, page_user_client_config, Authority.ADMIN),
)
