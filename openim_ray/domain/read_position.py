"""
How far a user has read, and what therefore counts as unread.
"""

from __future__ import annotations

from typing import NamedTuple


def unread_count(max_seq: int, read_seq: int) -> int:
    """
    Return how many messages of a conversation are unread, given its newest seq and the user's effective read position.
    """
    return max(max_seq - read_seq, 0)


class ReadPosition(NamedTuple):
    """
    How far a user has read a conversation, as she said; her own sends count besides.

    `has_read_seq` is what was set; own messages up to `sent_seen` don't raise it (it may have been lowered on purpose).
    `min_seq` is the first seq she may see (0 = from the beginning).
    """

    has_read_seq: int = 0
    sent_seen: int = 0
    min_seq: int = 0

    def effective(self, sent_seq: int) -> int:
        """
        Return the read position, given the seq of the user's own newest message.

        A user has read what she wrote (OpenIM wire, §4.6 step 8): own messages never count as unread.
        """
        read_seq = self.has_read_seq
        return sent_seq if sent_seq > self.sent_seen and sent_seq > read_seq else read_seq
