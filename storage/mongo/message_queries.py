"""
Queries of the message log; each takes a database.

What heads, newest seqs of senders and marks say is merged with the rows above the stored head. The order makes it right: first the heads, then
what follows from rows, then the rows. Rows are durable before anything follows from them, and `sent` and `marks` before their head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from openim_ray.domain.conversation import home_key as home_key_of
from openim_ray.domain.message import LogState, MessageRef, StreamHead
from openim_ray.domain.sequence import ConversationSeq, SeqRange
from openim_ray.storage.mongo.connection import INTEGER_MAX, together
from openim_ray.storage.mongo.documents import HEADLINE, REFERENCE, WHOLE, columns_of, reference_of
from openim_ray.storage.mongo.schema import (
    BY_PLACE,
    COUNTERS,
    LOGS,
    MARKS,
    MESSAGES,
    ORIGIN,
    SENT,
    STREAMS,
    index_keys,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.envelope import Columns
    from openim_ray.storage.mongo.connection import Database

    Document = Mapping[str, Any]

CLAUSES_MAX = 500
"""Alternatives of one query; more become several queries."""


class StoredHead(NamedTuple):
    """
    A document of `streams`: never above the rows, perhaps below them.
    """

    conversation_id: ConversationID
    max_seq: int
    max_time: int
    floor: int = 1
    skipped: tuple[SeqRange, ...] = ()

    @property
    def base(self) -> int:
        """Behind which seq its rows begin."""
        return self.skipped[0].last if self.skipped and self.skipped[0].first == 1 else 0


class Tail(NamedTuple):
    """
    The rows above a stored head (and some below it, if asked for), ascending.
    """

    dense: list[Document]
    """Those that continue the head without a hole."""

    leftovers: list[Document]
    """Those behind a hole: what an owner left that never heard of their outcome. They don't count."""


async def load_log(
    database: Database, home_key: str, tail: int
) -> tuple[LogState, dict[ConversationID, list[Columns]]] | None:
    """
    Return a log's state without its tail, and the tail's rows, not decoded yet.
    """
    log, stored = await together(
        database[LOGS].find_one({"_id": home_key}), _stored_heads(database, {"home_key": home_key})
    )
    if log is None:
        return None
    participants = tuple(log["participants"])
    sent, marks = await together(_sent(database, stored), _stored_marks(database, home_key))
    tails = await _tails(database, stored, WHOLE, below=tail)
    heads = _merge_heads(stored, sent, tails, dict.fromkeys(stored, participants))
    rows = {
        conversation_id: [columns_of(row) for row in tails[conversation_id].dense[-tail:]] if tail > 0 else []
        for conversation_id in heads
    }
    return LogState(participants, heads, _merge_marks(marks, stored, tails), ()), rows


async def heads(database: Database, conversation_ids: Iterable[ConversationID]) -> dict[ConversationID, StreamHead]:
    """
    Return the heads of those streams that hold messages.
    """
    wanted = list(dict.fromkeys(conversation_ids))
    if not wanted:
        return {}
    stored, logs = await together(
        _stored_heads(database, {"_id": {"$in": wanted}}),
        database[LOGS].find({"_id": {"$in": list({home_key_of(one) for one in wanted})}}).to_list(),
    )
    participants = {log["_id"]: tuple(log["participants"]) for log in logs}
    sent = await _sent(database, stored)
    tails = await _tails(database, stored, HEADLINE)
    return _merge_heads(stored, sent, tails, {one: participants.get(home_key_of(one), ()) for one in stored})


async def read_range(
    database: Database, conversation_id: ConversationID, begin: int, end: int, newest: int
) -> list[Columns]:
    """
    Return at most the `newest` highest rows of begin..end, ascending.
    """
    begin, end = max(begin, 0), min(end, INTEGER_MAX)
    if newest <= 0 or begin > end:
        return []
    rows = (
        await database[MESSAGES]
        .find({"conversation": conversation_id, "seq": {"$gte": begin, "$lte": end}}, WHOLE)
        .sort("seq", -1)
        .limit(min(newest, _LIMIT_MAX))
        .to_list()
    )
    return [columns_of(row) for row in reversed(rows)]


