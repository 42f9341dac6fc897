"""
Version lists in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.storage.version_rules import (
    CHANGES_MAX,
    Change,
    ListHead,
    ListKind,
    delta_of,
    full_delta,
    has_delta,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.ports import VersionDelta
    from openim_ray.storage.memory.journal import Journal


class _List:
    __slots__ = ("changes", "head")

    def __init__(self, version_id: str) -> None:
        self.head = ListHead(version_id, 1, 0, 0)
        self.changes: dict[str, tuple[int, Change]] = {}
        """element -> (version, change), in order of version."""

    def __copy__(self) -> _List:
        twin = _List("")
        twin.head = self.head
        twin.changes = dict(self.changes)
        return twin


class VersionTables:
    """
    All version lists.

    Args:
        new_id: makes the id of a new list.
        journal: takes steps back.
    """

    def __init__(self, new_id: Callable[[], str], journal: Journal) -> None:
        self._new_id = new_id
        self._journal = journal
        self._lists: dict[tuple[ListKind, str], _List] = {}

    def head(self, kind: ListKind, owner: str) -> ListHead:
        """Return the state of a list; made if there is none."""
        return self._list(kind, owner).head

    def known(self, kind: ListKind, owner: str) -> ListHead | None:
        """Return the state of a list, if there is one."""
        found = self._lists.get((kind, owner))
        return found.head if found else None

    def delta(self, kind: ListKind, owner: str, version_id: str, version: int) -> VersionDelta:
        """Return what changed after a client's version."""
        found = self._list(kind, owner)
        if not has_delta(found.head, version_id, version):
            return full_delta(found.head)
        later = [(element, change) for element, (at, change) in found.changes.items() if at > version]
        return delta_of(found.head, version, later)

    def change(self, kind: ListKind, owner: str, element_id: str, change: Change, *, reordered: bool = False) -> None:
        """Take a step: one element changed."""
        self._journal.keep(self._lists, (kind, owner))
        found = self._lists.get((kind, owner))
        step = found.head.version + 1 if found else 1
        found = found or self._list(kind, owner)
        found.head = found.head._replace(version=step, sort_version=step if reordered else found.head.sort_version)
        found.changes.pop(element_id, None)
        found.changes[element_id] = (step, change)
        if len(found.changes) > CHANGES_MAX:
            forgotten, _ = found.changes.pop(next(iter(found.changes)))
            found.head = found.head._replace(floor=forgotten)

    def update_if_known(self, kind: ListKind, owner: str, element_id: str) -> None:
        """Take a step for an updated element, unless nobody has ever looked at the list."""
        if (kind, owner) in self._lists:
            self.change(kind, owner, element_id, Change.UPDATED)

    def _list(self, kind: ListKind, owner: str) -> _List:
        found = self._lists.get((kind, owner))
        if found is None:
            found = self._lists[kind, owner] = _List(self._new_id())
        return found
