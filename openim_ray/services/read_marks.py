"""
Saying what has been read (OpenIM wire, §7.7). Who may mark what, and up to where, the owners of conversation and inbox decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openim_ray.domain import errors
from openim_ray.ports import Broker

SEQS_MAX: Final = 10_000
"""Seqs passed on from one call, the highest ones; a position above them covers the others for the most part."""


class ReadMarks:
    """
    Marks conversations and messages as read, and sets read positions.

    Every method may raise RecordNotFound (no such conversation of this user) and ArgsError (above the newest message).

    Args:
        broker: the actors.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def mark_conversation(
        self, user_id: str, conversation_id: str, has_read_seq: int, seqs: Sequence[int], operation_id: str
    ) -> None:
        """
        Mark everything up to `has_read_seq` as read, and `seqs` besides; tell the peer and the user's other devices.
        """
        _check(conversation_id, has_read_seq)
        await self._broker.mark_read(user_id, conversation_id, has_read_seq, _positive(seqs), operation_id)

    async def mark_messages(self, user_id: str, conversation_id: str, seqs: Sequence[int], operation_id: str) -> None:
        """
        Mark messages as read. The position becomes the highest of them: clients send them in no order (OpenIM wire, §12).
        """
        wanted = _positive(seqs)
        if not wanted:
            raise errors.ArgsError("seqs names no message")
        await self.mark_conversation(user_id, conversation_id, wanted[-1], wanted, operation_id)

    async def set_position(
        self, user_id: str, conversation_id: str, has_read_seq: int, operation_id: str, *, notify: bool
    ) -> None:
        """
        Set the read position to exactly this, higher or lower; perhaps tell the user's other devices.
        """
        _check(conversation_id, has_read_seq)
        await self._broker.set_read_position(user_id, conversation_id, has_read_seq, operation_id, notify)


def _check(conversation_id: str, has_read_seq: int) -> None:
    if not conversation_id:
        raise errors.ArgsError("conversationID is empty")
    if has_read_seq < 0:
        raise errors.ArgsError("hasReadSeq is negative")


def _positive(seqs: Sequence[int]) -> list[int]:
    return sorted({seq for seq in seqs if seq > 0})[-SEQS_MAX:]