_LIMIT_MAX = (1 << 31) - 1
"""The largest limit that a query of MongoDB takes."""


async def read_seqs(database: Database, conversation_id: ConversationID, seqs: Sequence[int]) -> list[Columns]:
    """
    Return the rows among `seqs`, ascending.
    """
    wanted = sorted({seq for seq in seqs if 0 < seq <= INTEGER_MAX})
    if not wanted:
        return []
    query = {"conversation": conversation_id, "seq": {"$in": wanted}}
    return [columns_of(row) for row in await database[MESSAGES].find(query, WHOLE).sort("seq", 1).to_list()]


async def find(
    database: Database, conversation_id: ConversationID, sender_id: str, client_id: str
) -> MessageRef | None:
    """
    Return the place of a message by its de-duplication key; one behind a hole doesn't count.
    """
    key = {"conversation": conversation_id, "sender": sender_id, "client": client_id}
    row, stored = await together(
        database[MESSAGES].find_one(key, REFERENCE), _stored_heads(database, {"_id": conversation_id})
    )
    if row is None or conversation_id not in stored:
        return None
    reference = reference_of(row)
    head = stored[conversation_id].max_seq
    if reference.seq <= head + 1 or await _rows_between(database, conversation_id, head, reference.seq):
        return reference
    return None


async def read_marks(database: Database, home_key: str) -> dict[str, int]:
    """
    Return each reader's mark of a log.
    """
    stored = await _stored_heads(database, {"home_key": home_key})
    marks = await _stored_marks(database, home_key)
    return _merge_marks(marks, stored, await _tails(database, stored, HEADLINE))


async def origin(database: Database) -> ConversationSeq:
    """
    Return behind which seq new streams begin.
    """
    found = await database[COUNTERS].find_one({"_id": ORIGIN})
    return ConversationSeq(int(found["value"]) if found else 0)


async def page_heads(database: Database, after: str, limit: int) -> list[tuple[ConversationID, ConversationSeq]]:
    """
    Return ids and max seqs of the streams behind an id, in order of ids; as many as `limit` while there are more.
    """
    found: list[tuple[ConversationID, ConversationSeq]] = []
    while len(found) < limit:
        page = await _stored_heads(database, {"_id": {"$gt": after}}, limit)
        tails = await _tails(database, page, HEADLINE)
        newest = {one: max([head.max_seq, *map(_seq, tails[one].dense)]) for one, head in page.items()}
        found += [(one, ConversationSeq(seq)) for one, seq in newest.items() if seq > page[one].base]
        if len(page) < limit:
            break
        after = next(reversed(page))
    return found[:limit]


async def stored_heads(
    database: Database, conversation_ids: Iterable[ConversationID]
) -> dict[ConversationID, StoredHead]:
    """
    Return the heads as they are stored, also those of streams without rows.
    """
    wanted = list(conversation_ids)
    return await _stored_heads(database, {"_id": {"$in": wanted}}) if wanted else {}


async def tails_above(database: Database, stored: Mapping[ConversationID, StoredHead]) -> dict[ConversationID, Tail]:
    """
    Return the rows above each of these heads (`documents.HEADLINE`).
    """
    return await _tails(database, stored, HEADLINE)


async def find_any(
    database: Database, alternatives: Sequence[Document], fields: Document, index: Sequence[str]
) -> list[Document]:
    """
    Return the messages that one of the alternatives describes, each by the fields of this index.
    """
    parts = [alternatives[begin : begin + CLAUSES_MAX] for begin in range(0, len(alternatives), CLAUSES_MAX)]
    # Told which index to take, the server doesn't plan each alternative by itself: that costs it twice what looking does.
    hint = index_keys(index)
    found = [await database[MESSAGES].find(_one_of(part), fields, hint=hint).to_list() for part in parts]
    return [row for rows in found for row in rows]


