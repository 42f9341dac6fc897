"""
The two kinds of numbers, which must never be mixed. They are given by `core/logs/conversation_log.py` and `core/inboxes/inbox.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NewType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ConversationSeq = NewType("ConversationSeq", int)
"""Dense number of a stored message in its conversation: 1, 2, 3 …; 0 means "not stored"."""

InboxSeq = NewType("InboxSeq", int)
"""Counter of deliveries into one user's inbox; never reaches an OpenIM client."""


class SeqRange(NamedTuple):
    """
    The seqs first..last of a conversation.
    """

    first: int
    last: int


def is_skipped(seq: int, skipped: Iterable[SeqRange]) -> bool:
    """
    Tell whether a seq is among ranges of seqs that were never given to a message.
    """
    return any(first <= seq <= last for first, last in skipped)


def skipped_above(seq: int, skipped: Iterable[SeqRange]) -> int:
    """
    Return how many of the seqs above one were never given to a message.
    """
    return sum(max(0, last - max(first - 1, seq)) for first, last in skipped)


def given(first: int, last: int, skipped: Iterable[SeqRange]) -> Iterator[SeqRange]:
    """
    Yield the seqs first..last without those that were never given to a message (ascending ranges).
    """
    for one in skipped:
        if first <= min(last, one.first - 1):
            yield SeqRange(first, min(last, one.first - 1))
        first = max(first, one.last + 1)
    if first <= last:
        yield SeqRange(first, last)


class InboxPosition(NamedTuple):
    """
    Place in the deliveries of one inbox; compares as (epoch, seq) and never goes backwards.

    The epoch is that of the inbox's partition: a shard that takes the partition raises it durably, so
    that a counter which starts anew can't pass for one that went on.
    """

    epoch: int
    seq: InboxSeq
