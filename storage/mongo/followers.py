"""
What follows from rows: newest seqs of senders, marks, heads. Each only rises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import UpdateOne

from openim_ray.domain.conversation import home_key
from openim_ray.storage.mongo.connection import together
from openim_ray.storage.mongo.message_queries import stored_heads, tails_above
from openim_ray.storage.mongo.schema import MARKS, SENT, STREAMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Database


class Rise:
    """
    What some rows of one stream, dense from `first` to `last`, mean for its head.
    """

    __slots__ = ("first", "last", "last_time")

    def __init__(self, first: int, last: int, last_time: int) -> None:
        self.first = first
        self.last = last
        self.last_time = last_time


async def raise_marks(database: Database, marks: Mapping[tuple[str, str], int]) -> None:
    """
    Raise marks by (home key, reader).
    """
    if marks:
        await database[MARKS].bulk_write(
            [
                UpdateOne({"home_key": key, "reader": reader}, {"$max": {"seq": seq}}, upsert=True)
                for (key, reader), seq in marks.items()
            ],
            ordered=False,
        )


async def raise_heads(
    database: Database,
    rises: Mapping[ConversationID, Rise],
    sent: Mapping[tuple[str, str], int],
    marks: Mapping[tuple[str, str], int],
) -> None:
    """
    Raise heads, after all that follows from the rows below them; the rows are durable already.

    A head is raised only from where these rows begin or above it: what follows from the rows before them is stored then. Where it stands lower, rows
    of somebody who ended before she raised it lie between, and are read.
    """
    await together(_raise_sent(database, sent), raise_marks(database, marks))
    if await _raise(database, rises) < len(rises):
        await catch_up(database, rises)


async def catch_up(database: Database, conversation_ids: Iterable[ConversationID]) -> None:
    """
    Bring heads up to the rows, whoever wrote them.
    """
    stored = await stored_heads(database, conversation_ids)
    rises: dict[ConversationID, Rise] = {}
    sent: dict[tuple[str, str], int] = {}
    marks: dict[tuple[str, str], int] = {}
    for conversation_id, tail in (await tails_above(database, stored)).items():
        for row in tail.dense:
            seq = int(row["seq"])
            sent[conversation_id, row["sender"]] = seq
            for mark in row.get("read", ()):
                key = (home_key(conversation_id), mark["reader"])
                marks[key] = max(marks.get(key, 0), int(mark["seq"]))
            rises[conversation_id] = Rise(stored[conversation_id].max_seq + 1, seq, int(row["send_time"]))
    await together(_raise_sent(database, sent), raise_marks(database, marks))
    await _raise(database, rises)


async def _raise_sent(database: Database, sent: Mapping[tuple[str, str], int]) -> None:
    if sent:
        await database[SENT].bulk_write(
            [
                UpdateOne({"conversation": conversation, "sender": sender}, {"$max": {"seq": seq}}, upsert=True)
                for (conversation, sender), seq in sent.items()
            ],
            ordered=False,
        )


async def _raise(database: Database, rises: Mapping[ConversationID, Rise]) -> int:
    """Raise heads, and return how many stood where they could be raised from."""
    if not rises:
        return 0
    result = await database[STREAMS].bulk_write(
        [
            UpdateOne(
                {"_id": conversation_id, "max_seq": {"$gte": rise.first - 1, "$lt": rise.last}},
                {"$set": {"max_seq": rise.last, "max_time": rise.last_time}},
            )
            for conversation_id, rise in rises.items()
        ],
        ordered=False,
    )
    return result.matched_count
