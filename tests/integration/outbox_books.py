"""
The outbox of a running server, from outside: a record of everything that was ever committed to it, and kills at moments of its rows' lives.

The record is kept by a trigger, in the transactions of the server itself: it holds exactly what was committed, in the order of the numbers.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import psycopg
import pymongo

from openim_ray.core.effects import Effect, decode_effect
from openim_ray.storage.places import Places
from openim_ray.storage.sqlite.writer_lock import WriterLock

Seen = TypeVar("Seen")

COMMIT: Final = "commit"
APPEND: Final = "append"
DELETION: Final = "deletion"
MOMENTS: Final = (COMMIT, APPEND, DELETION)
"""What a kill follows: the change is committed; its line is in the log and its row still waits; its row is deleted."""

AIM_SECONDS: Final = 3.0
"""So long a moment is waited for; less than writers wait for a lock."""

LOCK_SECONDS: Final = 10.0
"""So long this waits for writers, one of which has its turn nearly always."""

LOOK_AGAIN_SECONDS: Final = 0.0005

_WAITING: Final = "SELECT home_key, number, payload FROM outbox ORDER BY home_key, number"
_RECORD: Final = "SELECT home_key, number, payload FROM outbox_record ORDER BY home_key, number"

_RECORD_IN_SQLITE: Final = """
    CREATE TABLE outbox_record (home_key TEXT, number INTEGER, payload BLOB);
    CREATE TRIGGER record_effect AFTER INSERT ON outbox BEGIN
        INSERT INTO outbox_record VALUES (NEW.home_key, NEW.number, NEW.payload);
    END;
"""

_RECORD_IN_POSTGRESQL: Final = """
    CREATE TABLE outbox_record (home_key TEXT COLLATE "C", number BIGINT, payload BYTEA);
    CREATE FUNCTION record_effect() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO outbox_record VALUES (NEW.home_key, NEW.number, NEW.payload);
        RETURN NULL;
    END $$;
    CREATE TRIGGER record_effect AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION record_effect();
"""

_IS_IN_SQLITE: Final = """
    SELECT count(*) FROM messages JOIN streams ON streams.id = messages.stream
    WHERE conversation_id = ? AND sender_id = ? AND client_id = ?
"""

_HAS_LINES: Final = "SELECT count(*) FROM streams WHERE conversation_id = ? AND max_seq > 0"


class Recorded(NamedTuple):
    """A row of the outbox, as it was committed."""

    home_key: str
    number: int
    effect: Effect


class OutboxBooks(ABC):
    """
    One server's outbox. Everything here blocks.
    """

    @abstractmethod
    def begin(self) -> None:
        """Record from now on."""

    @abstractmethod
    def committed(self) -> list[Recorded]:
        """Return everything since then, by home key and number."""

    @abstractmethod
    def waiting(self) -> list[Recorded]:
        """Return what waits now."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened."""

    def strike(self, moment: str, kill: Callable[[], object]) -> bool:
        """
        Kill at a moment of a row with a line for the chat; `kill` returns when the processes are gone.

        Returns whether it was that moment: the row and the line are looked at afterwards. It kills in any case.
        """
        with ExitStack() as locks:
            with self._nothing_appended():
                row = self._seen(partial(self._new_row, moment))
                if row is None or moment == COMMIT:
                    kill()
                    return row is not None and self._waits(row) and not self._is_in_log(row)
                if moment == APPEND:
                    locks.enter_context(self._nothing_deleted(row))
            if moment == APPEND:
                self._seen(partial(self._is_in_log, row))
                kill()
                return self._waits(row) and self._is_in_log(row)
            self._seen(lambda: not self._waits(row))
            kill()
            return not self._waits(row)

    @abstractmethod
    def _nothing_appended(self) -> AbstractContextManager[object]:
        """Keep the server from appending, if this store can be kept from it."""

    @abstractmethod
    def _nothing_deleted(self, row: Recorded) -> AbstractContextManager[object]:
        """Keep the server from deleting a row."""

    @abstractmethod
    def _is_in_log(self, row: Recorded) -> bool:
        """Tell whether the line of a row is in the log."""

    def _new_row(self, moment: str) -> Recorded | None:
        """
        Return a row whose line is to come next.

        While nothing may be deleted, the first line of a chat and what follows another row have to wait: both need the directory.
        """
        firsts = {row.home_key: row for row in reversed(self.waiting())}
        for row in firsts.values():
            if row.effect.clone and not self._is_in_log(row) and (moment != APPEND or self._has_lines(row)):
                return row
        return None

    @abstractmethod
    def _has_lines(self, row: Recorded) -> bool:
        """Tell whether the chat of a row's line has others."""

    def _waits(self, row: Recorded) -> bool:
        return any(one[:2] == row[:2] for one in self.waiting())

    @staticmethod
    def _seen(look: Callable[[], Seen]) -> Seen:
        deadline = time.monotonic() + AIM_SECONDS
        while not (seen := look()) and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN_SECONDS)
        return seen


