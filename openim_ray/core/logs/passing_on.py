"""
What logs pass on to inboxes, in order; held back while a cut of the same log is on its way to the directory.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core import items

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.domain.message import StoredMessage

ToInboxes = items.Fanout | items.GroupFanout | items.Membership | items.RowsChanged

HELD_MAX = 2_000
"""
So much is held of one log; beyond it the oldest message is dropped. Inboxes notice the gap at the next one, and look at the stores.
"""


class Place(NamedTuple):
    """
    Where a message stands.
    """

    conversation_id: str
    seq: int


class PassingOn:
    """
    The way from the logs of a shard to inboxes, whoever owns those.

    Promise: what one log says comes out in the order in which it was said, except what `insert` puts around a message that is held.
    """

    def __init__(self, pass_on: Callable[[ToInboxes], None]) -> None:
        self._pass_on = pass_on
        self._held: dict[str, deque[ToInboxes]] = {}

    def holds(self, key: str) -> bool:
        """Tell whether something of a log (its home key) would have to wait."""
        return key in self._held

    def has(self, key: str, place: Place) -> bool:
        """Tell whether a message is held."""
        return any(_stands_at(one, place) for one in self._held.get(key, ()))

    def hold(self, key: str) -> None:
        """Keep back what a log says from now on."""
        self._held.setdefault(key, deque())

    def release(self, key: str) -> None:
        """Let out what was kept back, and all that comes."""
        for item in self._held.pop(key, ()):
            self._pass_on(item)

    def drop(self, key: str) -> None:
        """Forget what was kept back: the log has another owner."""
        self._held.pop(key, None)

    def say(self, key: str, item: ToInboxes) -> None:
        """Pass something of a log on, now or when it is released."""
        held = self._held.get(key)
        if held is None:
            self._pass_on(item)
            return
        held.append(item)
        if len(held) > HELD_MAX:
            self._drop_oldest(held)

    def insert(
        self, key: str, place: Place, before: Sequence[ToInboxes], message: ToInboxes, after: Sequence[ToInboxes]
    ) -> bool:
        """
        Put something around a message that is held; if it is not, in front of everything, with the message. True if it was held.
        """
        held = self._held.get(key)
        if held is None:
            for item in (*before, message, *after):
                self._pass_on(item)
            return False
        index = next((index for index, one in enumerate(held) if _stands_at(one, place)), None)
        if index is None:
            held.extendleft(reversed((*before, message, *after)))
            return False
        found = list(held)
        held.clear()
        held.extend((*found[:index], *before, found[index], *after, *found[index + 1 :]))
        return True

    @staticmethod
    def _drop_oldest(held: deque[ToInboxes]) -> None:
        oldest = next((one for one in held if isinstance(one, items.Fanout | items.GroupFanout)), None)
        if oldest is not None:
            held.remove(oldest)


def _stands_at(item: ToInboxes, place: Place) -> bool:
    if not isinstance(item, items.Fanout | items.GroupFanout):
        return False
    return (item.conversation_id, item.seq) == place


def of_message(participants: Sequence[str], message: StoredMessage) -> items.Fanout | items.GroupFanout:
    """
    Return what passes a stored message on to those who have part in its log.
    """
    if len(participants) == 1:
        return items.GroupFanout(
            participants[0],
            message.conversation_id,
            message.seq,
            message.sender_id,
            message.client_id,
            message.operation_id,
            message.send_time,
            message.body,
            message.sender_sync,
        )
    return items.Fanout(
        list(dict.fromkeys(participants)),
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.client_id,
        message.operation_id,
        message.send_time,
        message.body,
        message.sender_sync,
    )
