"""
Faults for `check` to find, put below the ports into whichever backend there is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Protocol

import psycopg
from pymongo import MongoClient

from openim_ray.domain.message import DamagedRow, StoredMessage
from openim_ray.storage.envelope import seal
from openim_ray.storage.memory import MemoryTables
from openim_ray.storage.mongo.documents import encode_row
from openim_ray.storage.open import _memory
from openim_ray.storage.places import IN_MEMORY, Places, is_mongodb


class Planting(Protocol):
    """
    Changes what is stored, as no server would.
    """

    def put(self, row: StoredMessage) -> None:
        """Put a row into the message store, in place of the one at its seq if there is one; keys need not be unique."""

    def remove(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """Take rows out of the message store."""

    def spoil(self, conversation_id: str, seq: int) -> None:
        """Change what a row of the message store consists of."""

    def set_head(self, conversation_id: str, **fields: int) -> None:
        """Set `max_seq`, `max_time` or `floor` of a stream."""

    def set_sent(self, conversation_id: str, sender: str, seq: int) -> None:
        """Set the newest seq of a sender."""

    def set_mark(self, key: str, reader: str, seq: int) -> None:
        """Set a reader's mark of a log."""

    def remove_conversation(self, owner: str, conversation_id: str) -> None:
        """Take away a user's row of a conversation."""


