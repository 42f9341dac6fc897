"""
Version lists; each function is part of its caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, case, delete, func, literal, select, update

from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, is_wanted, wanted
from openim_ray.storage.relational.directory_tables import VERSION_CHANGES, VERSION_LISTS
from openim_ray.storage.relational.lookups import Lookup
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
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.sql.dml import Insert

    from openim_ray.ports import VersionDelta


class Step(NamedTuple):
    """
    What happened to one element of a list.
    """

    element_id: str
    change: Change
    reordered: bool = False
    """The order of the list is another than before."""


def _keep_last(new: Any) -> Insert:
    last = {"version": new.excluded.version, "change": new.excluded.change}
    statement: Insert = new.on_conflict_do_update(index_elements=["list_id", "element_id"], set_=last)
    return statement


_LISTS, _CHANGES = VERSION_LISTS.c, VERSION_CHANGES.c
_LIST_ID = bindparam("of_list", type_=INTEGER)

_HEAD = Lookup(
    select(_LISTS.id, _LISTS.version_id, _LISTS.version, _LISTS.floor, _LISTS.sort_version).where(
        _LISTS.kind == bindparam("kind", type_=INTEGER), _LISTS.owner == bindparam("owner", type_=TEXT)
    )
)
_HEADS = select(_LISTS.owner, _LISTS.version, _LISTS.version_id).where(
    _LISTS.kind == bindparam("kind", type_=INTEGER), is_wanted(_LISTS.owner)
)
_LATER = Lookup(
    select(_CHANGES.element_id, _CHANGES.change)
    .where(_CHANGES.list_id == _LIST_ID, _CHANGES.version > bindparam("after", type_=INTEGER))
    .order_by(_CHANGES.version)
    .limit(DELTA_MAX + 1)
)
_MAKE = Upsert(VERSION_LISTS, lambda new: new.on_conflict_do_nothing())


def _raise_version(new: Any) -> Insert:
    statement: Insert = new.on_conflict_do_update(
        index_elements=["kind", "owner"], set_={"version": _LISTS.version + new.excluded.version}
    )
    return statement


_STEPPED = (_LISTS.owner, _LISTS.id, _LISTS.version, _LISTS.floor)
_STEP = Upsert(VERSION_LISTS, lambda new: _raise_version(new).returning(*_STEPPED))
_STEP_EACH = Upsert(VERSION_LISTS, _raise_version)
_STEPPED_LISTS = select(*_STEPPED).where(_LISTS.kind == bindparam("kind", type_=INTEGER), is_wanted(_LISTS.owner))
_REORDERED = (
    update(VERSION_LISTS).where(_LISTS.id == _LIST_ID).values(sort_version=bindparam("reordered_at", type_=INTEGER))
)
_RECORD = Upsert(VERSION_CHANGES, _keep_last)
_TOO_LONG = (
    select(_CHANGES.list_id)
    .where(_CHANGES.list_id.in_(bindparam("lists", expanding=True, type_=INTEGER)))
    .group_by(_CHANGES.list_id)
    .having(func.count() > CHANGES_MAX)
)
"""Lists that remember too much: one that took many steps may be about a few elements."""
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
    found = _HEAD.first(connection, {"kind": int(kind), "owner": owner})
    return ListHead(*found[1:]) if found else None


def heads(connection: Connection, kind: ListKind, owners: Sequence[str]) -> dict[str, tuple[int, str]]:
    """
    Return version and version id of the lists of several owners that are there.
    """
    rows = connection.execute(_HEADS, {"kind": int(kind), **wanted(owners)})
    return {owner: (version, version_id) for owner, version, version_id in rows}


def delta(connection: Connection, kind: ListKind, owner: str, version_id: str, version: int) -> VersionDelta | None:
    """
    Return what changed after a client's version; None if the list must be made first.
    """
    found = _HEAD.first(connection, {"kind": int(kind), "owner": owner})
    if found is None:
        return None
    state = ListHead(*found[1:])
    if not has_delta(state, version_id, version):
        return full_delta(state)
    later = _LATER.rows(connection, {"of_list": found[0], "after": version})
    return delta_of(state, version, [(element_id, change) for element_id, change in later])


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
    change_lists(connection, kind, {owner: [Step(element_id, what, reordered)]})


def change_lists(connection: Connection, kind: ListKind, steps: Mapping[str, Sequence[Step]]) -> None:
    """
    Take steps in lists of several owners, each list's in their order; a handful of statements however many they are.
    """
    records: list[dict[str, Any]] = []
    overfull: list[int] = []
    for owner, list_id, version, floor in _raise(
        connection, kind, {owner: len(taken) for owner, taken in steps.items()}
    ):
        first = version - len(steps[owner]) + 1
        last_changes: dict[str, dict[str, Any]] = {}
        reordered_at = 0
        for at, step in enumerate(steps[owner], first):
            last_changes.pop(step.element_id, None)
            last_changes[step.element_id] = {
                "list_id": list_id,
                "element_id": step.element_id,
                "version": at,
                "change": int(step.change),
            }
            reordered_at = at if step.reordered else reordered_at
        records += last_changes.values()
        if reordered_at:
            connection.execute(_REORDERED, {"of_list": list_id, "reordered_at": reordered_at})
        if version - floor > CHANGES_MAX:
            overfull.append(list_id)
    if records:
        _RECORD.insert_all(connection, records)
    if overfull:
        for list_id in connection.scalars(_TOO_LONG, {"lists": overfull}).all():
            _forget_old_changes(connection, list_id)


def _raise(connection: Connection, kind: ListKind, numbers: Mapping[str, int]) -> Sequence[Any]:
    """Raise the versions of lists by so many steps, and return for each what `_STEPPED` says."""
    fresh = [_fresh(kind, owner) | {"version": number} for owner, number in sorted(numbers.items())]
    if len(fresh) == 1:
        return connection.execute(_STEP.on(connection), fresh[0]).all()
    if not fresh:
        return []
    _STEP_EACH.insert_all(connection, fresh)
    return connection.execute(_STEPPED_LISTS, {"kind": int(kind), **wanted(numbers)}).all()


def update_known(connection: Connection, lists: ColumnElement[bool], element_id: str) -> None:
    """
    Take a step for an updated element in every list that a condition on VERSION_LISTS names.
    """
    connection.execute(update(VERSION_LISTS).where(lists).values(version=_LISTS.version + 1))
    steps = select(_LISTS.id, literal(element_id), _LISTS.version, literal(int(Change.UPDATED))).where(lists)
    columns = ["list_id", "element_id", "version", "change"]
    record = Upsert(VERSION_CHANGES, lambda new: _keep_last(new.from_select(columns, steps)))
    connection.execute(record.on(connection))
    overfull = select(_LISTS.id).where(lists, _LISTS.version - _LISTS.floor > CHANGES_MAX)
    for list_id in connection.scalars(overfull).all():
        _forget_old_changes(connection, list_id)


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
