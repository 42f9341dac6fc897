"""
Official routes that this server doesn't have yet (OpenIM wire, §6, §9): each answers so, once the token is found good.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.empty_pb2 import Empty

from openim_ray.api.route import Call, Route
from openim_ray.domain import errors
from openim_ray.services.authority import Authority

NOT_BUILT: Final = (
    "/conversation/set_conversations",
    "/conversation/delete_conversations",
    "/conversation/update_conversations_by_user",
    "/msg/revoke_msg",
    "/msg/delete_msgs",
    "/msg/delete_msg_phsical_by_seq",
    "/msg/delete_msg_physical",
    "/msg/send_simple_msg",
    "/msg/check_msg_is_send_success",
    "/msg/search_msg",
    "/statistics/user/register",
    "/statistics/user/active",
    "/statistics/group/create",
    "/statistics/group/active",
    "/object/part_limit",
    "/object/part_size",
    "/object/initiate_multipart_upload",
    "/object/auth_sign",
    "/object/complete_multipart_upload",
    "/object/access_url",
    "/object/initiate_form_data",
    "/object/complete_form_data",
    "/third/fcm_update_token",
    "/third/set_app_badge",
    "/third/logs/upload",
    "/third/logs/delete",
    "/third/logs/search",
)


def _route(path: str) -> Route[Empty]:
    async def refuse(_call: Call, _request: Empty) -> None:
        raise errors.NotImplementedRoute(f"not implemented: {path}")

    return Route(path, Empty, refuse, Authority.ANYBODY)


ROUTES = tuple(_route(path) for path in NOT_BUILT)
