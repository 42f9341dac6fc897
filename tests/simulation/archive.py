"""
Every message that was ever durable, whichever store has it now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.message import StoredMessage

Key = tuple[str, str, str]
"""(conversation, sender, clientMsgID)."""


class Archive:
    """
    The rows of all conversations, each dense from seq 1 on.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[StoredMessage]] = {}
        self._places: dict[Key, StoredMessage] = {}

    def add(self, row: StoredMessage) -> None:
        """Add the next row of its conversation."""
        rows = self._rows.setdefault(row.conversation_id, [])
        assert row.seq == len(rows) + 1
        rows.append(row)
        self._places[key_of(row)] = row

    def place(self, key: Key) -> StoredMessage | None:
        """Return the newest row of a message."""
        return self._places.get(key)

    def row(self, conversation_id: str, seq: int) -> StoredMessage | None:
        """Return a row, if there is one."""
        rows = self._rows.get(conversation_id, [])
        return rows[seq - 1] if 0 < seq <= len(rows) else None

    def rows(self, conversation_id: str, begin: int = 1, end: int | None = None) -> Sequence[StoredMessage]:
        """Return the rows of a range."""
        return self._rows.get(conversation_id, [])[max(begin, 1) - 1 : end]

    def max_seq(self, conversation_id: str) -> int:
        """Return the highest seq that was ever durable."""
        return len(self._rows.get(conversation_id, ()))

    def conversations(self) -> list[str]:
        """Return the conversations and streams that hold messages."""
        return list(self._rows)


def key_of(row: StoredMessage) -> Key:
    """
    Return what a message is known by.
    """
    return (str(row.conversation_id), str(row.sender_id), str(row.client_id))
