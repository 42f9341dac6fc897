"""
The two kinds of numbers, which must never be mixed. They are given by `core/logs/conversation_log.py` and `core/inboxes/inbox.py`.
"""

from __future__ import annotations

from typing import NamedTuple, NewType

ConversationSeq = NewType("ConversationSeq", int)
"""Dense number of a stored message in its conversation: 1, 2, 3 …; 0 means "not stored"."""

InboxSeq = NewType("InboxSeq", int)
"""Counter of deliveries into one user's inbox; never reaches an OpenIM client."""


class InboxPosition(NamedTuple):
    """
    Place in the deliveries of one inbox; compares as (epoch, seq) and never goes backwards.

    The epoch is that of the inbox's partition: a shard that takes the partition raises it durably, so
    that a counter which starts anew can't pass for one that went on.
    """

    epoch: int
    seq: InboxSeq
