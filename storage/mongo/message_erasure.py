"""
Rows of the message log whose sender is erased; each function takes a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import UpdateOne

from openim_ray.ports import Erased
from openim_ray.storage.envelope import seal
from openim_ray.storage.mongo.connection import INTEGER_MAX
from openim_ray.storage.mongo.documents import WHOLE, columns_of
from openim_ray.storage.mongo.schema import MESSAGES
from openim_ray.storage.tombstones import erased_columns

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Database

ERASED_AT_ONCE = 200
"""Rows of one command."""


async def erase(database: Database, conversation_id: ConversationID, sender_id: str, first: int, last: int) -> Erased:
    """
    Replace the rows of a sender among first..last, the `ERASED_AT_ONCE` lowest ones.

    A row is changed only as it was read: whoever else erases the same makes the same of it.
    """
    first, last = max(first, 0), min(last, INTEGER_MAX)
    if first > last:
        return Erased((), 0)
    query = {"conversation": conversation_id, "seq": {"$gte": first, "$lte": last}, "sender": sender_id}
    there = await database[MESSAGES].find(query, WHOLE).sort("seq", 1).limit(ERASED_AT_ONCE).to_list()
    found = [(document, *erased_columns(conversation_id, columns_of(document))) for document in there]
    changes = [
        UpdateOne(
            {"conversation": conversation_id, "seq": row.seq, "envelope": document["envelope"]},
            {"$set": {"rev": row.rev, "envelope": seal(row)}},
        )
        for document, row, is_new in found
        if is_new
    ]
    if changes:
        await database[MESSAGES].bulk_write(changes, ordered=False)
    return Erased(tuple(row for _, row, _ in found), len(changes))
