"""
Writing a batch: read what it touches, decide, insert the new rows in one ordered command, and look whether its author is still the owner.

Repeating is harmless, so whatever comes in between (another owner's row at the same seq, a message that only the index knew) is met by reading
again and deciding again: what the first attempt has written is then found as stored.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from openim_ray.domain.conversation import home_key
from openim_ray.domain.errors import ArgsError, Unavailable
from openim_ray.domain.message import LogWrite, Outcome, StoredMessage, WriteResult
from openim_ray.storage.mongo.claims import epochs
from openim_ray.storage.mongo.connection import together
from openim_ray.storage.mongo.documents import PLACE, REFERENCE, reference_of
from openim_ray.storage.mongo.followers import raise_marks
from openim_ray.storage.mongo.leftovers import clear_leftovers
from openim_ray.storage.mongo.message_batch import Batch, Known, Log, Stream, in_order
from openim_ray.storage.mongo.message_queries import find_any, origin, stored_heads
from openim_ray.storage.mongo.schema import BY_KEY, BY_PLACE, LOGS, MESSAGES, STREAMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Database
    from openim_ray.storage.mongo.head_raiser import HeadRaiser

T = TypeVar("T")

ATTEMPTS = 5
"""So often a batch is decided on; then it is given up as Unavailable. Each further one means that another owner wrote in between."""

INSERT_ROWS_MAX = 1000
INSERT_BYTES_MAX = 16 << 20
"""One command's worth, far below what the driver would divide by itself: the next one must not begin before a majority has this one."""

REMEMBERED_MAX = 50_000
"""So many streams and logs are remembered; others are read again."""

EPOCH_SECONDS = 1.0
"""So long an epoch that was read is taken for current; the look after the write is never left out."""

DUPLICATE_KEY = 11000
REFUSED = {2, 9, 14, 22, 121, 10334, 17280, 17419}
"""Codes of a document that the server will never take: invalid, refused by a validator, too large."""

ANSWERED = (Outcome.STORED, Outcome.DUPLICATE)
SUPERSEDED = WriteResult(Outcome.SUPERSEDED, {})


