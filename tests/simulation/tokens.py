"""
Tokens: a new one ends the older ones of its user and platform, an administrator may end all of them (OpenIM wire, §1.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.ports import TokenRecord
from tests.simulation.stores import KICKED

if TYPE_CHECKING:
    from tests.simulation.clients.device import Device
    from tests.simulation.gateways import GatewayProcess
    from tests.simulation.world import World

FOR_EVER = 1 << 40


class Tokens:
    """
    The part of the token service that clients meet.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def issue(self, device: Device) -> str:
        """Return the digest of a fresh token; empty if the server did not answer."""
        world = self._world
        digest = f"token-{world.next_number()}"
        owner = (device.user_id, device.platform_id)
        records = world.stores.tables.state.token_records.values()
        older = [one._replace(state=KICKED) for one in records if (one.user_id, one.platform_id) == owner]
        new = TokenRecord(digest, device.user_id, device.platform_id, 0, FOR_EVER)
        world.oracle.issuing(device, digest)
        if not await world.http(lambda gateway: gateway.broker.save_tokens([new, *older])):
            return ""
        world.oracle.issued(digest)
        return digest

    async def force_logout(self, user_id: str, platform_id: int) -> None:
        """End the tokens of a user on a platform, and her connections there; try a few times."""
        world = self._world
        records = world.stores.tables.state.token_records.values()
        valid = [one for one in records if (one.user_id, one.platform_id, one.state) == (user_id, platform_id, 0)]
        world.oracle.logging_out(user_id, platform_id)

        async def act(gateway: GatewayProcess) -> None:
            await gateway.broker.save_tokens([one._replace(state=KICKED) for one in valid])
            await gateway.broker.force_logout(user_id, platform_id)

        for _ in range(3):
            if valid and await world.http(act):
                world.oracle.logged_out([one.digest for one in valid])
                return
