"""
Version lists; each function is part of its caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, case, delete, literal, select, update

from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert
from openim_ray.storage.relational.directory_tables import VERSION_CHANGES, VERSION_LISTS
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
    from sqlalchemy.sql.dml import Insert

    from openim_ray.ports import VersionDelta


def _keep_last(new: Any) -> Insert:
    last = {"version": new.excluded.version, "change": new.excluded.change}
    statement: Insert = new.on_conflict_do_update(index_elements=["list_id", "element_id"], set_=last)
    return statement


_LISTS, _CHANGES = VERSION_LISTS.c, VERSION_CHANGES.c
_LIST_ID = bindparam("of_list", type_=INTEGER)

_HEAD = select(_LISTS.id, _LISTS.version_id, _LISTS.version, _LISTS.floor, _LISTS.sort_version).where(
    _LISTS.kind == bindparam("kind", type_=INTEGER), _LISTS.owner == bindparam("owner", type_=TEXT)
)
_LATER = (
    select(_CHANGES.element_id, _CHANGES.change)
    .where(_CHANGES.list_id == _LIST_ID, _CHANGES.version > bindparam("after", type_=INTEGER))
    .order_by(_CHANGES.version)
    .limit(DELTA_MAX + 1)
)
_MAKE = Upsert(VERSION_LISTS, lambda new: new.on_conflict_do_nothing())
_STEP = Upsert(
    VERSION_LISTS,
    lambda new: new.on_conflict_do_update(
        index_elements=["kind", "owner"], set_={"version": _LISTS.version + 1}
    ).returning(_LISTS.id, _LISTS.version),
)
_REORDERED = update(VERSION_LISTS).where(_LISTS.id == _LIST_ID).values(sort_version=_LISTS.version)
_RECORD = Upsert(VERSION_CHANGES, _keep_last)
_NEWEST_FORGOTTEN = (
    select(_CHANGES.version)
    .where(_CHANGES.list_id == _LIST_ID)
    .order_by(_CHANGES.version.desc())
    .offset(CHANGES_MAX)
    .limit(1)
)


def head(connection: Connection, kind: ListKind, owner: str) -> ListHead | None:
    """
    Return the state of a list; None if it must be made first.
    """
    found = connection.execute(_HEAD, {"kind": int(kind), "owner": owner}).first()
    return ListHead(*found[1:]) if found else None


def delta(connection: Connection, kind: ListKind, owner: str, version_id: str, version: int) -> VersionDelta | None:
    """
    Return what changed after a client's version; None if the list must be made first.
    """
    found = connection.execute(_HEAD, {"kind": int(kind), "owner": owner}).first()
    if found is None:
        return None
    state = ListHead(*found[1:])
    if not has_delta(state, version_id, version):
        return full_delta(state)
    later = connection.execute(_LATER, {"of_list": found.id, "after": version})
    return delta_of(state, version, [(row.element_id, row.change) for row in later])


def make(connection: Connection, kind: ListKind, owner: str) -> None:
    """
    Make a list at version 1, unless it is there.
    """
    connection.execute(_MAKE.on(connection), _fresh(kind, owner))


def change(
    connection: Connection, kind: ListKind, owner: str, element_id: str, what: Change, *, reordered: bool = False
) -> None:
    """
    Take a step: one element changed.
    """
    list_id, version = connection.execute(_STEP.on(connection), _fresh(kind, owner)).one()
    if reordered:
        connection.execute(_REORDERED, {"of_list": list_id})
    record = {"list_id": list_id, "element_id": element_id, "version": version, "change": int(what)}
    connection.execute(_RECORD.on(connection), record)
    if version > CHANGES_MAX:
        _forget_old_changes(connection, list_id)


def update_known(connection: Connection, lists: ColumnElement[bool], element_id: str) -> None:
    """
    Take a step for an updated element in every list that a condition on VERSION_LISTS names.

    An element has one change in a list, so this can't let the changes of a list grow past the number of its elements.
    """
    connection.execute(update(VERSION_LISTS).where(lists).values(version=_LISTS.version + 1))
    steps = select(_LISTS.id, literal(element_id), _LISTS.version, literal(int(Change.UPDATED))).where(lists)
    columns = ["list_id", "element_id", "version", "change"]
    record = Upsert(VERSION_CHANGES, lambda new: _keep_last(new.from_select(columns, steps)))
    connection.execute(record.on(connection))


def _fresh(kind: ListKind, owner: str) -> dict[str, str | int]:
    return {
        "kind": int(kind),
        "owner": owner,
        "version_id": new_version_id(),
        "version": 1,
        "floor": 0,
        "sort_version": 0,
    }


def _forget_old_changes(connection: Connection, list_id: int) -> None:
    floor = connection.execute(_NEWEST_FORGOTTEN, {"of_list": list_id}).scalar()
    if floor is None:
        return
    forgotten = delete(VERSION_CHANGES).where(_CHANGES.list_id == list_id, _CHANGES.version <= floor)
    connection.execute(forgotten)
    raised = case((_LISTS.floor < floor, floor), else_=_LISTS.floor)
    connection.execute(update(VERSION_LISTS).where(_LISTS.id == list_id).values(floor=raised))
