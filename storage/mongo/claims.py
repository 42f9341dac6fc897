"""
Epochs of partitions.

The numbers come from one counter, so a raised epoch is above every other that was ever given, whichever partition it was for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import ReturnDocument, UpdateOne

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.mongo.schema import COUNTERS, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.storage.mongo.connection import Database

ATTEMPTS = 8
"""So often a claim begins anew because somebody else claimed the same partition meanwhile."""


async def claim(database: Database, partitions: Sequence[str], owner: str) -> dict[str, int]:
    """
    Raise the epochs of partitions, unless they are the owner's already, and return them.

    An epoch is returned only after it was seen durable under the owner's name. Of two that claim at once the one that took the higher number
    has the partition; the other one sees that, takes a number above it and so comes after it, as if it had claimed later.
    """
    held = await _held(database, partitions, owner)
    for _ in range(ATTEMPTS):
        missing = [partition for partition in partitions if partition not in held]
        if not missing:
            return {partition: held[partition] for partition in partitions}
        await _raise_epochs(database, missing, owner)
        held = await _held(database, partitions, owner)
    raise Unavailable("others claim the same partitions")


async def epochs(database: Database, partitions: Iterable[str]) -> dict[str, int]:
    """
    Return the epochs of those partitions that were ever claimed.
    """
    wanted = list(partitions)
    if not wanted:
        return {}
    found = database[PARTITIONS].find({"_id": {"$in": wanted}})
    return {one["_id"]: int(one["epoch"]) async for one in found}


async def _held(database: Database, partitions: Sequence[str], owner: str) -> dict[str, int]:
    found = database[PARTITIONS].find({"_id": {"$in": list(partitions)}, "owner": owner})
    return {one["_id"]: int(one["epoch"]) async for one in found}


async def _raise_epochs(database: Database, partitions: Sequence[str], owner: str) -> None:
    wanted = list(dict.fromkeys(partitions))
    await database[PARTITIONS].bulk_write(
        [
            UpdateOne({"_id": partition}, {"$setOnInsert": {"epoch": 0, "owner": ""}}, upsert=True)
            for partition in wanted
        ],
        ordered=False,
    )
    raised = await _next_epoch(database)
    await database[PARTITIONS].update_many(
        {"_id": {"$in": wanted}, "epoch": {"$lt": raised}, "owner": {"$ne": owner}},
        {"$set": {"epoch": raised, "owner": owner}},
    )


async def _next_epoch(database: Database) -> int:
    counter = await database[COUNTERS].find_one_and_update(
        {"_id": "epoch"}, {"$inc": {"value": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    assert counter is not None
    return int(counter["value"])
