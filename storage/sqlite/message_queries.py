"""
Queries of the message log; each takes a connection and blocks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from openim_ray.domain.message import LogState, MessageRef, StreamHead
from openim_ray.domain.sequence import ConversationSeq, SeqRange
from openim_ray.storage.sqlite.connection import INTEGER_MAX, json_list, snapshot

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.envelope import Columns

_MESSAGES = """
    SELECT m.seq, m.sender_id, m.client_id, m.server_id, m.send_time, m.rev, m.envelope
    FROM streams s JOIN messages m ON m.stream = s.id
    WHERE s.conversation_id = ?
"""
_RANGE = _MESSAGES + " AND m.seq BETWEEN ? AND ? ORDER BY m.seq DESC LIMIT ?"
_SEQS = _MESSAGES + " AND m.seq IN (SELECT value FROM json_each(?)) ORDER BY m.seq"  # noqa: S608 - constants


def load_log(
    connection: sqlite3.Connection, home_key: str, tail: int
) -> tuple[LogState, dict[ConversationID, list[Columns]]] | None:
    """
    Return a log's state without its tail, and the tail's rows, not decoded yet.
    """
    with snapshot(connection):
        log = connection.execute("SELECT id, participants FROM logs WHERE home_key = ?", (home_key,)).fetchone()
        if log is None:
            return None
        log_id, participants = log
        streams = connection.execute(
            "SELECT conversation_id FROM streams WHERE log = ? ORDER BY conversation_id", (log_id,)
        ).fetchall()
        heads = _heads(connection, [conversation_id for (conversation_id,) in streams])
        rows = {key: read_range(connection, key, 1, head.max_seq, tail) for key, head in heads.items()}
        state = LogState(tuple(json.loads(participants)), heads, _marks(connection, log_id), ())
    return state, rows


def heads(
    connection: sqlite3.Connection, conversation_ids: Sequence[ConversationID]
) -> dict[ConversationID, StreamHead]:
    """
    Return the heads of those streams that hold messages.
    """
    with snapshot(connection):
        return _heads(connection, conversation_ids)


def origin(connection: sqlite3.Connection) -> ConversationSeq:
    """
    Return behind which seq new streams begin.
    """
    (seq,) = connection.execute("SELECT MAX(seq) FROM origin").fetchone()
    return ConversationSeq(seq)


def page_heads(connection: sqlite3.Connection, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
    """
    Return ids and max seqs of the streams behind an id, in order of ids.
    """
    found = connection.execute(
        "SELECT conversation_id, max_seq FROM streams WHERE conversation_id > ? AND max_seq > 0"
        " ORDER BY conversation_id LIMIT ?",
        (after, limit),
    )
    return found.fetchall()


def read_range(
    connection: sqlite3.Connection, conversation_id: ConversationID, begin: int, end: int, newest: int
) -> list[Columns]:
    """
    Return at most the `newest` highest rows of begin..end, ascending.
    """
    rows = connection.execute(
        _RANGE, (conversation_id, max(begin, 0), min(end, INTEGER_MAX), max(0, newest))
    ).fetchall()
    rows.reverse()
    return rows


def read_seqs(connection: sqlite3.Connection, conversation_id: ConversationID, seqs: Sequence[int]) -> list[Columns]:
    """
    Return the rows among `seqs`, ascending.
    """
    return connection.execute(_SEQS, (conversation_id, json_list(seqs))).fetchall()


def find(
    connection: sqlite3.Connection, conversation_id: ConversationID, sender_id: str, client_id: str
) -> MessageRef | None:
    """
    Return the place of a message by its de-duplication key.
    """
    found = connection.execute(
        "SELECT m.seq, m.server_id, m.send_time FROM streams s JOIN messages m ON m.stream = s.id"
        " WHERE s.conversation_id = ? AND m.sender_id = ? AND m.client_id = ?",
        (conversation_id, sender_id, client_id),
    ).fetchone()
    return None if found is None else MessageRef(*found)


def read_marks(connection: sqlite3.Connection, home_key: str) -> dict[str, int]:
    """
    Return each reader's mark of a log.
    """
    return dict(
        connection.execute(
            "SELECT reader_id, seq FROM marks WHERE log = (SELECT id FROM logs WHERE home_key = ?)", (home_key,)
        ).fetchall()
    )


def _marks(connection: sqlite3.Connection, log_id: int) -> dict[str, int]:
    return dict(connection.execute("SELECT reader_id, seq FROM marks WHERE log = ?", (log_id,)).fetchall())


def _heads(
    connection: sqlite3.Connection, conversation_ids: Sequence[ConversationID]
) -> dict[ConversationID, StreamHead]:
    wanted = json_list(conversation_ids)
    streams = connection.execute(
        "SELECT s.id, s.conversation_id, s.max_seq, s.max_time, s.floor, s.skipped, l.participants FROM streams s JOIN logs l ON l.id = s.log"
        " WHERE s.conversation_id IN (SELECT value FROM json_each(?)) AND s.max_seq > 0",
        (wanted,),
    ).fetchall()
    sent: dict[int, dict[str, int]] = {stream_id: {} for stream_id, *_ in streams}
    for stream_id, sender_id, seq in connection.execute(
        "SELECT stream, sender_id, seq FROM sent WHERE stream IN (SELECT value FROM json_each(?))",
        (json_list(sent),),
    ):
        sent[stream_id][sender_id] = seq
    return {
        conversation_id: StreamHead(
            conversation_id,
            max_seq,
            max_time,
            sent[stream_id],
            tuple(json.loads(participants)),
            floor,
            _ranges(skipped),
        )
        for stream_id, conversation_id, max_seq, max_time, floor, skipped, participants in streams
    }


def _ranges(text: str) -> tuple[SeqRange, ...]:
    return tuple(SeqRange(*one) for one in json.loads(text)) if text != "[]" else ()
