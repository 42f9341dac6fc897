"""
What a change left for the owners of logs, read from the outbox of a memory world.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from openim_ray.core.effects import decode_effect
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

if TYPE_CHECKING:
    from openim_ray.core.effects import Effect
    from tests.unit.services.memory_world import MemoryWorld

LOOKED_AT_MAX = 10_000


class Waiting(NamedTuple):
    """An effect with its notification, and what that tells."""

    effect: Effect
    message: MsgData
    tips: dict[str, Any]

    @property
    def kind(self) -> int:
        """Return the type of the notification."""
        return self.message.contentType

    @property
    def options(self) -> set[str]:
        """Return the options that are set."""
        return {name for name, is_set in self.message.options.items() if is_set}

    @property
    def way(self) -> tuple[str, str, str]:
        """Return sender, receiver, stream."""
        return self.message.sendID, self.message.recvID, self.effect.stream


async def waiting(world: MemoryWorld, home_key: str) -> list[Waiting]:
    """Return what waits for a log, in order."""
    rows = await world.directory.view(lambda view: view.waiting_effects(home_key, LOOKED_AT_MAX))
    return [_read(row.payload) for row in rows]


async def kinds(world: MemoryWorld) -> dict[str, list[int]]:
    """Return the types of all notifications that wait, by log."""
    keys = await world.directory.view(lambda view: view.logs_with_effects(LOOKED_AT_MAX))
    return {key: [one.kind for one in await waiting(world, key)] for key in keys}


async def forget(world: MemoryWorld) -> None:
    """Empty the outbox."""
    keys = await world.directory.view(lambda view: view.logs_with_effects(LOOKED_AT_MAX))
    for key in keys:
        rows = await world.directory.view(lambda view, key=key: view.waiting_effects(key, LOOKED_AT_MAX))
        await world.directory.change(lambda tx, key=key, last=rows[-1].number: tx.delete_effects(key, last))


def _read(payload: bytes) -> Waiting:
    effect = decode_effect(payload)
    message = MsgData.FromString(effect.notification)
    detail = json.loads(message.content)["detail"] if effect.notification else "{}"
    return Waiting(effect, message, json.loads(detail))
