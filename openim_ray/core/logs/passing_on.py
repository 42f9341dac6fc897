"""
What logs pass on to inboxes, in order; held back while a cut of the same log is on its way to the directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core import items
from openim_ray.core.sizes import size_of
from openim_ray.domain.conversation import is_notification_chat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.domain.message import StoredMessage

ToInboxes = items.Fanout | items.GroupFanout | items.Membership | items.RowsChanged

HELD_MAX = 2_000
"""
So much is held of one log; beyond it the oldest message is dropped. Inboxes notice the gap at the next one, and look at the stores.
"""

HELD_BYTES_MAX = 8 << 20
"""
So many bytes are held of one log, with the same consequence: messages may be large.
"""


class Place(NamedTuple):
    """
    Where a message stands.
    """

    conversation_id: str
    seq: int


class _Mark:
    """
    Keeps a place among what is held, for something that is said later.
    """


class _Held:
    """
    What is held of one log, with its size.

    Limits: `HELD_MAX` items with `HELD_BYTES_MAX` bytes, beyond which messages are dropped, and nothing else.
    """

    def __init__(self) -> None:
        self.items: list[ToInboxes | _Mark] = []
        self._bytes = 0

    def append(self, item: ToInboxes) -> None:
        """Add something at the end; the oldest messages make room for it."""
        self.put(len(self.items), [item])
        while (len(self.items) > HELD_MAX or self._bytes > HELD_BYTES_MAX) and self._drop_oldest():
            pass

    def put(self, index: int, said: Sequence[ToInboxes]) -> None:
        """Add something at a place, whether there is room or not: what comes with a change must not be lost."""
        self.items[index:index] = said
        self._bytes += sum(map(size_of, said))

    def find(self, is_it: Callable[[ToInboxes | _Mark], bool]) -> int | None:
        """Return where the first of a kind stands; None if there is none."""
        return next((index for index, one in enumerate(self.items) if is_it(one)), None)

    def _drop_oldest(self) -> bool:
        for index, one in enumerate(self.items):
            if isinstance(one, items.Fanout | items.GroupFanout):
                del self.items[index]
                self._bytes -= size_of(one)
                return True
        return False


class PassingOn:
    """
    The way from the logs of a shard to inboxes, whoever owns those.

    Promise: what one log says comes out in the order in which it was said, except what `insert` puts around a message that is held, and
    what `say_at_mark` puts where the log was marked.
    """

    def __init__(self, pass_on: Callable[[ToInboxes], None]) -> None:
        self._pass_on = pass_on
        self._held: dict[str, _Held] = {}

    def holds(self, key: str) -> bool:
        """Tell whether something of a log (its home key) would have to wait."""
        return key in self._held

    def has(self, key: str, place: Place) -> bool:
        """Tell whether a message is held."""
        held = self._held.get(key)
        return held is not None and held.find(lambda one: _stands_at(one, place)) is not None

    def hold(self, key: str) -> None:
        """Keep back what a log says from now on."""
        self._held.setdefault(key, _Held())

    def mark(self, key: str, *, in_front: bool = False) -> None:
        """Keep back what a log says from now on, and remember this place, or the one in front, instead of one that was marked before."""
        self.hold(key)
        held = self._held[key].items
        held[:] = [one for one in held if not isinstance(one, _Mark)]
        held.insert(0 if in_front else len(held), _Mark())

    def release(self, key: str) -> None:
        """Let out what was kept back, and all that comes."""
        held = self._held.pop(key, None)
        for item in held.items if held is not None else ():
            if not isinstance(item, _Mark):
                self._pass_on(item)

    def drop(self, key: str) -> None:
        """Forget what was kept back: the log has another owner."""
        self._held.pop(key, None)

    def say(self, key: str, item: ToInboxes) -> None:
        """Pass something of a log on, now or when it is released."""
        held = self._held.get(key)
        if held is None:
            self._pass_on(item)
        else:
            held.append(item)

    def say_at_mark(self, key: str, said: Sequence[ToInboxes]) -> None:
        """Pass something on before what a log has said since it was marked; like `say` if it was not."""
        held = self._held.get(key)
        index = held.find(lambda one: isinstance(one, _Mark)) if held is not None else None
        if held is None or index is None:
            for item in said:
                self.say(key, item)
            return
        del held.items[index]
        held.put(index, said)

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
        index = held.find(lambda one: _stands_at(one, place))
        if index is None:
            held.put(0, (*before, message, *after))
            return False
        held.put(index + 1, after)
        held.put(index, before)
        return True


def _stands_at(item: ToInboxes | _Mark, place: Place) -> bool:
    if not isinstance(item, items.Fanout | items.GroupFanout):
        return False
    return (item.conversation_id, item.seq) == place


def of_message(participants: Sequence[str], message: StoredMessage) -> items.Fanout | items.GroupFanout:
    """
    Return what passes a stored message on to those who have part in its log.
    """
    said = (
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.client_id,
        message.operation_id,
        message.send_time,
        message.body,
        message.sender_sync,
    )
    if len(participants) == 1:
        return items.GroupFanout(participants[0], *said)
    if is_notification_chat(message.conversation_id):
        return items.Fanout([one for one in participants if one != message.sender_id], *said)
    return items.Fanout(list(dict.fromkeys(participants)), *said)
