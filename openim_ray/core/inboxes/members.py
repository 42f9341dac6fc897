"""
Which active inboxes of a shard belong to members of a group, and what groups said while inboxes were being read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.core.items import GroupFanout

SAID_MAX = 10_000
"""So many conversations are remembered of which something was said while inboxes were being read; beyond it those are read again."""


class Members:
    """
    Group -> users whose inboxes are active here.
    """

    def __init__(self) -> None:
        self._users: dict[str, dict[str, None]] = {}

    def of(self, group_id: str) -> Sequence[str]:
        """Return the members whose inboxes are active here."""
        return list(self._users.get(group_id, ()))

    def put(self, group_id: str, user_id: str) -> None:
        """Note that a user is a member."""
        self._users.setdefault(group_id, {})[user_id] = None

    def remove(self, group_id: str, user_id: str) -> None:
        """Note that a user is a member no longer, or her inbox not active."""
        users = self._users.get(group_id)
        if users is None:
            return
        users.pop(user_id, None)
        if not users:
            del self._users[group_id]

    def change(self, user_id: str, before: Iterable[str], now: Iterable[str]) -> None:
        """Note of which groups a user is a member."""
        for group_id in before:
            self.remove(group_id, user_id)
        for group_id in now:
            self.put(group_id, user_id)


class Said(NamedTuple):
    """
    Where a group's conversation, or its notification stream, stands: what a load that began before may not have seen.
    """

    seq: int
    time: int
    sent: dict[str, int]


class SaidMeanwhile:
    """
    What groups said while some inboxes were being read: whose they are, is not known yet.

    Limit: `SAID_MAX` conversations.
    """

    def __init__(self) -> None:
        self._said: dict[str, Said] = {}

    def note(self, fanout: GroupFanout) -> bool:
        """Note a stored message; False if there are too many, then everything is forgotten."""
        before = self._said.get(fanout.conversation_id)
        sent = before.sent if before is not None else {}
        sent[fanout.sender_id] = max(fanout.seq, sent.get(fanout.sender_id, 0))
        if before is None or fanout.seq > before.seq:
            self._said[fanout.conversation_id] = Said(fanout.seq, fanout.send_time, sent)
        if len(self._said) <= SAID_MAX:
            return True
        self._said.clear()
        return False

    def clear(self) -> None:
        """Forget everything: nothing is being read any more."""
        self._said.clear()

    def of(self, conversation_id: str) -> Said | None:
        """Return where a conversation stands, if anything of it was said."""
        return self._said.get(conversation_id)
