"""
Collections and indexes of the message log, made and judged here.

The document `schema` says which version of this server's layout a database has. A newer one is refused; version 1 is the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from openim_ray.domain.errors import SchemaTooNew, SchemaTooOld, UnsuitableStore
from openim_ray.storage.mongo.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.storage.mongo.connection import Database

VERSION = 1
SERVER_MIN = (5, 0)
"""The oldest MongoDB that this server was made for."""

MESSAGES = "messages"
LOGS = "logs"
STREAMS = "streams"
SENT = "sent"
MARKS = "marks"
PARTITIONS = "partitions"
COUNTERS = "counters"
EPOCH, ORIGIN = "epoch", "origin"
"""The counters that there are: the newest epoch, and behind which seq new streams begin."""

SCHEMA = "schema"
TRANSFER = "transfer"
"""A field of the document `schema`: which migration from SQLite files is not finished yet."""


BY_PLACE = ("conversation", "seq")
BY_KEY = ("conversation", "sender", "client")
"""The indexes of messages."""

INDEXES = {
    MESSAGES: (
        (BY_PLACE, True),
        (BY_KEY, True),
    ),
    STREAMS: ((("home_key",), False),),
    SENT: ((("conversation", "sender"), True),),
    MARKS: ((("home_key", "reader"), True),),
}
"""Fields of each index, and whether it is unique; a collection's `_id` is indexed by itself."""


async def ensure_schema(url: str) -> None:
    """
    Bring a database to the newest version; make it if there is none. Safe in several processes at once.

    Raises:
        SchemaTooNew: a newer server wrote the database.
        UnsuitableStore: the MongoDB is older than `SERVER_MIN`.
        Unavailable: it can't be read or written.
        ArgsError: the URL can't be used.
    """
    connection = Connection(url)
    try:
        await connection.run(lambda: _ensure(connection))
    finally:
        await connection.aclose()


async def require_schema(url: str) -> None:
    """
    Raise unless a database is at the newest version; changes nothing.

    Raises:
        SchemaTooNew, SchemaTooOld: it is not.
        Unavailable: it can't be read.
        ArgsError: the URL can't be used.
    """
    connection = Connection(url)
    try:
        if not await connection.run(lambda: _is_current(connection)):
            raise SchemaTooOld(connection.place, "", str(VERSION))
    finally:
        await connection.aclose()


async def _ensure(connection: Connection) -> None:
    database = connection.database
    await check_server(connection)
    if not await _is_current(connection):
        await _make(database)


async def check_server(connection: Connection) -> None:
    """
    Raise UnsuitableStore if the MongoDB is older than `SERVER_MIN`.
    """
    information = await connection.database.client.server_info()
    if tuple(information["versionArray"][:2]) < SERVER_MIN:
        needed = ".".join(map(str, SERVER_MIN))
        raise UnsuitableStore(f"{connection.place} is on MongoDB {information['version']}, {needed} or newer is needed")


async def _is_current(connection: Connection) -> bool:
    found = await connection.database[SCHEMA].find_one({"_id": MESSAGES})
    if found is not None and found["version"] > VERSION:
        raise SchemaTooNew(connection.place, str(found["version"]), str(VERSION))
    if found is not None and TRANSFER in found:
        raise UnsuitableStore(f"{connection.place} holds an unfinished migration; run `openim-ray migrate` once more")
    return found is not None


async def _make(database: Database) -> None:
    await make_indexes(database)
    try:
        await database[SCHEMA].update_one({"_id": MESSAGES}, {"$setOnInsert": {"version": VERSION}}, upsert=True)
    except DuplicateKeyError:
        return  # another process was here first


async def make_indexes(database: Database) -> None:
    """
    Make the indexes of all collections; those that are there are left alone.
    """
    for collection, indexes in INDEXES.items():
        await database[collection].create_indexes(
            [IndexModel(index_keys(fields), unique=unique) for fields, unique in indexes]
        )


def index_keys(fields: Sequence[str]) -> list[tuple[str, int]]:
    """
    Return an index on fields as the driver names it.
    """
    return [(field, ASCENDING) for field in fields]
