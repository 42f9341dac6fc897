"""
Ordered batches between two processes over a transport that reorders, delays and fails.

Ray's async actors run calls out of order, so order is never taken from the transport: the sender numbers its batches, the
receiver puts them in order. Guarantee: items of one channel are handled in the order they were put, each at most once.
When a call failed, or a hole did not close in time, the channel is over: nothing of it is handled any more, and the
next channel begins with both sides told (`link reset`): requests are repeated by who asked, deliveries repaired.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from openim_ray.core.items import BATCH_VERSION, AnyItem, Batch
from openim_ray.core.sizes import Room, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

QUEUE_BYTES_MAX = 64 << 20


class Receipt(Enum):
    """
    What a receiver says of a batch.
    """

    TAKEN = "taken"
    """In order, or kept until it is; also a repetition of what was handled."""

    OVER = "over"
    """Of the present channel, which is over because something of it was lost: begin a new one."""

    STALE = "stale"
    """Of an earlier channel, or from or for an earlier incarnation: begin a new one."""


class OutboundChannel:
    """
    The sending end towards one peer.

    Limits: `window` seconds between batches while there is much to send (at once when idle), `bytes_max` per batch,
    `queue_max` waiting items with `queue_bytes_max` bytes (beyond either nothing more is taken until the channel is reset: what it
    holds is dropped, and repaired afterwards).
    """

    def __init__(
        self,
        *,
        window: float,
        bytes_max: int,
        queue_max: int,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        in_flight_max: int = 4,
    ) -> None:
        self._window = window
        self._bytes_max = bytes_max
        self._in_flight_max = in_flight_max
        self._queue: deque[tuple[AnyItem, int]] = deque()
        self._room = Room(queue_max, queue_bytes_max)
        self._last_taken = float("-inf")
        self._numbers_in_flight: set[int] = set()
        self.channel = 0
        self.number = 0
        self.receiver_incarnation = ""
        self.overflowed = False

    @property
    def connected(self) -> bool:
        """Tell whether the peer's incarnation is known and batches may leave."""
        return bool(self.receiver_incarnation)

    @property
    def waiting(self) -> int:
        """Return how many items wait."""
        return len(self._queue)

    def connect(self, receiver_incarnation: str) -> None:
        """Begin a new channel to this incarnation of the peer; what waits goes along with it."""
        self.channel += 1
        self.number = 0
        self.receiver_incarnation = receiver_incarnation
        self._numbers_in_flight.clear()

    def reset(self) -> None:
        """End the channel: drop what waits, and wait for the next `connect`."""
        self._queue.clear()
        self._room.clear()
        self._numbers_in_flight.clear()
        self.receiver_incarnation = ""
        self.overflowed = False

    def put(self, item: AnyItem) -> None:
        """
        Add an item, unless the queue has been full: then it is dropped, and the caller resets the link (see `overflowed`).

        Not at once: what else was to be sent at this moment must not go before what is repeated because of the reset.
        """
        if self.overflowed:
            return
        size = size_of(item)
        if self._room.enter(size):
            self._queue.append((item, size))
        else:
            self.overflowed = True

    def ready_at(self) -> float | None:
        """Return the time from which a batch may be taken; None while there is nothing to take or no room in flight."""
        if not self._queue or not self.receiver_incarnation or len(self._numbers_in_flight) >= self._in_flight_max:
            return None
        return self._last_taken + self._window

    def take(self, now: float, sender: str, incarnation: str) -> Batch | None:
        """Take the next batch if its time has come."""
        if not self._queue:
            return None
        ready_at = self.ready_at()
        if ready_at is None or now < ready_at:
            return None
        batch = self.take_now(now, sender, incarnation)
        if batch is not None:
            self._numbers_in_flight.add(batch.number)
        return batch

    def take_now(self, now: float, sender: str, incarnation: str) -> Batch | None:
        """
        Take the next batch for a carrier that leaves anyway, whatever the window; None if nothing waits.

        If it does not arrive, whoever sent the carrier notices, and begins a new channel.
        """
        if not self._queue or not self.receiver_incarnation:
            return None
        items = self._take_items() if len(self._queue) > 1 else [self._take_item()]
        # A full batch leaves more behind: it must not wait for the window.
        self._last_taken = float("-inf") if self._queue else now
        self.number += 1
        return Batch(BATCH_VERSION, sender, incarnation, self.receiver_incarnation, self.channel, self.number, items)

    def taken(self, batch: Batch) -> None:
        """Note that the peer has a batch."""
        if batch.channel == self.channel:
            self._numbers_in_flight.discard(batch.number)

    def concerns(self, batch: Batch) -> bool:
        """Tell whether a batch belongs to the living channel (a failure of an older one says nothing)."""
        return batch.channel == self.channel and bool(self.receiver_incarnation)

    def _take_items(self) -> list[AnyItem]:
        queue = self._queue
        items: list[AnyItem] = []
        total = 0
        while queue:
            item, size = queue[0]
            total += size
            if items and total > self._bytes_max:
                break
            queue.popleft()
            self._room.leave(size)
            items.append(item)
        return items

    def _take_item(self) -> AnyItem:
        item, size = self._queue.popleft()
        self._room.leave(size)
        return item


