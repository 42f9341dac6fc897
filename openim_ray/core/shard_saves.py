"""
What a shard writes to the state store: read positions and token states.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core import items
from openim_ray.domain.ids import partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openim_ray.core.shard_outbox import Outbox

SavedItem = items.SavePositions | items.SaveTokens


class _Save(NamedTuple):
    user_id: str
    item: SavedItem
    on_saved: Callable[[], None]


class StateSaves:
    """
    Saves that aren't confirmed yet; each is repeated until it is.

    Promise: of each user one is under way at a time, in order, so that an earlier position that had to be repeated never replaces
    a later one. Limit: `queue_max` wait per user, beyond it `save` refuses, unless it `must` not.
    """

    def __init__(
        self,
        outbox: Outbox,
        persistence: Sequence[str],
        *,
        retry_seconds: float,
        repeats_at_once: int,
        queue_max: int = 256,
    ) -> None:
        self._outbox = outbox
        self._persistence = tuple(persistence)
        self._retry_seconds = retry_seconds
        self._repeats_at_once = repeats_at_once
        self._queue_max = queue_max
        self._queues: dict[str, deque[_Save]] = {}
        self._users: dict[int, str] = {}
        self._retries: dict[int, float] = {}

    def users(self) -> Iterable[str]:
        """Return the users of whom something is under way."""
        return self._queues.keys()

    def concerns(self, user_id: str) -> bool:
        """Tell whether something of a user is under way."""
        return user_id in self._queues

    def save(
        self, user_id: str, make: Callable[[int], SavedItem], on_saved: Callable[[], None], *, must: bool = False
    ) -> bool:
        """
        Save an item that `make` makes of its call number; False if too much waits.

        What `must` be saved waits behind the rest however much that is: nobody would say it again.
        """
        queue = self._queues.setdefault(user_id, deque())
        if len(queue) >= self._queue_max and not must:
            return False
        queue.append(_Save(user_id, make(self._outbox.next_call()), on_saved))
        if len(queue) == 1:
            self._send(queue[0])
        return True

    def saved(self, reply: items.Reply, now: float) -> str:
        """
        Take a persistence actor's answer and return whose save it was, empty if nobody's.

        What it could not take is repeated a little later.
        """
        user_id = self._users.get(reply.call)
        if user_id is None:
            return ""
        if reply.code:
            self._retries[reply.call] = now + self._retry_seconds
            return user_id
        del self._users[reply.call]
        self._retries.pop(reply.call, None)
        queue = self._queues[user_id]
        done = queue.popleft()
        if queue:
            self._send(queue[0])
        else:
            del self._queues[user_id]
        done.on_saved()
        return user_id

    def repeat(self, persistence: str) -> None:
        """Say again what a persistence actor hasn't answered."""
        for call, user_id in self._users.items():
            if self._writer_of(user_id) == persistence:
                self._retries[call] = float("-inf")

    def tick(self, now: float) -> None:
        """Say again what could not be taken."""
        if not self._retries:
            return
        repeated = [call for call, at in self._retries.items() if at <= now]
        for call in repeated[: self._repeats_at_once]:
            del self._retries[call]
            self._send(self._queues[self._users[call]][0])

    def _send(self, save: _Save) -> None:
        self._users[save.item.call] = save.user_id
        self._outbox.send(self._writer_of(save.user_id), save.item)

    def _writer_of(self, user_id: str) -> str:
        return self._persistence[partition_of(user_id) % len(self._persistence)]