class SqliteOutboxBooks(OutboxBooks):
    """
    The outbox in `directory.db`, the logs in `messages.db`. Writers are held up as they hold up each other.
    """

    def __init__(self, places: Places) -> None:
        self._directory = places.data_dir / "directory.db"
        self._messages = places.data_dir / "messages.db"

    def close(self) -> None:
        """See `OutboxBooks`."""

    def begin(self) -> None:
        """See `OutboxBooks`."""
        with _held(self._directory), closing(sqlite3.connect(self._directory)) as connection:
            connection.executescript(_RECORD_IN_SQLITE)

    def committed(self) -> list[Recorded]:
        """See `OutboxBooks`."""
        return self._rows(_RECORD)

    def waiting(self) -> list[Recorded]:
        """See `OutboxBooks`."""
        return self._rows(_WAITING)

    def _nothing_appended(self) -> AbstractContextManager[object]:
        return _held(self._messages)

    def _nothing_deleted(self, row: Recorded) -> AbstractContextManager[object]:
        return _held(self._directory)

    def _is_in_log(self, row: Recorded) -> bool:
        effect = row.effect
        return self._counts(_IS_IN_SQLITE, effect.clone_id, effect.sender_id, effect.client_id)

    def _has_lines(self, row: Recorded) -> bool:
        return self._counts(_HAS_LINES, row.effect.clone_id)

    def _counts(self, query: str, *arguments: str) -> bool:
        with closing(_reader(self._messages)) as connection:
            return bool(connection.execute(query, arguments).fetchone()[0])

    def _rows(self, query: str) -> list[Recorded]:
        with closing(_reader(self._directory)) as connection:
            return [Recorded(key, number, decode_effect(payload)) for key, number, payload in connection.execute(query)]


class ServerOutboxBooks(OutboxBooks):
    """
    The outbox in PostgreSQL, the logs in MongoDB, which cannot be held up: a kill behind the commit may come too late there.
    """

    def __init__(self, directory_url: str, messages_url: str) -> None:
        self._url = directory_url
        self._mongo: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(messages_url)

    def close(self) -> None:
        """See `OutboxBooks`."""
        self._mongo.close()

    def begin(self) -> None:
        """See `OutboxBooks`."""
        with psycopg.connect(self._url) as connection:
            connection.execute(_RECORD_IN_POSTGRESQL)

    def committed(self) -> list[Recorded]:
        """See `OutboxBooks`."""
        with psycopg.connect(self._url) as connection:
            return _recorded(connection.execute(_RECORD))

    def waiting(self) -> list[Recorded]:
        """See `OutboxBooks`."""
        with psycopg.connect(self._url) as connection:
            return _recorded(connection.execute(_WAITING))

    def _nothing_appended(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    @contextmanager
    def _nothing_deleted(self, row: Recorded) -> Iterator[None]:
        with psycopg.connect(self._url) as connection:
            connection.execute(
                "SELECT number FROM outbox WHERE home_key = %s AND number = %s FOR UPDATE", (row.home_key, row.number)
            )
            yield
            connection.rollback()

    def _is_in_log(self, row: Recorded) -> bool:
        effect = row.effect
        key = {"conversation": effect.clone_id, "sender": effect.sender_id, "client": effect.client_id}
        return self._holds(key)

    def _has_lines(self, row: Recorded) -> bool:
        return self._holds({"conversation": row.effect.clone_id})

    def _holds(self, key: dict[str, str]) -> bool:
        return self._mongo.get_default_database()["messages"].find_one(key) is not None


def outbox_books(places: Places) -> OutboxBooks:
    """Return the books for where a server has its stores: either all in SQLite, or people in PostgreSQL and messages in MongoDB."""
    if places.directory:
        return ServerOutboxBooks(places.directory, places.messages)
    return SqliteOutboxBooks(places)


def _recorded(rows: psycopg.Cursor[tuple[object, ...]]) -> list[Recorded]:
    return [Recorded(str(key), int(str(number)), decode_effect(bytes(payload))) for key, number, payload in rows]  # type: ignore[call-overload]


@contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = WriterLock(path, LOCK_SECONDS)
    try:
        with lock.held():
            yield
    finally:
        lock.close()


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=AIM_SECONDS)
