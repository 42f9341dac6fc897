"""
Who may write to whom: what the owner of a conversation decides about a message before it is numbered (OpenIM wire, §4.6).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.conversation import ReceiveOption, home_key, single_chat_id
from openim_ray.domain.group import GroupChatFacts, GroupStatus, Role
from openim_ray.domain.people import SingleChatFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openim_ray.core.shard_loads import LoadFacts

Facts = SingleChatFacts | GroupChatFacts


def refusal_of(facts: Facts, wall_ms: int) -> errors.OpenIMError | None:
    """
    Return why a message is refused, or None.
    """
    return single_chat_refusal(facts) if isinstance(facts, SingleChatFacts) else group_refusal(facts, wall_ms)


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


def group_refusal(facts: GroupChatFacts, wall_ms: int) -> errors.OpenIMError | None:
    """
    Return why a message to a group is refused, or None. `wall_ms` decides whether a mute is over.
    """
    if not facts.exists:
        return errors.GroupIDNotFound("groupID: no such group")
    if facts.status == GroupStatus.DISMISSED:
        return errors.DismissedAlready("the group is dismissed")
    if facts.sender_is_system:
        return None
    if not facts.role_level:
        return errors.NotInGroupYet("the sender is not a member of the group")
    if facts.role_level == Role.OWNER:
        return None
    if facts.mute_end_time > wall_ms:
        return errors.MutedInGroup("the sender is muted in the group")
    if facts.status == GroupStatus.MUTED and facts.role_level != Role.ADMIN:
        return errors.MutedGroup("the group is muted")
    return None


class FactsCache:
    """
    Facts per (sender, receiver), never a whole list.

    Limits: `entries_max` pairs, the least recently used forgotten; each for `seconds` at most. While the directory can't be read they are
    prolonged by as much again and again, up to `stale_seconds` after they were read: then nobody can block anybody either. That the
    receiver does not exist, or that the sender is no member, is never remembered: the next moment it may be otherwise.
    """

    def __init__(self, *, entries_max: int, seconds: float, stale_seconds: float) -> None:
        self._entries_max = entries_max
        self._seconds = seconds
        self._stale_seconds = stale_seconds
        self._entries: OrderedDict[LoadFacts, _Known] = OrderedDict()
        self._by_log: dict[str, set[LoadFacts]] = {}
        self._by_receiver: dict[str, set[LoadFacts]] = {}

    def get(self, pair: LoadFacts, now: float) -> Facts | None:
        """Return the facts if they are known and fresh."""
        known = self._entries.get(pair)
        return known.facts if known and known.fresh_until > now else None

    def put(self, pair: LoadFacts, facts: Facts, now: float) -> None:
        """Remember facts that were just read."""
        if _may_change_at_once(facts):
            self._forget(pair)
            return
        self._entries[pair] = _Known(facts, now, now + self._seconds)
        for index, key in self._indexes(pair):
            index.setdefault(key, set()).add(pair)
        self._entries.move_to_end(pair)
        if len(self._entries) > self._entries_max:
            self._forget(next(iter(self._entries)))

    def forget_log(self, key: str) -> None:
        """Forget what is known about a log (its home key)."""
        for pair in list(self._by_log.get(key, ())):
            self._forget(pair)

    def forget_receiver(self, user_id: str) -> None:
        """Forget what is known about messages to a user."""
        for pair in list(self._by_receiver.get(user_id, ())):
            self._forget(pair)

    def prolong(self, pair: LoadFacts, now: float) -> bool:
        """Let old facts hold on, since they could not be read anew; False if there are none, or too old ones."""
        known = self._entries.get(pair)
        if known is None or now - known.read_at > self._stale_seconds:
            return False
        self._entries[pair] = known._replace(fresh_until=now + self._seconds, is_prolonged=True)
        return True

    def prolonged(self, pair: LoadFacts, now: float) -> Facts | None:
        """Return facts that are to be read anew, but could not be the last time: nobody has to wait for them."""
        known = self._entries.get(pair)
        if known is None or not known.is_prolonged or now - known.read_at > self._stale_seconds:
            return None
        return known.facts

    def _forget(self, pair: LoadFacts) -> None:
        if self._entries.pop(pair, None) is None:
            return
        for index, key in self._indexes(pair):
            index[key].discard(pair)
            if not index[key]:
                del index[key]

    def _indexes(self, pair: LoadFacts) -> Iterator[tuple[dict[str, set[LoadFacts]], str]]:
        yield self._by_log, log_of(pair)
        receiver_id = receiver_of(pair)
        if receiver_id is not None:
            yield self._by_receiver, receiver_id


def log_of(pair: LoadFacts) -> str:
    """
    Return the home key of the log that a sender and a receiver write to.
    """
    return pair.receiver_id if pair.is_group else home_key(single_chat_id(pair.sender_id, pair.receiver_id))


def receiver_of(pair: LoadFacts) -> str | None:
    """
    Return the user that a sender writes to; None if it is a group.
    """
    return None if pair.is_group else pair.receiver_id


def _may_change_at_once(facts: Facts) -> bool:
    return not (facts.receiver_exists if isinstance(facts, SingleChatFacts) else facts.exists and facts.role_level)


class _Known(NamedTuple):
    facts: Facts
    read_at: float
    fresh_until: float
    is_prolonged: bool = False
