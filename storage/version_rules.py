"""
Version lists: what changed in a list since a client looked (OpenIM wire, §6.6.1).

A list has a random id, a counter, and for each element that changed its last change. It comes into being at the first look or
the first change, at version 1.
"""

from __future__ import annotations

import secrets
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.ports import VersionDelta

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANGES_MAX = 1000
"""A list remembers so many changed elements; older changes are forgotten."""

DELTA_MAX = 200
"""More changed elements than these, and the client is told to fetch the whole list."""


MARKER = ""
"""Stands among the changed elements of a member list for the group itself; no element has this id."""


class ListKind(IntEnum):
    """
    Which list of its owner (a user; for MEMBERS, a group).
    """

    FRIENDS = 1
    JOINED_GROUPS = 2
    MEMBERS = 3
    CONVERSATIONS = 4


class Change(IntEnum):
    """
    What happened to an element last.
    """

    INSERTED = 1
    DELETED = 2
    UPDATED = 3


class ListHead(NamedTuple):
    """
    State of a version list without its changes.

    Changes up to `floor` may be forgotten; the order of the elements changed last at `sort_version` (0 = never).
    """

    version_id: str
    version: int
    floor: int
    sort_version: int


NO_LIST = ListHead("", 0, 0, 0)
"""A list that nobody changed or looked at yet, where it can't be made: whoever reads it must fetch the whole."""


def new_version_id() -> str:
    """
    Return a random id of 24 hex digits, never all zeros.
    """
    return f"{secrets.randbelow((1 << 96) - 1) + 1:024x}"


def has_delta(head: ListHead, version_id: str, version: int) -> bool:
    """
    Tell whether the changes after a client's version are known; else she must fetch the whole list.
    """
    return version_id == head.version_id and max(1, head.floor) <= version <= head.version


def full_delta(head: ListHead) -> VersionDelta:
    """
    Return the answer that sends the client to the whole list.
    """
    return VersionDelta(head.version, head.version_id, True, [], [], [], 0)


def delta_of(head: ListHead, version: int, changes: Iterable[tuple[str, int]]) -> VersionDelta:
    """
    Return the answer to a client at `version`, given (element, change) of what changed later, in order of change.
    """
    by_change: dict[int, list[str]] = {Change.DELETED: [], Change.INSERTED: [], Change.UPDATED: []}
    for element_id, change in changes:
        by_change[change].append(element_id)
    if sum(map(len, by_change.values())) > DELTA_MAX:
        return full_delta(head)
    sort_version = head.sort_version if head.sort_version > version else 0
    return VersionDelta(
        head.version,
        head.version_id,
        False,
        by_change[Change.DELETED],
        by_change[Change.INSERTED],
        by_change[Change.UPDATED],
        sort_version,
    )
