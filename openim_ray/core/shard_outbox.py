"""
What a shard leaves behind for its process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.failures import INTERNAL_ERROR, Failures
from openim_ray.domain.errors import OpenIMError

if TYPE_CHECKING:
    from openim_ray.core.shard_loads import Load


class Outbox:
    """
    What a shard wants done: items to peers, and loads; and what failed in it.

    `take_*` empties it; the process behind it sends, reads and logs.
    """

    def __init__(self, first_call: int) -> None:
        self._call = first_call
        self._items: list[tuple[str, items.AnyItem]] = []
        self._loads: list[Load] = []
        self.failures = Failures()

    def send(self, peer: str, item: items.AnyItem) -> None:
        """Let an item go to a peer."""
        self._items.append((peer, item))

    def refuse_failed(self, peer: str, call: int) -> None:
        """Answer a request whose handling failed: nobody must wait for the deadline."""
        self.send(peer, items.Reply(call, OpenIMError.code, INTERNAL_ERROR))

    def load(self, load: Load) -> None:
        """Let something be read."""
        self._loads.append(load)

    def next_call(self) -> int:
        """Return a fresh call number."""
        self._call += 1
        return self._call

    def take_items(self) -> list[tuple[str, items.AnyItem]]:
        """Return and forget what is to be sent, in order."""
        taken, self._items = self._items, []
        return taken

    def take_loads(self) -> list[Load]:
        """Return and forget what is to be read."""
        taken, self._loads = self._loads, []
        return taken
