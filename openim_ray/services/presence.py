"""
Presence: who is online, on which devices (OpenIM wire, §6.3). The inboxes know; clients watch over their WebSockets (§3.9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from openim_ray.domain import errors
from openim_ray.ports import Broker, PresentDevice
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

    async def subscribe(self, user_ids: Sequence[str], genre: int) -> Mapping[str, Sequence[int]]:
        """
        Answer the older form of a subscription: the states of those who are subscribed to, nothing for a cancellation.

        Nothing is remembered: changes are pushed to connections that have asked for it themselves (OpenIM wire, §3.9).

        Raises:
            ArgsError: an unknown `genre`; see also `devices`.
        """
        if genre not in (SUBSCRIBE, CANCEL):
            raise errors.ArgsError("genre is neither 1 (subscribe) nor 2 (cancel)")
        return await self.platforms(user_ids) if genre == SUBSCRIBE else {}
