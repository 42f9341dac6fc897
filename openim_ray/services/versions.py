"""
Lists that clients keep a copy of: what changed since their version, and the ids in order (OpenIM wire, §6.6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from openim_ray.ports import VersionDelta

Element = TypeVar("Element")


class Changes(NamedTuple, Generic[Element]):
    """
    What a client has to do to its copy; `full` means: fetch everything.
    """

    delta: VersionDelta
    inserted: list[Element]
    updated: list[Element]


class FullIDs(NamedTuple):
    """
    All ids of a list, in its order; none are given if the client has them already (`equal`).
    """

    version: int
    version_id: str
    equal: bool
    ids: list[str]


async def changes_of(
    delta: VersionDelta, read: Callable[[Sequence[str]], Awaitable[dict[str, Element]]]
) -> Changes[Element]:
    """
    Complete a delta, which holds ids, with the elements as they are now.

    An element that went away since the delta was read is left out: its deletion is in the next delta.
    """
    wanted = [*delta.inserted, *delta.updated]
    found = await read(wanted) if wanted else {}
    return Changes(
        delta,
        [found[one] for one in delta.inserted if one in found],
        [found[one] for one in delta.updated if one in found],
    )


def full_ids(version: int, version_id: str, ids: Sequence[str], client_hash: int) -> FullIDs:
    """
    Answer a client that says what it has by a hash (OpenIM wire, §6.6.3).
    """
    if client_hash == id_hash(ids):
        return FullIDs(version, version_id, equal=True, ids=[])
    return FullIDs(version, version_id, equal=False, ids=list(ids))


def id_hash(ids: Sequence[str]) -> int:
    """
    Return the hash of a list of ids: 0 if empty, else the first 8 bytes of the MD5 of its JSON array.
    """
    if not ids:
        return 0
    text = json.dumps(list(ids), separators=(",", ":"), ensure_ascii=False)
    return int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:8])