class InboundChannel:
    """
    The receiving end from one peer: reorders, refuses what is stale, notices holes.

    Limits: at most `reorder_max` batches wait behind a hole, for at most `hole_seconds`; beyond, the channel is over.

    Incarnations of a peer are not ordered. One that was replaced counts as dead, and its late batches are refused; if it is the
    present one that is dead, it stays silent for `silence_seconds`, and the other is heard again.
    """

    def __init__(self, *, reorder_max: int = 64, hole_seconds: float = 0.5, silence_seconds: float = 5.0) -> None:
        self._reorder_max = reorder_max
        self._hole_seconds = hole_seconds
        self._silence_seconds = silence_seconds
        self._heard_at = float("-inf")
        self._early: dict[int, Batch] = {}
        self._hole_since: float | None = None
        self._over = False
        self._replaced: deque[str] = deque(maxlen=16)
        self.sender_incarnation = ""
        self.channel = 0
        self.next_number = 1

    def receive(self, batch: Batch, now: float, on_reset: Callable[[str], None]) -> tuple[Receipt, list[AnyItem]]:
        """
        Take a batch and return the items that are due now, in order.

        `on_reset(sender_incarnation)` is called before the first item of a new channel is returned.
        """
        if not self._is_current(batch, now, on_reset):
            return Receipt.STALE, []
        self._heard_at = now
        if self._over:
            return Receipt.OVER, []
        if batch.number < self.next_number:
            return Receipt.TAKEN, []
        if batch.number == self.next_number and not self._early:
            self.next_number += 1
            return Receipt.TAKEN, batch.items
        self._early[batch.number] = batch
        items = self._due()
        if not self._early:
            self._hole_since = None
        elif self._hole_since is None or items:
            self._hole_since = now
        if len(self._early) > self._reorder_max:
            self._end()
            return Receipt.OVER, items
        return Receipt.TAKEN, items

    def refused_channel(self, incarnation: str) -> int:
        """Return the channel of this incarnation of the peer that is over; 0 if none is."""
        return self.channel if self._over and incarnation == self.sender_incarnation else 0

    def check_hole(self, now: float) -> bool:
        """End the channel if a hole did not close in time; True if it did so now."""
        if self._hole_since is None or now - self._hole_since < self._hole_seconds:
            return False
        self._end()
        return True

    def _is_current(self, batch: Batch, now: float, on_reset: Callable[[str], None]) -> bool:
        known = batch.sender_incarnation == self.sender_incarnation
        if known and batch.channel <= self.channel:
            return batch.channel == self.channel
        if batch.sender_incarnation in self._replaced:
            if now - self._heard_at < self._silence_seconds:
                return False
            self._replaced.remove(batch.sender_incarnation)
        if self.sender_incarnation and not known:
            self._replaced.append(self.sender_incarnation)
        self.sender_incarnation = batch.sender_incarnation
        self.channel = batch.channel
        self.next_number = 1
        self._early.clear()
        self._hole_since = None
        self._over = False
        on_reset(batch.sender_incarnation)
        return True

    def _due(self) -> list[AnyItem]:
        items: list[AnyItem] = []
        while (batch := self._early.pop(self.next_number, None)) is not None:
            self.next_number += 1
            items.extend(batch.items)
        return items

    def _end(self) -> None:
        self._over = True
        self._early.clear()
        self._hole_since = None
