"""
Identifiers, as types of their own so that one cannot be passed for another.
"""

from __future__ import annotations

import re
from typing import NewType
from zlib import crc32

UserID = NewType("UserID", str)
GroupID = NewType("GroupID", str)
ConversationID = NewType("ConversationID", str)
ClientMessageID = NewType("ClientMessageID", str)
ServerMessageID = NewType("ServerMessageID", str)

USER_ID_BYTES_MAX = 255
CLIENT_MESSAGE_ID_BYTES_MAX = 255
GROUP_ID_BYTES_MAX = 64

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")

PARTITIONS = 1024
"""Logs and inboxes are placed by partition; the number is part of the stored data and never changes."""


def partition_of(key: str) -> int:
    """
    Return the partition (0..1023) of an inbox (user id) or of a log (its home key).
    """
    return crc32(key.encode()) % PARTITIONS


def user_id_fault(user_id: str) -> str | None:
    """
    Say what is wrong with a user id, or None.

    A colon is refused as the official server does (OpenIM wire, §4.1), control characters because
    ids travel in URLs and logs.
    """
    if not user_id:
        return "userID is empty"
    if ":" in user_id:
        return "userID contains ':'"
    if len(user_id.encode()) > USER_ID_BYTES_MAX:
        return f"userID is longer than {USER_ID_BYTES_MAX} bytes"
    if _CONTROL_CHARACTER.search(user_id):
        return "userID contains a control character"
    return None


def group_id_fault(group_id: str) -> str | None:
    """
    Say what is wrong with a group id, or None.

    An underscore is refused elsewhere, and not to administrators: `a_b` names the log of the single chat of `a` and `b`, too.
    """
    if not group_id:
        return "groupID is empty"
    if ":" in group_id:
        return "groupID contains ':'"
    if len(group_id.encode()) > GROUP_ID_BYTES_MAX:
        return f"groupID is longer than {GROUP_ID_BYTES_MAX} bytes"
    if _CONTROL_CHARACTER.search(group_id):
        return "groupID contains a control character"
    return None
