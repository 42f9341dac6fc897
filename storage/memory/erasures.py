"""
Accounts that are erased, in memory: how far that has come, and what goes at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from openim_ray.storage.memory.directory_rows import check_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.domain.erasure import Erasure
    from openim_ray.storage.memory.directory_rows import DirectoryRows


def unfinished(rows: DirectoryRows, after: str, limit: int) -> list[Erasure]:
    """
    Return those that are not done, behind an id.
    """
    found = (one for one in rows.erasures.values() if not one.finished_ms and one.user_id > after)
    return sorted(found, key=lambda one: one.user_id)[:limit]


def put(rows: DirectoryRows, erasure: Erasure) -> None:
    """
    Add or replace an erasure.
    """
    check_row(erasure)
    rows.require_users([erasure.user_id])
    rows.journal.keep(rows.erasures, erasure.user_id)
    rows.erasures[erasure.user_id] = erasure


def forget_texts(rows: DirectoryRows, user_id: str) -> None:
    """
    Delete or empty what a user said beside messages.
    """
    for kept in (rows.commands, rows.client_config):
        _change(rows, kept, lambda key, _: None if key == user_id else _SAME)
    _change(rows, rows.friend_requests, lambda key, _: None if user_id in key else _SAME)
    _change(rows, rows.group_requests, lambda key, row: None if key[1] == user_id else _without_words(row, user_id))
    for members in list(rows.members.values()):
        _change(
            rows, members, lambda key, row: replace(row, nickname="", face_url="", ex="") if key == user_id else row
        )
    _change(rows, rows.conversations.get(user_id, {}), lambda _, row: replace(row, ex="", attached_info=""))


_SAME: Any = object()


def _change(rows: DirectoryRows, table: dict[Any, Any], change: Callable[[Any, Any], Any]) -> None:
    """Replace each entry of a table, or delete it where None comes back."""
    for key, row in list(table.items()):
        changed = change(key, row)
        if changed is _SAME:
            continue
        rows.journal.keep(table, key)
        if changed is None:
            del table[key]
        else:
            table[key] = changed


def _without_words(row: Any, user_id: str) -> Any:
    if row.inviter_user_id == user_id:
        row = replace(row, req_msg="", ex="")
    return replace(row, handle_msg="") if row.handle_user_id == user_id else row
