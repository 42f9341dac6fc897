"""
Who may write to whom: what the owner of a conversation decides about a message before it is numbered (OpenIM wire, §4.6).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.conversation import ReceiveOption

if TYPE_CHECKING:
    from openim_ray.domain.people import SingleChatFacts


def single_chat_refusal(facts: SingleChatFacts) -> errors.OpenIMError | None:
    """
    Return why a single-chat message is refused, or None.
    """
    if not facts.receiver_exists:
        return errors.RecordNotFound("recvID: no such user")
    if facts.sender_is_system:
        return None
    if facts.blocked_by_receiver:
        return errors.BlockedByPeer("the receiver has blocked the sender")
    if facts.friends_only and not facts.are_friends:
        return errors.NotPeersFriend("the receiver takes messages of friends only")
    if ReceiveOption.REFUSE in (facts.receiver_global_option, facts.receiver_conversation_option):
        return errors.ArgsError("message is not sent: the receiver does not want messages")
    return None


class FactsCache:
    """
    Facts per (sender, receiver), never a whole list.

    Limits: `entries_max` pairs, the least recently used forgotten; each for `seconds` at most. While the directory can't be read they are
    prolonged by as much again and again, up to `stale_seconds` after they were read: then nobody can block anybody either. That the
    receiver does not exist is never remembered: she may be registered the next moment.
    """

    def __init__(self, *, entries_max: int, seconds: float, stale_seconds: float) -> None:
        self._entries_max = entries_max
        self._seconds = seconds
        self._stale_seconds = stale_seconds
        self._entries: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    def get(self, sender_id: str, receiver_id: str, now: float) -> SingleChatFacts | None:
        """Return the facts if they are known and fresh."""
        known = self._entries.get((sender_id, receiver_id))
        return known.facts if known and known.fresh_until > now else None

    def put(self, sender_id: str, receiver_id: str, facts: SingleChatFacts, now: float) -> None:
        """Remember facts that were just read."""
        if not facts.receiver_exists:
            self._entries.pop((sender_id, receiver_id), None)
            return
        self._entries[sender_id, receiver_id] = _Known(facts, now, now + self._seconds)
        self._entries.move_to_end((sender_id, receiver_id))
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def prolong(self, sender_id: str, receiver_id: str, now: float) -> bool:
        """Let old facts hold on, since they could not be read anew; False if there are none, or too old ones."""
        known = self._entries.get((sender_id, receiver_id))
        if known is None or now - known.read_at > self._stale_seconds:
            return False
        self._entries[sender_id, receiver_id] = known._replace(fresh_until=now + self._seconds, is_prolonged=True)
        return True

    def prolonged(self, sender_id: str, receiver_id: str, now: float) -> SingleChatFacts | None:
        """Return facts that are to be read anew, but could not be the last time: nobody has to wait for them."""
        known = self._entries.get((sender_id, receiver_id))
        if known is None or not known.is_prolonged or now - known.read_at > self._stale_seconds:
            return None
        return known.facts


class _Known(NamedTuple):
    facts: SingleChatFacts
    read_at: float
    fresh_until: float
    is_prolonged: bool = False
