"""
Version lists in `directory.db`; each function is part of its caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.sqlite import insert

from openim_ray.storage.sqlite.directory_tables import VERSION_CHANGES, VERSION_LISTS
from openim_ray.storage.version_rules import (
    CHANGES_MAX,
    DELTA_MAX,
    Change,
    ListHead,
    ListKind,
    delta_of,
    full_delta,
    has_delta,
    new_version_id,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from openim_ray.ports import VersionDelta

_LISTS, _CHANGES = VERSION_LISTS.c, VERSION_CHANGES.c
_HEAD = select(_LISTS.id, _LISTS.version_id, _LISTS.version, _LISTS.floor, _LISTS.sort_version)


def head(connection: Connection, kind: ListKind, owner: str) -> ListHead | None:
    """
    Return the state of a list; None if it must be made first.
    """
    found = connection.execute(_HEAD.where(_LISTS.kind == kind, _LISTS.owner == owner)).first()
    return ListHead(*found[1:]) if found else None


def delta(connection: Connection, kind: ListKind, owner: str, version_id: str, version: int) -> VersionDelta | None:
    """
    Return what changed after a client's version; None if the list must be made first.
    """
    found = connection.execute(_HEAD.where(_LISTS.kind == kind, _LISTS.owner == owner)).first()
    if found is None:
        return None
    state = ListHead(*found[1:])
    if not has_delta(state, version_id, version):
        return full_delta(state)
    later = (
        select(_CHANGES.element_id, _CHANGES.change)
        .where(_CHANGES.list_id == found.id, _CHANGES.version > version)
        .order_by(_CHANGES.version)
        .limit(DELTA_MAX + 1)
    )
    return delta_of(state, version, [(row.element_id, row.change) for row in connection.execute(later)])


def make(connection: Connection, kind: ListKind, owner: str) -> None:
    """
    Make a list at version 1, unless it is there.
    """
    connection.execute(insert(VERSION_LISTS).values(_fresh(kind, owner)).on_conflict_do_nothing())


def change(
    connection: Connection, kind: ListKind, owner: str, element_id: str, what: Change, *, reordered: bool = False
) -> None:
    """
    Take a step: one element changed.
    """
    new = insert(VERSION_LISTS).values(_fresh(kind, owner))
    step = new.on_conflict_do_update(index_elements=["kind", "owner"], set_={"version": _LISTS.version + 1})
    list_id, version = connection.execute(step.returning(_LISTS.id, _LISTS.version)).one()
    if reordered:
        connection.execute(update(VERSION_LISTS).where(_LISTS.id == list_id).values(sort_version=version))
    record = insert(VERSION_CHANGES).values(list_id=list_id, element_id=element_id, version=version, change=what)
    connection.execute(
        record.on_conflict_do_update(
            index_elements=["list_id", "element_id"],
            set_={"version": record.excluded.version, "change": record.excluded.change},
        )
    )
    _forget_old_changes(connection, list_id)


def update_known(connection: Connection, lists: ColumnElement[bool], element_id: str) -> None:
    """
    Take a step for an updated element in every list that a condition on VERSION_LISTS names.

    An element has one change in a list, so this can't let the changes of a list grow past the number of its elements.
    """
    connection.execute(update(VERSION_LISTS).where(lists).values(version=_LISTS.version + 1))
    steps = select(_LISTS.id, literal(element_id), _LISTS.version, literal(int(Change.UPDATED))).where(lists)
    record = insert(VERSION_CHANGES).from_select(["list_id", "element_id", "version", "change"], steps)
    connection.execute(
        record.on_conflict_do_update(
            index_elements=["list_id", "element_id"],
            set_={"version": record.excluded.version, "change": record.excluded.change},
        )
    )


def _fresh(kind: ListKind, owner: str) -> dict[str, object]:
    return {
        "kind": int(kind),
        "owner": owner,
        "version_id": new_version_id(),
        "version": 1,
        "floor": 0,
        "sort_version": 0,
    }


def _forget_old_changes(connection: Connection, list_id: int) -> None:
    mine = _CHANGES.list_id == list_id
    newest_forgotten = (
        select(_CHANGES.version).where(mine).order_by(_CHANGES.version.desc()).offset(CHANGES_MAX).limit(1)
    )
    floor = connection.execute(newest_forgotten).scalar()
    if floor is not None:
        connection.execute(delete(VERSION_CHANGES).where(mine, _CHANGES.version <= floor))
        connection.execute(
            update(VERSION_LISTS).where(_LISTS.id == list_id).values(floor=func.max(_LISTS.floor, floor))
        )