class HistoryPlanting(Protocol):
    """
    The same of a history.
    """

    def put_copy(self, row: StoredMessage) -> None:
        """Put a row into the history, in place of the one at its seq if there is one."""

    def remove_copies(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """Take rows out of the history."""

    def spoil_copy(self, conversation_id: str, seq: int) -> None:
        """Change what a row of the history consists of."""

    def set_confirmed(self, conversation_id: str, seq: int) -> None:
        """Say up to where the history is complete."""


def flipped(envelope: bytes) -> bytes:
    """Return an envelope of which one bit is another."""
    return envelope[:-1] + bytes([envelope[-1] ^ 1])


class Memory:
    """
    In memory; a stream has no holes there.
    """

    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    def put(self, row: StoredMessage) -> None:
        """See `Planting`."""
        stream = self._tables.messages._stream(row.conversation_id)
        stream.rows[row.seq - stream.floor] = row

    def spoil(self, conversation_id: Any, seq: Any) -> None:
        """See `Planting`."""
        stream = self._tables.messages._stream(conversation_id)
        stream.rows[seq - stream.floor] = DamagedRow(seq)  # type: ignore[call-overload]

    def remove(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """See `Planting`."""
        raise NotImplementedError

    def set_head(self, conversation_id: Any, **fields: int) -> None:
        """See `Planting`; `max_seq` follows from the rows."""
        for name, value in fields.items():
            setattr(self._tables.messages._stream(conversation_id), name, value)

    def set_sent(self, conversation_id: Any, sender: str, seq: int) -> None:
        """See `Planting`."""
        self._tables.messages._stream(conversation_id).sent[sender] = seq

    def set_mark(self, key: str, reader: str, seq: int) -> None:
        """See `Planting`."""
        self._tables.messages._logs[key].read[reader] = seq

    def remove_conversation(self, owner: str, conversation_id: Any) -> None:
        """See `Planting`."""
        del self._tables.directory._rows.conversations[owner][conversation_id]

    def put_copy(self, row: StoredMessage) -> None:
        """See `HistoryPlanting`."""
        self._tables.history._rows[row.conversation_id][row.seq] = row

    def remove_copies(self, conversation_id: Any, seqs: Sequence[int]) -> None:
        """See `HistoryPlanting`."""
        for seq in seqs:
            del self._tables.history._rows[conversation_id][seq]

    def spoil_copy(self, conversation_id: Any, seq: Any) -> None:
        """See `HistoryPlanting`."""
        self._tables.history._rows[conversation_id][seq] = DamagedRow(seq)  # type: ignore[assignment]

    def set_confirmed(self, conversation_id: Any, seq: Any) -> None:
        """See `HistoryPlanting`."""
        self._tables.history._confirmed[conversation_id] = seq


class Sqlite:
    """
    In files.
    """

    def __init__(self, places: Places) -> None:
        self._folder = places.data_dir

    def run(self, database: str, statement: str, *parameters: object) -> None:
        """Change something; it must be there."""
        with closing(sqlite3.connect(self._folder / f"{database}.db", isolation_level=None)) as connection:
            assert connection.execute(statement, parameters).rowcount != 0, statement

    def put(self, row: StoredMessage) -> None:
        """See `Planting`."""
        self.run("messages", "DROP INDEX IF EXISTS messages_client")
        columns = (row.sender_id, row.client_id, row.server_id, row.send_time, row.rev, seal(row))
        self.run(
            "messages",
            "INSERT OR REPLACE INTO messages (stream, seq, sender_id, client_id, server_id, send_time, rev, envelope, stored_at)"
            " VALUES ((SELECT id FROM streams WHERE conversation_id = ?), ?, ?, ?, ?, ?, ?, ?, 0)",
            *(row.conversation_id, row.seq, *columns),
        )

    def remove(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """See `Planting`."""
        for seq in seqs:
            self.run("messages", f"DELETE FROM messages WHERE {_ONE_ROW}", conversation_id, seq)

    def spoil(self, conversation_id: str, seq: int) -> None:
        """See `Planting`."""
        statement = f"UPDATE messages SET envelope = substr(envelope, 1, length(envelope) - 1) WHERE {_ONE_ROW}"
        self.run("messages", statement, conversation_id, seq)

    def set_head(self, conversation_id: str, **fields: int) -> None:
        """See `Planting`."""
        for name, value in fields.items():
            self.run("messages", f"UPDATE streams SET {name} = ? WHERE conversation_id = ?", value, conversation_id)

    def set_sent(self, conversation_id: str, sender: str, seq: int) -> None:
        """See `Planting`."""
        of_sender = "stream = (SELECT id FROM streams WHERE conversation_id = ?) AND sender_id = ?"
        self.run("messages", f"UPDATE sent SET seq = ? WHERE {of_sender}", seq, conversation_id, sender)

    def set_mark(self, key: str, reader: str, seq: int) -> None:
        """See `Planting`."""
        of_reader = "log = (SELECT id FROM logs WHERE home_key = ?) AND reader_id = ?"
        self.run("messages", f"UPDATE marks SET seq = ? WHERE {of_reader}", seq, key, reader)

    def remove_conversation(self, owner: str, conversation_id: str) -> None:
        """See `Planting`."""
        statement = "DELETE FROM conversations WHERE owner_user_id = ? AND conversation_id = ?"
        self.run("directory", statement, owner, conversation_id)


_ONE_ROW = "stream = (SELECT id FROM streams WHERE conversation_id = ?) AND seq = ?"


_UNIQUE = "conversation_1_sender_1_client_1"


class Servers:
    """
    In MongoDB and PostgreSQL.
    """

    def __init__(self, places: Places) -> None:
        self._places = places

    def put(self, row: StoredMessage) -> None:
        """See `Planting`."""
        with self._mongo() as client:
            messages = client.get_default_database()["messages"]
            if _UNIQUE in messages.index_information():
                messages.drop_index(_UNIQUE)
            messages.delete_one({"conversation": row.conversation_id, "seq": row.seq})
            messages.insert_one(encode_row(row, {}))

    def remove(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """See `Planting`."""
        with self._mongo() as client:
            rows = {"conversation": conversation_id, "seq": {"$in": list(seqs)}}
            assert client.get_default_database()["messages"].delete_many(rows).deleted_count == len(seqs)

    def spoil(self, conversation_id: str, seq: int) -> None:
        """See `Planting`."""
        with self._mongo() as client:
            messages = client.get_default_database()["messages"]
            row = messages.find_one({"conversation": conversation_id, "seq": seq})
            assert row is not None
            messages.update_one({"_id": row["_id"]}, {"$set": {"envelope": flipped(row["envelope"])}})

    def set_head(self, conversation_id: str, **fields: int) -> None:
        """See `Planting`."""
        self._update("streams", {"_id": conversation_id}, fields)

    def set_sent(self, conversation_id: str, sender: str, seq: int) -> None:
        """See `Planting`."""
        self._update("sent", {"conversation": conversation_id, "sender": sender}, {"seq": seq})

    def set_mark(self, key: str, reader: str, seq: int) -> None:
        """See `Planting`."""
        self._update("marks", {"home_key": key, "reader": reader}, {"seq": seq})

    def remove_conversation(self, owner: str, conversation_id: str) -> None:
        """See `Planting`."""
        self._run("DELETE FROM conversations WHERE owner_user_id = %s AND conversation_id = %s", owner, conversation_id)

    def put_copy(self, row: StoredMessage) -> None:
        """See `HistoryPlanting`."""
        columns = (row.sender_id, row.client_id.encode(), row.server_id, row.send_time, row.rev, seal(row))
        self._run(
            "INSERT INTO history_messages (conversation_id, seq, sender_id, client_id, server_id, send_time, rev, envelope)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (conversation_id, seq) DO UPDATE SET"
            " sender_id = excluded.sender_id, client_id = excluded.client_id, server_id = excluded.server_id,"
            " send_time = excluded.send_time, rev = excluded.rev, envelope = excluded.envelope",
            *(row.conversation_id, row.seq, *columns),
        )

    def remove_copies(self, conversation_id: str, seqs: Sequence[int]) -> None:
        """See `HistoryPlanting`."""
        of_rows = "conversation_id = %s AND seq = ANY (%s)"
        self._run(f"DELETE FROM history_messages WHERE {of_rows}", conversation_id, list(seqs))

    def spoil_copy(self, conversation_id: str, seq: int) -> None:
        """See `HistoryPlanting`."""
        spoilt = "set_byte(envelope, 0, get_byte(envelope, 0) # 1)"
        of_row = "conversation_id = %s AND seq = %s"
        self._run(f"UPDATE history_messages SET envelope = {spoilt} WHERE {of_row}", conversation_id, seq)

    def set_confirmed(self, conversation_id: str, seq: int) -> None:
        """See `HistoryPlanting`."""
        self._run("UPDATE history_positions SET confirmed = %s WHERE conversation_id = %s", seq, conversation_id)

    def _mongo(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self._places.messages)

    def _update(self, collection: str, query: dict[str, Any], fields: dict[str, int]) -> None:
        with self._mongo() as client:
            found = client.get_default_database()[collection].update_one(query, {"$set": fields})
            assert found.matched_count == 1

    def _run(self, statement: str, *parameters: object) -> None:
        with psycopg.connect(self._places.directory, autocommit=True) as connection:
            assert connection.execute(statement.encode(), parameters).rowcount > 0, statement


def planting_in(places: Places) -> Memory | Sqlite | Servers:
    """Return what changes the stores of these places."""
    if places.messages == IN_MEMORY:
        return Memory(_memory(places))
    return Servers(places) if is_mongodb(places.messages) else Sqlite(places)
