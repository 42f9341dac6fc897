"""
Taking over conversation logs from elsewhere, in a database that nobody else uses yet.

Rows come first, a log's document last: a log that has one is whole. So what was interrupted is found and completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo import UpdateOne

from openim_ray.domain.errors import UnsuitableStore
from openim_ray.storage.mongo.connection import Connection
from openim_ray.storage.mongo.documents import encode_copy
from openim_ray.storage.mongo.message_writer import INSERT_BYTES_MAX
from openim_ray.storage.mongo.schema import (
    COUNTERS,
    EPOCH,
    LOGS,
    MARKS,
    MESSAGES,
    ORIGIN,
    SCHEMA,
    SENT,
    STREAMS,
    TRANSFER,
    VERSION,
    check_server,
    make_indexes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.sequence import SeqRange
    from openim_ray.storage.envelope import Columns

UPDATES_MAX = 1000
"""Documents of one command."""


class MongoIntake:
    """
    Takes logs over. Whatever is repeated changes nothing.

    Raises `Unavailable` besides what is said.
    """

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self._database = self._connection.database
        self.place = self._connection.place

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def begin(self, transfer: str) -> None:
        """
        Make the collections, and keep servers from using them until `end`.

        UnsuitableStore if there is something in them that this transfer has not brought, or the server is too old.
        """
        await self._connection.run(lambda: self._begin(transfer))

    async def set_counters(self, epoch: int, origin: int) -> None:
        """Let epochs go on above one, and new streams begin behind a seq."""
        updates = [
            UpdateOne({"_id": name}, {"$max": {"value": value}}, upsert=True)
            for name, value in ((EPOCH, epoch), (ORIGIN, origin))
        ]
        await self._connection.run(lambda: self._database[COUNTERS].bulk_write(updates))

    async def whole_logs(self, home_keys: Sequence[str]) -> set[str]:
        """Return which of these logs are whole already."""

        async def find() -> set[str]:
            found = self._database[LOGS].find({"_id": {"$in": list(home_keys)}}, {"_id": True})
            return {one["_id"] async for one in found}

        return await self._connection.run(find)

    async def newest_seqs(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, int]:
        """Return the seq of each stream's newest row, as far as there is one."""

        async def find() -> dict[ConversationID, int]:
            stages: list[Mapping[str, Any]] = [
                {"$match": {"conversation": {"$in": list(conversation_ids)}}},
                {"$group": {"_id": "$conversation", "newest": {"$max": "$seq"}}},
            ]
            found = await self._database[MESSAGES].aggregate(stages)
            return {one["_id"]: int(one["newest"]) async for one in found}

        return await self._connection.run(find)

    async def insert(self, rows: Iterable[tuple[ConversationID, Columns, int]]) -> None:
        """Insert rows (conversation, columns, Unix milliseconds) in their order: of each stream a beginning stands, whatever happens."""
        for documents in _commands(encode_copy(*row) for row in rows):
            await self._connection.run(lambda: self._database[MESSAGES].insert_many(documents))  # noqa: B023 - awaited here

    async def complete(self, log: LogDocuments) -> None:
        """Write what belongs to logs whose rows are there."""
        for collection, updates in (
            (SENT, log.sent),
            (MARKS, log.marks),
            (STREAMS, log.streams),
            (LOGS, log.logs),
        ):
            for begin in range(0, len(updates), UPDATES_MAX):
                part = updates[begin : begin + UPDATES_MAX]
                await self._connection.run(lambda: self._database[collection].bulk_write(part, ordered=False))  # noqa: B023

    async def end(self, transfer: str) -> None:
        """Let servers use the database."""
        query = {"_id": MESSAGES, TRANSFER: transfer}
        await self._connection.run(lambda: self._database[SCHEMA].update_one(query, {"$unset": {TRANSFER: True}}))

    async def _begin(self, transfer: str) -> None:
        await check_server(self._connection)
        found: Mapping[str, Any] = await self._database[SCHEMA].find_one({"_id": MESSAGES}) or {}
        if found.get(TRANSFER) == transfer:
            return
        if TRANSFER in found:
            raise UnsuitableStore(
                f"{self.place} holds an unfinished migration of another data directory; take an empty one"
            )
        for collection in (MESSAGES, LOGS, STREAMS):
            if await self._database[collection].find_one({}, {"_id": True}) is not None:
                raise UnsuitableStore(f"{self.place} holds messages already; take an empty database")
        await make_indexes(self._database)
        made = {"version": VERSION, TRANSFER: transfer}
        await self._database[SCHEMA].update_one({"_id": MESSAGES}, {"$set": made}, upsert=True)


class LogDocuments:
    """
    What is written of logs besides their rows.
    """

    def __init__(self) -> None:
        self.logs: list[UpdateOne] = []
        self.streams: list[UpdateOne] = []
        self.sent: list[UpdateOne] = []
        self.marks: list[UpdateOne] = []

    def add_log(self, home_key: str, participants: Sequence[str], read: dict[str, int]) -> None:
        """Add a log and its marks."""
        self.logs.append(_put({"_id": home_key}, {"participants": list(participants)}))
        self.marks += [_put({"home_key": home_key, "reader": reader}, {"seq": seq}) for reader, seq in read.items()]

    def add_stream(
        self,
        conversation_id: str,
        head: dict[str, object],
        skipped: Sequence[SeqRange],
        sent: dict[str, int],
    ) -> None:
        """Add a stream (`home_key`, `max_seq`, `max_time`, `floor`) and each sender's newest seq."""
        fields = {**head, "skipped": [list(one) for one in skipped]} if skipped else head
        self.streams.append(_put({"_id": conversation_id}, fields))
        self.sent += [
            _put({"conversation": conversation_id, "sender": sender}, {"seq": seq}) for sender, seq in sent.items()
        ]


def _put(key: dict[str, Any], fields: dict[str, Any]) -> UpdateOne:
    return UpdateOne(key, {"$set": fields}, upsert=True)


def _commands(documents: Iterable[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    command: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        size += len(document.raw)
        if command and size > INSERT_BYTES_MAX:
            yield command
            command, size = [], len(document.raw)
        command.append(document)
    if command:
        yield command