def split_tail(unsorted: Iterable[Document], head: int) -> Tail:
    """
    Sort rows, and tell those that continue a head from those behind a hole.
    """
    rows = sorted(unsorted, key=_seq)
    dense = 0
    for row in rows:
        if row["seq"] > head + 1:
            break
        head = max(head, row["seq"])
        dense += 1
    return Tail(rows[:dense], rows[dense:])


def _one_of(alternatives: Sequence[Document]) -> Document:
    return alternatives[0] if len(alternatives) == 1 else {"$or": list(alternatives)}


async def _rows_between(database: Database, conversation_id: ConversationID, head: int, seq: int) -> bool:
    """Tell whether every seq above a head and below `seq` has a row."""
    query = {"conversation": conversation_id, "seq": {"$gt": head, "$lt": seq}}
    return await database[MESSAGES].count_documents(query) == seq - head - 1


async def _stored_heads(database: Database, query: Document, limit: int = 0) -> dict[ConversationID, StoredHead]:
    found = await database[STREAMS].find(query).sort("_id", 1).limit(limit).to_list()
    return {
        one["_id"]: StoredHead(
            one["_id"],
            int(one["max_seq"]),
            int(one["max_time"]),
            int(one.get("floor", 1)),
            tuple(SeqRange(int(first), int(last)) for first, last in one.get("skipped", ())),
        )
        for one in found
    }


async def _sent(database: Database, conversation_ids: Iterable[ConversationID]) -> dict[str, dict[str, int]]:
    sent: dict[str, dict[str, int]] = {conversation_id: {} for conversation_id in conversation_ids}
    if sent:
        async for one in database[SENT].find({"conversation": {"$in": list(sent)}}):
            sent[one["conversation"]][one["sender"]] = int(one["seq"])
    return sent


async def _stored_marks(database: Database, home_key: str) -> dict[str, int]:
    return {one["reader"]: int(one["seq"]) async for one in database[MARKS].find({"home_key": home_key})}


async def _tails(
    database: Database, stored: Mapping[ConversationID, StoredHead], fields: Document, below: int = 0
) -> dict[ConversationID, Tail]:
    rows: dict[str, list[Document]] = {conversation_id: [] for conversation_id in stored}
    alternatives = [
        {"conversation": head.conversation_id, "seq": {"$gt": max(0, head.max_seq - below)}} for head in stored.values()
    ]
    for row in await find_any(database, alternatives, fields, BY_PLACE):
        rows[row["conversation"]].append(row)
    return {
        conversation_id: split_tail(rows[conversation_id], head.max_seq) for conversation_id, head in stored.items()
    }


def _seq(row: Document) -> int:
    return int(row["seq"])


def _merge_heads(
    stored: Mapping[ConversationID, StoredHead],
    sent: Mapping[str, dict[str, int]],
    tails: Mapping[ConversationID, Tail],
    participants: Mapping[ConversationID, tuple[str, ...]],
) -> dict[ConversationID, StreamHead]:
    merged = {}
    for conversation_id, head in stored.items():
        max_seq, max_time, newest = head.max_seq, head.max_time, dict(sent[conversation_id])
        for row in tails[conversation_id].dense:
            if row["seq"] > head.max_seq:
                max_seq, max_time = int(row["seq"]), int(row["send_time"])
                newest[row["sender"]] = max_seq
        if max_seq > head.base:
            merged[conversation_id] = StreamHead(
                conversation_id,
                ConversationSeq(max_seq),
                max_time,
                newest,
                participants[conversation_id],
                ConversationSeq(head.floor),
                head.skipped,
            )
    return merged


def _merge_marks(
    marks: dict[str, int], stored: Mapping[ConversationID, StoredHead], tails: Mapping[ConversationID, Tail]
) -> dict[str, int]:
    merged = dict(marks)
    for conversation_id, head in stored.items():
        for row in tails[conversation_id].dense:
            if row["seq"] > head.max_seq:
                for mark in row.get("read", ()):
                    merged[mark["reader"]] = max(merged.get(mark["reader"], 0), int(mark["seq"]))
    return merged