class MessageWriter:
    """
    Writes batches for one store, and remembers where it left each stream, so that what continues there needs no reading.

    What is remembered can't be wrong, only old: heads and epochs only rise, participants never change. Old, it shows at the insert or at the look
    at the epochs after it; so does a database that lost what it had. It is forgotten all the same at every error, and for a log at every refusal.
    """

    def __init__(self, database: Database, raiser: HeadRaiser) -> None:
        self._database = database
        self._raiser = raiser
        self._epochs = _Epochs(database)
        self._origin: int | None = None
        self._participants: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._heads: OrderedDict[ConversationID, int] = OrderedDict()

    async def write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        """See `ports.MessageStore`; the writes were checked (`log_rules.check_write`)."""
        try:
            return await self._write(writes)
        except BaseException:
            self._forget_all()
            raise

    async def _write(self, writes: Sequence[LogWrite]) -> list[WriteResult]:
        for attempt in range(ATTEMPTS):
            known = await self._load(writes, look_up_all=attempt > 0)
            batch = Batch(known)
            results = [batch.add(write) for write in writes]
            if not batch.leftovers and await self._carry_out(batch, known):
                self._remember(batch, known)
                return await self._judge(writes, results)
            self._forget_all()
            for conversation_id in batch.leftovers:
                await clear_leftovers(self._database, conversation_id)
        raise Unavailable("others write to the same logs")

    async def _judge(self, writes: Sequence[LogWrite], results: list[WriteResult]) -> list[WriteResult]:
        """Look at the epochs after a majority has the rows: who was superseded meanwhile answers nothing."""
        answered = {
            write.partition for write, result in zip(writes, results, strict=True) if result.outcome in ANSWERED
        }
        now = await self._epochs.read(answered)
        if any(now[write.partition] < write.epoch for write in writes if write.partition in answered):
            raise Unavailable("the database has lost a claim: it was emptied, or put back to an older state")
        judged = [
            SUPERSEDED if result.outcome in ANSWERED and now[write.partition] > write.epoch else result
            for write, result in zip(writes, results, strict=True)
        ]
        for write, result in zip(writes, judged, strict=True):
            if result.outcome is not Outcome.STORED:
                self._forget(write)
        return judged

    def forget_epochs(self) -> None:
        """Read epochs anew before the next batch: somebody claims."""
        self._epochs.forget()

    # --- what the database knows

    async def _load(self, writes: Sequence[LogWrite], *, look_up_all: bool) -> Known:
        continued = self._continued(writes)
        seqs = _seqs(writes, continued)
        keys = _keys(
            row for write in writes for row in (write.rows if look_up_all else _behind_others(write, continued))
        )
        partitions = {write.partition for write in writes}
        current = self._epochs.current(partitions)
        home_keys = {write.home_key for write in writes if write.home_key not in self._participants}
        logs, heads, rows = {}, {}, []
        if len(current) < len(partitions) or home_keys or seqs:
            read, logs, heads, rows, references = await together(
                self._epochs.read(partitions - current.keys()),
                self._load_logs(home_keys),
                stored_heads(self._database, seqs),
                find_any(self._database, list(_places(seqs)), PLACE, BY_PLACE),
                find_any(self._database, list(_key_clauses(keys)), REFERENCE, BY_KEY),
            )
            current |= read
        else:
            references = await find_any(self._database, list(_key_clauses(keys)), REFERENCE, BY_KEY)
        for write in writes:
            if write.home_key in self._participants:
                logs[write.home_key] = Log(self._participants[write.home_key])
        if self._origin is None:
            self._origin = await origin(self._database)
        streams = {conversation_id: Stream(head) for conversation_id, head in continued.items()}
        for conversation_id in seqs:
            head = heads.get(conversation_id)
            streams[conversation_id] = Stream(head.max_seq if head else self._origin, is_new=head is None)
        for row in rows:
            streams[row["conversation"]].take_row(int(row["seq"]), row["server"])
        for row in references:
            streams[row["conversation"]].take_key((row["sender"], row["client"]), reference_of(row))
        return Known(current, logs, streams)

    async def _load_logs(self, home_keys: Iterable[str]) -> dict[str, Log]:
        wanted = list(home_keys)
        if not wanted:
            return {}
        found = self._database[LOGS].find({"_id": {"$in": wanted}})
        return {one["_id"]: Log(tuple(one["participants"])) async for one in found}

    def _continued(self, writes: Sequence[LogWrite]) -> dict[ConversationID, int]:
        """Return the heads of the streams that all these writes continue from where this store left them."""
        ends: dict[ConversationID, int] = {}
        elsewhere: set[ConversationID] = set()
        for write in writes:
            for row in write.rows:
                end = ends.get(row.conversation_id, self._heads.get(row.conversation_id, -1))
                if row.seq != end + 1:
                    elsewhere.add(row.conversation_id)
                ends[row.conversation_id] = row.seq
        return {one: self._heads[one] for one in ends if one not in elsewhere}

    # --- carrying out

    async def _carry_out(self, batch: Batch, known: Known) -> bool:
        """Write what was decided; False if something else was written meanwhile, and has to be looked at."""
        if not await self._make_logs(known):
            return False
        for documents in _commands(batch.documents):
            if not await self._insert(documents):
                return False
        if batch.marks:
            await raise_marks(self._database, batch.marks)
        return True

    async def _make_logs(self, known: Known) -> bool:
        """Make the documents of new logs and streams durable, before their first row."""
        logs = list(_log_updates(known.logs))
        begin: dict[str, object] = {"max_seq": self._origin, "max_time": 0}
        if self._origin:
            begin["skipped"] = [[1, self._origin]]
        streams = [
            UpdateOne({"_id": one}, {"$setOnInsert": {"home_key": home_key(one), **begin}}, upsert=True)
            for one, stream in known.streams.items()
            if stream.is_new and stream.rows
        ]
        if not logs and not streams:
            return True
        made = await together(self._make(LOGS, logs), self._make(STREAMS, streams))
        # A log that somebody else made or named meanwhile may be another pair's.
        return None not in made and made[0] == len(logs)

    async def _make(self, collection: str, updates: list[UpdateOne]) -> int | None:
        """Return how many documents were made or changed; None after a collision."""
        if not updates:
            return 0
        try:
            result = await self._database[collection].bulk_write(updates, ordered=False)
        except BulkWriteError as failure:
            _raise_unless_collision(failure)
            return None
        return result.upserted_count + result.modified_count

    async def _insert(self, documents: list[RawBSONDocument]) -> bool:
        try:
            await self._database[MESSAGES].insert_many(documents)
        except BulkWriteError as failure:
            _raise_unless_collision(failure)
            return False
        return True

    # --- remembering

    def _remember(self, batch: Batch, known: Known) -> None:
        for key, log in known.logs.items():
            _put(self._participants, key, log.participants)
        for conversation_id, appended in batch.appended.items():
            _put(self._heads, conversation_id, appended.last)
        self._raiser.add(batch)

    def _forget(self, write: LogWrite) -> None:
        self._participants.pop(write.home_key, None)
        for row in write.rows:
            self._heads.pop(row.conversation_id, None)

    def _forget_all(self) -> None:
        self._epochs.forget()
        self._participants.clear()
        self._heads.clear()


