"""
Presence: who is online, on which devices (OpenIM wire, §6.3). The inboxes know; clients watch over their WebSockets (§3.9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from openim_ray.core.gateway.watches import WATCHED_MAX
from openim_ray.domain import errors
from openim_ray.domain.ids import user_id_fault
from openim_ray.ports import Broker, PresentDevice
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.messages import with_position
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, UserStatusChangeTips
from openim_ray.services.notifications import Cause, notify_user
from openim_ray.services.paging import check_ids

SUBSCRIBE: Final = 1
CANCEL: Final = 2


class PresenceService:
    """
    Tells who is online.

    Args:
        broker: asks the inboxes.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def devices(self, user_ids: Sequence[str]) -> Mapping[str, Sequence[PresentDevice]]:
        """
        Return the connected devices of users, in the order asked for; an id that nobody has is that of somebody offline.

        Raises:
            ArgsError: too many ids.
            Unavailable: an inbox actor does not answer.
        """
        asked = check_ids("userIDs", user_ids)
        found = await self._broker.present_devices(asked) if asked else {}
        return {user_id: found[user_id] for user_id in asked}

    async def platforms(self, user_ids: Sequence[str]) -> Mapping[str, Sequence[int]]:
        """Return the platforms on which users are online, ascending; see `devices`."""
        devices = await self.devices(user_ids)
        return {user_id: sorted({one.platform_id for one in present}) for user_id, present in devices.items()}

    async def subscribe(self, user_id: str, user_ids: Sequence[str], genre: int) -> Mapping[str, Sequence[int]]:
        """
        Subscribe in the older form; return the states of those who are subscribed to, nothing for a cancellation.

        It holds for the connections that the user has at this moment, and ends with them, as the newer form does (OpenIM wire, §3.9).

        Raises:
            ArgsError: an unknown `genre`, an id that nobody can have, more users than one connection may watch.
            Unavailable: an inbox actor does not answer.
        """
        if genre not in (SUBSCRIBE, CANCEL):
            raise errors.ArgsError("genre is neither 1 (subscribe) nor 2 (cancel)")
        asked = check_ids("userIDs", user_ids)
        if len(asked) > WATCHED_MAX:
            raise errors.ArgsError(f"userIDs: a connection watches at most {WATCHED_MAX} users")
        for one in asked:
            if (fault := user_id_fault(one)) is not None:
                raise errors.ArgsError(f"userIDs: {fault}")
        if genre == CANCEL:
            await self._broker.subscribe_presence(user_id, (), asked)
            return {}
        await self._broker.subscribe_presence(user_id, asked, ())
        return await self.platforms(asked)

    async def subscribed(self, user_id: str) -> Mapping[str, Sequence[int]]:
        """Return the states of those whom the user's connections watch, as far as the gateway that is asked holds them."""
        return await self.platforms(await self._broker.watched_users(user_id))


def status_notification(
    user_id: str, receiver_id: str, platform_id: int, now_ms: int, *, online: bool
) -> tuple[str, bytes]:
    """
    Return stream and message of the notification that a user came to a platform or left it (1304), which is not stored.
    """
    tips = UserStatusChangeTips(fromUserID=user_id, toUserID=receiver_id, status=int(online), platformID=platform_id)
    cause = Cause(user_id, "", now_ms)
    _, effect = notify_user(cause, ContentType.USER_STATUS_CHANGE, user_id, receiver_id, tips)
    message = MsgData.FromString(effect.notification)
    message.options["senderSync"] = False
    return effect.stream, with_position(message.SerializeToString(), 0, now_ms)
