"""
The third-party Python client `openim-sdk-core` (OpenIM wire, §11.1).

It reads on one thread and syncs on another, takes the newest pushed seq as its position, pulls pages of 100 that follow each other by
end + 1, and has no other way to fill a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.core.gateway.session import ClientKind
from tests.simulation.clients.device import Device, RequestFailed
from tests.simulation.clients.pulls import Range, ask_maxima, pull_ranges
from tests.simulation.messages import Seen, seen

if TYPE_CHECKING:
    from tests.simulation.world import World

PAGE = 100


class PythonDevice(Device):
    """
    State of one Python client.
    """

    kind = ClientKind.PYPI
    retry_seconds = (3.0,)
    wants_greeting = False

    def __init__(self, world: World, user_id: str, platform_id: int, clock_offset_ms: int) -> None:
        super().__init__(world, user_id, platform_id, clock_offset_ms)
        self.position: dict[str, int] = {}
        self.messages: dict[str, dict[int, Seen]] = {}
        self.synced = False

    def forget(self) -> None:
        """Start anew."""
        self.position = {}
        self.messages = {}
        self.synced = False

    # --- the syncing thread

    def on_connected(self) -> None:
        """Sync beside reading."""
        self.synced = False
        self.spawn(self._sync())

    async def _sync(self) -> None:
        still = self.while_connected()
        try:
            for conversation_id, maximum in (await ask_maxima(self)).items():
                await self._pull(conversation_id, maximum)
        except RequestFailed as failure:
            self.world.trace(self, "sync failed", failure.code)
            return
        self.synced = still()

    async def _pull(self, conversation_id: str, maximum: int) -> None:
        begin = self.position.get(conversation_id, 0) + 1
        while begin <= maximum:
            end = min(begin + PAGE - 1, maximum)
            pulled = await pull_ranges(self, [Range(conversation_id, begin, end, PAGE)])
            found = pulled.get(conversation_id, [])
            if not found:
                return
            self._keep(conversation_id, found)
            begin = end + 1

    # --- the reading thread

    def on_push(self, conversation_id: str, body: bytes) -> None:
        """Take its seq as the position."""
        message = seen(body)
        if message.seq:
            self._keep(conversation_id, [message])

    def _keep(self, conversation_id: str, found: list[Seen]) -> None:
        kept = self.messages.setdefault(conversation_id, {})
        kept.update({one.seq: one for one in found})
        position = self.position.get(conversation_id, 0)
        self.position[conversation_id] = max(position, *(one.seq for one in found))

    # --- what it knows

    def highest(self, conversation_id: str) -> int:
        """Return the highest seq known."""
        return self.position.get(conversation_id, 0)

    def peer_seqs(self, conversation_id: str, highest: int) -> list[int]:
        """Return seqs of the peer's messages that are known."""
        kept = self.messages.get(conversation_id, {})
        return sorted(seq for seq, one in kept.items() if seq <= highest and one.sender_id != self.user_id)

    def is_behind(self) -> str:
        """Say which messages it never got."""
        for conversation_id, maximum in self.world.oracle.maxima_of(self.user_id).items():
            kept = self.messages.get(conversation_id, {})
            visible = self.world.oracle.visible(self.user_id, conversation_id, 1, maximum)
            missing = [seq for seq in visible if seq not in kept]
            if missing:
                return f"{conversation_id}: lacks {missing}"
        return ""
