"""
Rows of the message log that concern an erased account; each function takes a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import UpdateOne

from openim_ray.ports import Erased
from openim_ray.storage.envelope import seal
from openim_ray.storage.mongo.connection import INTEGER_MAX
from openim_ray.storage.mongo.documents import WHOLE, columns_of
from openim_ray.storage.mongo.schema import MESSAGES
from openim_ray.storage.tombstones import replacements

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.mongo.connection import Database

LOOKED_AT_ONCE = 100
"""Rows that are read at once, whoever wrote them: which of them are notifications, the envelope tells."""


async def erase(
    database: Database, conversation_id: ConversationID, user_id: str, first: int, last: int
) -> tuple[Erased, int | None]:
    """
    Replace rows that concern a user among first..last; also returns from which seq on it did not look.

    A row is changed only as it was read: whoever else erases the same makes the same of it.
    """
    first, last = max(first, 0), min(last, INTEGER_MAX)
    if first > last:
        return Erased((), 0), None
    query = {"conversation": conversation_id, "seq": {"$gte": first, "$lte": last}}
    there = await database[MESSAGES].find(query, WHOLE).sort("seq", 1).limit(LOOKED_AT_ONCE).to_list()
    found = replacements(conversation_id, map(columns_of, there), user_id)
    changes = [
        UpdateOne(
            {"conversation": conversation_id, "seq": row.seq, "envelope": columns[-1]},
            {"$set": {"rev": row.rev, "envelope": seal(row)}},
        )
        for columns, (row, is_new) in found
        if is_new
    ]
    if changes:
        await database[MESSAGES].bulk_write(changes, ordered=False)
    rest = int(there[-1]["seq"]) + 1 if len(there) == LOOKED_AT_ONCE else None
    return Erased(tuple(row for _, (row, _) in found), len(changes)), rest
