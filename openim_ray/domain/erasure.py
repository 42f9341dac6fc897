"""
How far the erasure of an account has come, as stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ErasurePhase(IntEnum):
    """
    What is to be done next.
    """

    TOKENS = 0
    """Her tokens end and her connections are closed. Nothing is erased before: what she goes on writing would stay."""

    MESSAGES = 1
    """What she wrote becomes tombstones."""

    RELATIONS = 2
    """Friendships, black lists, applications and memberships end."""

    FILES = 3
    """What was replaced goes from the stores' own files."""

    DONE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """
    The erasure of one account. Times are Unix milliseconds.

    `conversation_id` is the last one (in order of ids) that was looked at, `seq` where it goes on in there, 0 if that one is done.
    """

    user_id: str
    phase: int = ErasurePhase.TOKENS
    conversation_id: str = ""
    seq: int = 0
    messages: int = 0
    """How many rows were replaced so far, more or less: those that only the history has count, too."""

    created_ms: int = 0
    """When it was begun; from the phase MESSAGES on, when her tokens had ended."""

    finished_ms: int = 0
