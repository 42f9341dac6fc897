"""
What makes an older state of the files one that clients of the newer state can go on with (decision 10).

Each function changes one file, which nobody else uses.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from openim_ray.storage.sqlite.connection import driver_errors
from openim_ray.storage.sqlite.migrate import require_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EPOCHS_SKIPPED = 1 << 32
"""More claims than a server can make: each takes the start of a process."""

_SKIP = """
    UPDATE streams SET
        skipped = CASE WHEN json_extract(skipped, '$[#-1][1]') = max_seq
            THEN json_replace(skipped, '$[#-1][1]', max_seq + :skip)
            ELSE json_insert(skipped, '$[#]', json_array(max_seq + 1, max_seq + :skip)) END,
        max_seq = max_seq + :skip
    WHERE max_seq > 0
"""
_RAISE_EPOCHS = """
    INSERT INTO partitions (partition, epoch, owner)
    SELECT '', COALESCE(MAX(epoch), 0) + ?, '' FROM partitions WHERE true
    ON CONFLICT (partition) DO UPDATE SET epoch = excluded.epoch
"""
# The rows and ranges themselves are asked, not the head: a file that is put aside may be damaged, and one flipped bit in a head be millions.
_GIVEN = """
    CREATE TEMP TABLE given AS
    SELECT conversation_id, MAX(
        COALESCE((SELECT MAX(seq) FROM older.messages WHERE stream = s.id), 0),
        COALESCE(json_extract(skipped, '$[#-1][1]'), 0)
    ) AS seq FROM older.streams s
    UNION ALL SELECT '', MAX(seq) FROM older.origin
"""
_GO_BEHIND = """
    UPDATE streams SET
        skipped = CASE WHEN json_extract(skipped, '$[#-1][1]') = max_seq
            THEN json_replace(skipped, '$[#-1][1]', given.seq)
            ELSE json_insert(skipped, '$[#]', json_array(max_seq + 1, given.seq)) END,
        max_seq = given.seq
    FROM given WHERE given.conversation_id = streams.conversation_id AND max_seq BETWEEN 1 AND given.seq - 1
"""
_BEGIN_BEHIND = """
    UPDATE origin SET seq = MAX(seq, (
        SELECT MAX(seq) FROM given WHERE conversation_id NOT IN (SELECT conversation_id FROM streams)
    ))
"""
_OLDER_EPOCH = "SELECT COALESCE(MAX(epoch), 0) FROM older.partitions"
_REACH_EPOCH = """
    INSERT INTO partitions (partition, epoch, owner) VALUES ('', ?, '')
    ON CONFLICT (partition) DO UPDATE SET epoch = MAX(epoch, excluded.epoch)
"""
# Whoever has part in a chat that holds messages: owners of its rows, and the two users for whom its log was made (that of a group names the group).
_READ_ALL = """
    INSERT INTO read_positions (user_id, conversation_id, has_read_seq, sent_seen, min_seq)
    SELECT user_id, conversation_id, max_seq, 0, 0 FROM (
        SELECT c.owner_user_id AS user_id, s.conversation_id, s.max_seq
        FROM messages.streams s JOIN directory.conversations c ON c.conversation_id = s.conversation_id
        UNION
        SELECT p.value, s.conversation_id, s.max_seq
        FROM messages.streams s JOIN messages.logs l ON l.id = s.log, json_each(l.participants) p
        WHERE json_array_length(l.participants) = 2
        UNION
        SELECT r.user_id, s.conversation_id, s.max_seq
        FROM messages.streams s JOIN main.read_positions r ON r.conversation_id = s.conversation_id
    ) WHERE max_seq > 0 AND substr(conversation_id, 1, 2) <> 'n_'
    ON CONFLICT (user_id, conversation_id) DO UPDATE SET has_read_seq = excluded.has_read_seq
"""


def go_behind(path: Path, older: Path) -> None:
    """
    Let every stream of `messages.db` go on behind what another such file has given, those begin behind it that only the other one has,
    and epochs not be lower.

    Raises:
        SchemaTooNew, SchemaTooOld, Unavailable: the other file can't be read; then nothing is changed.
    """
    require_schema(older, "messages")
    with driver_errors(older), closing(_connect(path)) as connection:
        connection.execute("ATTACH ? AS older", (f"{older.absolute().as_uri()}?mode=ro",))
        connection.execute(_GIVEN)
        (epoch,) = connection.execute(_OLDER_EPOCH).fetchone()
        connection.execute("DETACH older")
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_GO_BEHIND)
            connection.execute(_BEGIN_BEHIND)
            connection.execute(_REACH_EPOCH, (epoch,))


def skip_ahead(path: Path, skip: int) -> None:
    """
    Let every stream of `messages.db` go on `skip` seqs later, those begin behind as many that are not there yet, and raise the epochs.
    """
    with _transaction(path) as connection:
        if skip:
            connection.execute(_SKIP, {"skip": skip})
            connection.execute("UPDATE origin SET seq = seq + ?", (skip,))
        connection.execute(_RAISE_EPOCHS, (EPOCHS_SKIPPED,))


def renew_versions(path: Path) -> None:
    """
    Give every version list of `directory.db` a new id: whoever has a copy of the list fetches it anew.
    """
    with _transaction(path) as connection:
        connection.execute("UPDATE version_lists SET version_id = lower(hex(randomblob(12))), floor = version")
        connection.execute("DELETE FROM version_changes")


def end_tokens_and_read_all(path: Path, messages: Path, directory: Path) -> None:
    """
    End all tokens of `state.db`, and set every read position to the head of its conversation.
    """
    with driver_errors(path), closing(_connect(path)) as connection:
        connection.execute("ATTACH ? AS messages", (str(messages),))
        connection.execute("ATTACH ? AS directory", (str(directory),))
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM tokens")
            connection.execute(_READ_ALL)


def to_write_ahead(path: Path) -> None:
    """
    Let a file be written as a server does it.
    """
    with driver_errors(path), closing(_connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _transaction(path: Path) -> Iterator[sqlite3.Connection]:
    with driver_errors(path), closing(_connect(path)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, uri=True)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
