"""
Who may write to whom: what the owner of a conversation decides about a message before it is numbered (OpenIM wire, §4.6).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

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
    if ReceiveOption.REFUSE in (facts.receiver_global_option, facts.receiver_conversation_option):
        return errors.ArgsError("message is not sent: the receiver does not want messages")
    return None


class FactsCache:
    """
    Facts per (sender, receiver), never a whole list.

    Limits: `entries_max` pairs, the least recently used forgotten; each for `seconds` at most. That the receiver does not exist is
    never remembered: she may be registered the next moment.
    """

    def __init__(self, *, entries_max: int, seconds: float) -> None:
        self._entries_max = entries_max
        self._seconds = seconds
        self._entries: OrderedDict[tuple[str, str], tuple[float, SingleChatFacts]] = OrderedDict()

    def get(self, sender_id: str, receiver_id: str, now: float) -> SingleChatFacts | None:
        """Return the facts if they are known and fresh."""
        known = self._entries.get((sender_id, receiver_id))
        return known[1] if known and known[0] > now else None

    def put(self, sender_id: str, receiver_id: str, facts: SingleChatFacts, now: float) -> None:
        """Remember facts."""
        if not facts.receiver_exists:
            return
        self._entries[sender_id, receiver_id] = (now + self._seconds, facts)
        self._entries.move_to_end((sender_id, receiver_id))
        if len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)