class _Epochs:
    """
    The epochs of partitions, as they were a moment ago.

    An owner that was superseded in that moment may have one more batch written, and hears of it when the epochs are read after it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[str, tuple[int, float]] = {}

    def current(self, partitions: Iterable[str]) -> dict[str, int]:
        """Return those that were read in the last `EPOCH_SECONDS`."""
        since = asyncio.get_running_loop().time() - EPOCH_SECONDS
        return {one: self._seen[one][0] for one in partitions if one in self._seen and self._seen[one][1] >= since}

    async def read(self, partitions: Collection[str]) -> dict[str, int]:
        """Read epochs; 0 where nobody ever claimed."""
        if not partitions:
            return {}
        begun = asyncio.get_running_loop().time()
        found = await epochs(self._database, partitions)
        read = {partition: found.get(partition, 0) for partition in partitions}
        if len(self._seen) > REMEMBERED_MAX:
            self._seen.clear()
        self._seen.update({partition: (epoch, begun) for partition, epoch in read.items()})
        return read

    def forget(self) -> None:
        """Read them anew before the next batch."""
        self._seen.clear()


def _seqs(writes: Iterable[LogWrite], continued: Mapping[ConversationID, int]) -> dict[ConversationID, set[int]]:
    """Return which seqs have to be read: those that are written, and the one that each write continues."""
    seqs: dict[ConversationID, set[int]] = {}
    for write in writes:
        for row in write.rows:
            if row.conversation_id not in continued:
                seqs.setdefault(row.conversation_id, set()).update((row.seq - 1, row.seq))
    return seqs


def _places(seqs: Mapping[ConversationID, set[int]]) -> Iterator[Mapping[str, Any]]:
    for conversation_id, wanted in seqs.items():
        lowest, highest = min(wanted), max(wanted)
        is_dense = highest - lowest + 1 == len(wanted)
        yield {
            "conversation": conversation_id,
            "seq": {"$gte": lowest, "$lte": highest} if is_dense else {"$in": sorted(wanted)},
        }


def _behind_others(write: LogWrite, continued: Collection[ConversationID]) -> Sequence[StoredMessage]:
    """
    Return the rows whose clientMsgIDs have to be looked up.

    The first row that is inserted needs no look: the unique index refuses it, and nothing of its write was written. Were one behind it refused,
    those before would stand. Where a write doesn't continue from here, its first rows may stand already, and another is the first.
    """
    if len(write.rows) < 2:
        return ()
    rows = in_order(write.rows)
    return rows[1:] if rows[0].conversation_id in continued else rows


def _keys(rows: Iterable[StoredMessage]) -> dict[tuple[ConversationID, str], list[str]]:
    """
    Return clientMsgIDs by (conversation, sender).
    """
    keys: dict[tuple[ConversationID, str], list[str]] = {}
    for row in rows:
        keys.setdefault((row.conversation_id, row.sender_id), []).append(row.client_id)
    return keys


def _key_clauses(keys: Mapping[tuple[ConversationID, str], list[str]]) -> Iterator[Mapping[str, Any]]:
    for (conversation_id, sender_id), client_ids in keys.items():
        yield {"conversation": conversation_id, "sender": sender_id, "client": {"$in": client_ids}}


def _commands(documents: list[RawBSONDocument]) -> Iterator[list[RawBSONDocument]]:
    """Divide rows into commands, in order."""
    command: list[RawBSONDocument] = []
    size = 0
    for document in documents:
        size += len(document.raw)
        if command and (len(command) >= INSERT_ROWS_MAX or size > INSERT_BYTES_MAX):
            yield command
            command, size = [], len(document.raw)
        command.append(document)
    if command:
        yield command


def _log_updates(logs: Mapping[str, Log]) -> Iterator[UpdateOne]:
    for key, log in logs.items():
        participants = list(log.participants)
        if log.is_new:
            yield UpdateOne({"_id": key}, {"$setOnInsert": {"participants": participants}}, upsert=True)
        elif log.is_named:
            yield UpdateOne({"_id": key, "participants": []}, {"$set": {"participants": participants}})


def _raise_unless_collision(failure: BulkWriteError) -> None:
    """
    Raise what is anything else than something written in between.

    A collision is answered after a majority has what caused it, as is every write; only without that the outcome is unknown.
    """
    errors = failure.details.get("writeErrors", [])
    if failure.details.get("writeConcernErrors") or not errors:
        raise failure
    codes = {error["code"] for error in errors}
    if codes & REFUSED:
        raise ArgsError("a message that the database refuses") from failure
    if codes != {DUPLICATE_KEY}:
        raise failure


def _put(remembered: OrderedDict[T, Any], key: T, value: object) -> None:
    remembered[key] = value
    remembered.move_to_end(key)
    if len(remembered) > REMEMBERED_MAX:
        remembered.popitem(last=False)
