"""
Rows of the message log that are old enough to leave it; each function is part of its caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.sequence import ConversationSeq

# Rows stand in order of arrival; of those that an older version stored, the time is not known.
_EXPIRED = """
    SELECT s.conversation_id, MAX(m.seq)
    FROM (SELECT * FROM messages ORDER BY id LIMIT ? OFFSET ?) m JOIN streams s ON s.id = m.stream
    WHERE IIF(m.stored_at = 0, m.send_time, m.stored_at) < ? GROUP BY m.stream
"""


def expired(
    connection: sqlite3.Connection, before_ms: int, limit: int, skip: int
) -> dict[ConversationID, ConversationSeq]:
    """
    Return the streams of the oldest rows that were stored before a time, each with the highest such seq.
    """
    return dict(connection.execute(_EXPIRED, (limit, skip, before_ms)).fetchall())


def raise_floor(connection: sqlite3.Connection, conversation_id: ConversationID, through: int) -> None:
    """
    Note that the rows up to a seq, as far as there are any, may be missing from now on.
    """
    connection.execute(
        "UPDATE streams SET floor = MAX(floor, MIN(max_seq, ?) + 1) WHERE conversation_id = ?",
        (through, conversation_id),
    )


def delete_rows(connection: sqlite3.Connection, conversation_id: ConversationID, limit: int) -> int:
    """
    Delete rows below the floor of a stream, `limit` at most; returns how many.
    """
    return connection.execute(
        "DELETE FROM messages WHERE id IN (SELECT m.id FROM streams s JOIN messages m ON m.stream = s.id AND m.seq < s.floor"
        " WHERE s.conversation_id = ? LIMIT ?)",
        (conversation_id, limit),
    ).rowcount
