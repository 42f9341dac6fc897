"""
Rows of the message log whose sender is erased; each function is part of its caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.ports import Erased
from openim_ray.storage.envelope import seal
from openim_ray.storage.sqlite.connection import INTEGER_MAX
from openim_ray.storage.tombstones import erased_columns

if TYPE_CHECKING:
    import sqlite3

    from openim_ray.domain.ids import ConversationID

_ROWS = """
    SELECT m.id, m.seq, m.sender_id, m.client_id, m.server_id, m.send_time, m.rev, m.envelope
    FROM streams s JOIN messages m ON m.stream = s.id
    WHERE s.conversation_id = ? AND m.seq BETWEEN ? AND ? AND m.sender_id = ? ORDER BY m.seq LIMIT ?
"""


def erase(
    connection: sqlite3.Connection, conversation_id: ConversationID, sender_id: str, first: int, last: int, limit: int
) -> Erased:
    """
    Replace rows of a sender among first..last, the `limit` lowest ones.
    """
    window = (conversation_id, max(first, 0), min(last, INTEGER_MAX), sender_id, limit)
    rows, changes = [], []
    for row_id, *columns in connection.execute(_ROWS, window).fetchall():
        row, is_new = erased_columns(conversation_id, tuple(columns))
        rows.append(row)
        if is_new:
            changes.append((row.rev, seal(row), row_id))
    connection.executemany("UPDATE messages SET rev = ?, envelope = ? WHERE id = ?", changes)
    return Erased(tuple(rows), len(changes))
