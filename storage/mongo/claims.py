"""
Epochs of partitions.

The numbers come from one counter, so a raised epoch is above every other that was ever given, whichever partition it was for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import ReturnDocument, UpdateOne

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.mongo.schema import COUNTERS, EPOCH, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.storage.mongo.connection import Database

ATTEMPTS = 16
"""So often a claim takes a new number for a partition because somebody else claimed it meanwhile."""


async def claim(database: Database, partitions: Sequence[str], owner: str) -> dict[str, int]:
    """
    Raise the epochs of partitions, unless they are the owner's already, and return them.

    An epoch is returned only after it was durable under the owner's name. All are raised at once; those that somebody else took in
    the same moment are then raised one by one. There an attempt fails only if another claim with a higher number got in between, and that one is then done.
    """
    held = await _held(database, partitions, owner)
    missing = [partition for partition in dict.fromkeys(partitions) if partition not in held]
    if missing:
        await _raise_together(database, missing, owner)
        held = await _held(database, partitions, owner)
    for partition in missing:
        if partition not in held:
            held[partition] = await _raise_alone(database, partition, owner)
    return {partition: held[partition] for partition in partitions}


async def epochs(database: Database, partitions: Iterable[str]) -> dict[str, int]:
    """
    Return the epochs of those partitions that were ever claimed.
    """
    wanted = list(partitions)
    if not wanted:
        return {}
    # Asked after every batch: in one piece, and for no more than is looked at.
    found = database[PARTITIONS].find({"_id": {"$in": wanted}}, {"epoch": True}, batch_size=len(wanted) + 1)
    return {one["_id"]: int(one["epoch"]) for one in await found.to_list()}


async def _held(database: Database, partitions: Sequence[str], owner: str) -> dict[str, int]:
    found = database[PARTITIONS].find({"_id": {"$in": list(partitions)}, "owner": owner})
    return {one["_id"]: int(one["epoch"]) async for one in found}


async def _raise_together(database: Database, partitions: Sequence[str], owner: str) -> None:
    await database[PARTITIONS].bulk_write(
        [
            UpdateOne({"_id": partition}, {"$setOnInsert": {"epoch": 0, "owner": ""}}, upsert=True)
            for partition in partitions
        ],
        ordered=False,
    )
    raised = await _next_epoch(database)
    await database[PARTITIONS].update_many(
        {"_id": {"$in": list(partitions)}, "epoch": {"$lt": raised}, "owner": {"$ne": owner}},
        {"$set": {"epoch": raised, "owner": owner}},
    )


async def _raise_alone(database: Database, partition: str, owner: str) -> int:
    for _ in range(ATTEMPTS):
        raised = await _next_epoch(database)
        found = await database[PARTITIONS].find_one_and_update(
            {"_id": partition, "epoch": {"$lt": raised}, "owner": {"$ne": owner}},
            {"$set": {"epoch": raised, "owner": owner}},
        )
        if found is not None:
            return raised
        held = await _held(database, [partition], owner)
        if held:  # by the same claim, said twice
            return held[partition]
    raise Unavailable("too many claim the same partition")


async def _next_epoch(database: Database) -> int:
    counter = await database[COUNTERS].find_one_and_update(
        {"_id": EPOCH}, {"$inc": {"value": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    assert counter is not None
    return int(counter["value"])
