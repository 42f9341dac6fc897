"""
Rows of the message log that concern an erased account; each function is part of its caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.ports import Erased
from openim_ray.storage.envelope import seal
from openim_ray.storage.sqlite.connection import INTEGER_MAX
from openim_ray.storage.tombstones import replacements

if TYPE_CHECKING:
    import sqlite3

    from openim_ray.domain.ids import ConversationID

# Hers, and those of others whose content type takes two bytes (`storage.envelope`): notifications, whose other columns needn't be read.
# The plus keeps SQLite from going by the index of senders: it would read all that she wrote for every part of the conversation.
_ROWS = """
    SELECT m.seq, m.sender_id, m.client_id, m.server_id, m.send_time, m.rev, m.envelope
    FROM streams s JOIN messages m ON m.stream = s.id
    WHERE s.conversation_id = ? AND m.seq BETWEEN ? AND ? AND (+m.sender_id = ? OR substr(m.envelope, 6, 2) = x'94cd')
    ORDER BY m.seq LIMIT ?
"""
_REPLACE = """
    UPDATE messages SET rev = ?, envelope = ?
    WHERE seq = ? AND stream = (SELECT id FROM streams WHERE conversation_id = ?)
"""


def erase(
    connection: sqlite3.Connection, conversation_id: ConversationID, user_id: str, first: int, last: int, limit: int
) -> tuple[Erased, int | None]:
    """
    Replace rows that concern a user among first..last; also returns from which seq on it was not looked for more than `limit` of them.
    """
    window = (conversation_id, max(first, 0), min(last, INTEGER_MAX), user_id, limit)
    there = connection.execute(_ROWS, window).fetchall()
    found = [replacement for _, replacement in replacements(conversation_id, there, user_id)]
    changes = [(row.rev, seal(row), row.seq, conversation_id) for row, is_new in found if is_new]
    connection.executemany(_REPLACE, changes)
    rest = there[-1][0] + 1 if len(there) == limit else None
    return Erased(tuple(row for row, _ in found), len(changes)), rest
