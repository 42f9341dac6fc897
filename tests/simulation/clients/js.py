"""
The pure-JavaScript SDK (OpenIM wire, §10): everything in memory, every push counts as unread, no gap is pulled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.core.gateway.session import ClientKind
from openim_ray.domain.conversation import is_notification_stream
from tests.simulation.clients.device import Device, RequestFailed
from tests.simulation.clients.pulls import Range, ask_states, pull_ranges
from tests.simulation.messages import Seen, seen

if TYPE_CHECKING:
    from tests.simulation.world import World


class JavaScriptDevice(Device):
    """
    State of one page.
    """

    kind = ClientKind.JS
    retry_seconds = (5.0,)

    def __init__(self, world: World, user_id: str, platform_id: int, clock_offset_ms: int) -> None:
        super().__init__(world, user_id, platform_id, clock_offset_ms)
        self.position: dict[str, int] = {}
        self.messages: dict[str, dict[int, Seen]] = {}
        self._first: dict[str, int] | None = None
        self._left_out: dict[str, int] = {}
        """Conversation -> up to where something may lack that only the history had when it was away: read when it is shown."""
        self._synced = False

    def forget(self) -> None:
        """Load the page anew."""
        self.position = {}
        self.messages = {}
        self.unread = {}
        self._first = None
        self._left_out = {}
        self._synced = False

    # --- syncing

    def on_connected(self) -> None:
        """Sync, at each connect."""
        self._synced = False
        self.spawn(self._sync())

    async def _sync(self) -> None:
        still = self.while_connected()
        try:
            states = await ask_states(self)
            grown = {} if self._first is None else self._grown(states)
            if self._first is None:
                self._first = {key: maximum for key, (maximum, _) in states.items()}
                self.position.update(self._first)
            elif grown:
                await self._pull(grown)
        except RequestFailed as failure:
            self.world.trace(self, "sync failed", failure.code)
            return
        if still():
            self.unread = {key: max(maximum - read, 0) for key, (maximum, read) in states.items()}
            self._synced = True

    def _grown(self, states: dict[str, tuple[int, int]]) -> dict[str, int]:
        return {key: maximum for key, (maximum, _) in states.items() if maximum > self.position.get(key, 0)}

    async def _pull(self, grown: dict[str, int]) -> None:
        ranges = [
            Range(key, self.position.get(key, 0) + 1, maximum, maximum - self.position.get(key, 0))
            for key, maximum in grown.items()
        ]
        pulled = await pull_ranges(self, ranges)
        for asked in ranges:
            found = {one.seq: one for one in pulled.get(asked.conversation_id, [])}
            self.messages.setdefault(asked.conversation_id, {}).update(found)
            self.position[asked.conversation_id] = asked.end
            missing = [seq for seq in range(asked.begin, asked.end + 1) if seq not in found]
            if missing and self.world.settings.retention_seconds:
                self._left_out[asked.conversation_id] = missing[-1]

    # --- pushes

    def on_push(self, conversation_id: str, body: bytes) -> None:
        """Count it, whatever it is."""
        message = seen(body)
        if message.seq == 0:
            return
        if not is_notification_stream(conversation_id):
            self._check_order(conversation_id, message)
            if message.sender_id != self.user_id:
                self.unread[conversation_id] = self.unread.get(conversation_id, 0) + 1
        self.position[conversation_id] = message.seq
        self.messages.setdefault(conversation_id, {})[message.seq] = message

    def _check_order(self, conversation_id: str, message: Seen) -> None:
        """It would neither notice a repeat nor a gap; so the world does."""
        position = self.position.get(conversation_id, 0)
        oracle = self.world.oracle
        if not self._synced:
            oracle.violated(f"{self.name} was pushed {conversation_id} {message.seq} before it had synced")
        if message.seq <= position:
            oracle.violated(f"{self.name} at {conversation_id} {position} was pushed {message.seq} again")
        missing = oracle.visible(self.user_id, conversation_id, position + 1, message.seq - 1)
        if missing:
            oracle.violated(f"{self.name} at {conversation_id} {position} was pushed {message.seq}, lacks {missing}")

    # --- what it knows

    def highest(self, conversation_id: str) -> int:
        """Return the highest seq known."""
        return self.position.get(conversation_id, 0)

    def peer_seqs(self, conversation_id: str, highest: int) -> list[int]:
        """Return seqs of the peer's messages that are known."""
        kept = self.messages.get(conversation_id, {})
        return sorted(seq for seq, one in kept.items() if seq <= highest and one.sender_id != self.user_id)

    def is_behind(self) -> str:
        """Say in which conversation it knows less than is stored; notification streams only come by push."""
        if not self._synced:
            return "not synced"
        for conversation_id, maximum in self.world.oracle.maxima_of(self.user_id).items():
            if is_notification_stream(conversation_id):
                continue
            position = self.position.get(conversation_id, 0)
            if self.world.oracle.visible(self.user_id, conversation_id, position + 1, maximum):
                return f"{conversation_id}: at {position} of {maximum}"
            first = max((self._first or {}).get(conversation_id, 0), self._left_out.get(conversation_id, 0))
            kept = self.messages.get(conversation_id, {})
            missing = [
                seq
                for seq in self.world.oracle.visible(self.user_id, conversation_id, first + 1, maximum)
                if seq not in kept
            ]
            if missing:
                return f"{conversation_id}: never heard of {missing}"
        return ""
