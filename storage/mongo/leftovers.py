"""
Rows behind a hole: nobody was ever told that they are stored, and they are in the way of the stream's owner.

An ordered insert leaves no hole, so none of these is expected; but whatever made one must not stop a conversation for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from openim_ray.storage.mongo.message_queries import split_tail, stored_heads
from openim_ray.storage.mongo.schema import MESSAGES

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Database

log = structlog.get_logger(__name__)


async def clear_leftovers(database: Database, conversation_id: ConversationID) -> None:
    """
    Delete the rows of a stream that stand behind a hole, if it really is one.

    Rows that are being inserted may be seen without those before them, since a query isn't one moment: so the hole is looked at
    once more, later in the same order of events. It is still there: then nothing above it was inserted after it in order, nobody was told that it
    is stored, and whoever repeats that write takes none of it for stored. Each document is deleted by its own id, so that a row which another owner
    has put in its place meanwhile stays.
    """
    stored = await stored_heads(database, [conversation_id])
    if conversation_id not in stored:
        return
    head = stored[conversation_id].max_seq
    async with database.client.start_session(causal_consistency=True) as session:
        query = {"conversation": conversation_id, "seq": {"$gt": head}}
        rows = await database[MESSAGES].find(query, {"seq": True}, session=session).to_list()
        tail = split_tail(rows, head)
        if not tail.leftovers:
            return
        hole = 1 + (int(tail.dense[-1]["seq"]) if tail.dense else head)
        if await database[MESSAGES].find_one({"conversation": conversation_id, "seq": hole}, {}, session=session):
            return
        await database[MESSAGES].delete_many({"_id": {"$in": [row["_id"] for row in tail.leftovers]}}, session=session)
    log.warning("rows behind a hole deleted", conversation_id=conversation_id, hole=hole, rows=len(tail.leftovers))
