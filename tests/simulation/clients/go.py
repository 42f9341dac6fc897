"""
The official Go SDK, native or wasm (OpenIM wire, §7.2, §7.3, §8; Appendix D, 7.3).

It keeps a database, handles connects and pushes one after the other, drops repeats, pulls at most ten messages on a gap, starts no
sync within five seconds of the last one's start, and gives a sync up on an error.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from openim_ray.core.gateway.session import ClientKind
from openim_ray.domain.conversation import is_notification_stream
from tests.simulation.clients.device import Device, RequestFailed
from tests.simulation.clients.pulls import Range, ask_maxima, ask_states, pull_ranges, pull_seqs
from tests.simulation.messages import Seen, seen

if TYPE_CHECKING:
    from tests.simulation.world import World

SYNC_PAUSE_SECONDS = 5.0
NEWEST_TRIES = (2.0, 4.0)
GAP_PULL_MAX = 10
HISTORY_PAGE = 50
EVERYTHING = 1 << 30


class GoDevice(Device):
    """
    State of one Go SDK with its database.
    """

    kind = ClientKind.GO
    retry_seconds = (1.0, 2.0, 4.0, 8.0, 16.0)

    def __init__(self, world: World, user_id: str, platform_id: int, clock_offset_ms: int) -> None:
        super().__init__(world, user_id, platform_id, clock_offset_ms)
        self.wants_greeting = world.scheduler.chance(0.5)
        self.synced: dict[str, int] = {}
        self.messages: dict[str, dict[int, Seen]] = {}
        self._installed = False
        self._last_sync = float("-inf")
        self._events: deque[tuple[str, bytes] | None] = deque()
        self._busy = False

    def forget(self) -> None:
        """Lose what isn't in the database; a new process may sync at once."""
        self._events.clear()
        self._busy = False
        self._last_sync = float("-inf")

    # --- one event after the other

    def on_connected(self) -> None:
        """Queue a sync."""
        self._events.append(None)
        self._work()

    def on_push(self, conversation_id: str, body: bytes) -> None:
        """Queue a push."""
        self._events.append((conversation_id, body))
        self._work()

    def _work(self) -> None:
        if not self._busy:
            self._busy = True
            self.spawn(self._handle_events())

    async def _handle_events(self) -> None:
        while self._events:
            event = self._events.popleft()
            try:
                if event is None:
                    await self._sync()
                else:
                    await self._take_push(*event)
            except RequestFailed:
                self.world.trace(self, "gives up", event and event[0])
        self._busy = False

    # --- syncing

    async def _sync(self) -> None:
        now = self.world.scheduler.now
        if now - self._last_sync < SYNC_PAUSE_SECONDS:
            self.world.trace(self, "does not sync", "")
            return
        self._last_sync = now
        self.spawn(self._sync_unread())
        maxima = await self._newest()
        first, self._installed = not self._installed, True
        grown = {key: seq for key, seq in maxima.items() if seq > self.synced.get(key, 0)}
        if first:
            self.synced.update({key: seq for key, seq in grown.items() if is_notification_stream(key)})
            grown = {key: seq for key, seq in grown.items() if not is_notification_stream(key)}
        await self._pull(grown, 1)

    async def _newest(self) -> dict[str, int]:
        for wait in NEWEST_TRIES:
            try:
                return await ask_maxima(self)
            except RequestFailed:
                await self.sleep(wait)
        return await ask_maxima(self)

    async def _sync_unread(self) -> None:
        try:
            states = await ask_states(self)
        except RequestFailed:
            return
        self.unread = {key: max(maximum - read, 0) for key, (maximum, read) in states.items()}

    async def _pull(self, grown: dict[str, int], num: int) -> list[Seen]:
        if not grown:
            return []
        ranges = [Range(key, self.synced.get(key, 0) + 1, seq, num) for key, seq in grown.items()]
        pulled = await pull_ranges(self, ranges)
        for conversation_id, found in pulled.items():
            self._keep(conversation_id, found)
        self.synced.update(grown)
        return [one for found in pulled.values() for one in found]

    # --- pushes

    async def _take_push(self, conversation_id: str, body: bytes) -> None:
        message = seen(body)
        if message.seq == 0:
            return
        synced = self.synced.get(conversation_id, 0)
        if message.seq <= synced:
            return
        if message.seq == synced + 1:
            self._keep(conversation_id, [message])
            self.synced[conversation_id] = message.seq
            self._count(conversation_id, [message])
            return
        self._count(conversation_id, await self._pull({conversation_id: message.seq}, GAP_PULL_MAX))

    def _count(self, conversation_id: str, found: list[Seen]) -> None:
        if not is_notification_stream(conversation_id):
            new = sum(1 for one in found if one.sender_id != self.user_id)
            self.unread[conversation_id] = self.unread.get(conversation_id, 0) + new

    def _keep(self, conversation_id: str, found: list[Seen]) -> None:
        kept = self.messages.setdefault(conversation_id, {})
        for message in found:
            kept.setdefault(message.seq, message)

    # --- history

    async def read_history(self) -> None:
        """Scroll through every chat to its beginning."""
        for conversation_id, last in list(self.synced.items()):
            if is_notification_stream(conversation_id):
                continue
            kept = self.messages.get(conversation_id, {})
            missing = [seq for seq in range(last, 0, -1) if seq not in kept]
            for start in range(0, len(missing), HISTORY_PAGE):
                page = missing[start : start + HISTORY_PAGE]
                self._keep(conversation_id, await pull_seqs(self, conversation_id, page))

    def scroll(self) -> None:
        """Read history now; give up on an error."""
        self.spawn(self._scroll())

    async def _scroll(self) -> None:
        try:
            await self.read_history()
        except RequestFailed:
            self.world.trace(self, "history unread", "")

    # --- what it knows

    def highest(self, conversation_id: str) -> int:
        """Return the highest seq known."""
        return max((seq for seq in self.messages.get(conversation_id, {})), default=0)

    def peer_seqs(self, conversation_id: str, highest: int) -> list[int]:
        """Return seqs of the peer's messages that are known."""
        kept = self.messages.get(conversation_id, {})
        return sorted(seq for seq, one in kept.items() if seq <= highest and one.sender_id != self.user_id)

    def is_behind(self) -> str:
        """Say in which conversation it knows less than is stored."""
        for conversation_id, maximum in self.world.oracle.maxima_of(self.user_id).items():
            synced = self.synced.get(conversation_id, 0)
            if synced < self.world.oracle.visible_up_to(self.user_id, conversation_id, maximum):
                return f"{conversation_id}: synced {synced} of {maximum}"
        return ""
