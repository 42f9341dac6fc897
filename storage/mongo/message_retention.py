"""
Rows of the message log that are old enough to leave it; each function takes a database.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.mongo.followers import catch_up
from openim_ray.storage.mongo.message_queries import stored_heads
from openim_ray.storage.mongo.schema import MESSAGES, STREAMS

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Database

DELETED_AT_ONCE = 500
"""Seqs of one command."""


async def expired(database: Database, age_ms: int, limit: int, skip: int) -> dict[ConversationID, ConversationSeq]:
    """
    Return the streams of the oldest rows that were stored longer ago than `age_ms`, each with the highest such seq.

    The ids of documents begin with the time (before the server gave them, that at their writer), so the oldest come first, or nearly so; whether
    they are old is judged by the server's clock alone.
    """
    now = (await database.client.admin.command("hello"))["localTime"]
    before_ms = int(now.replace(tzinfo=UTC).timestamp() * 1000) - age_ms
    found: dict[ConversationID, ConversationSeq] = {}
    fields = {"_id": False, "conversation": True, "seq": True, "stored_at": True}
    async for row in database[MESSAGES].find({}, fields).sort("_id", 1).skip(skip).limit(limit):
        if row["stored_at"].time * 1000 < before_ms:
            conversation_id = row["conversation"]
            found[conversation_id] = ConversationSeq(max(int(row["seq"]), found.get(conversation_id, 0)))
    return found


async def forget(database: Database, conversation_id: ConversationID, through: int) -> int:
    """
    Raise the floor of a stream, then delete the rows below it; returns how many.

    Not above the stored head: from rows above it follow newest seqs of senders and marks that are not written elsewhere yet. One that was
    left behind is brought up, for the next time.
    """
    head = (await stored_heads(database, [conversation_id])).get(conversation_id)
    if head is not None and head.max_seq < through:
        await catch_up(database, [conversation_id])
    last = min(through, head.max_seq) if head else 0
    if head is None or last < head.floor:
        return 0
    await database[STREAMS].update_one({"_id": conversation_id}, {"$max": {"floor": last + 1}})
    deleted = 0
    # From the first seq on: what an earlier call did not come to is deleted now.
    oldest = await database[MESSAGES].find_one({"conversation": conversation_id}, {"seq": True}, sort=[("seq", 1)])
    for begin in range(int(oldest["seq"]) if oldest else last + 1, last + 1, DELETED_AT_ONCE):
        end = min(begin + DELETED_AT_ONCE - 1, last)
        rows = {"conversation": conversation_id, "seq": {"$gte": begin, "$lte": end}}
        deleted += (await database[MESSAGES].delete_many(rows)).deleted_count
    return deleted
