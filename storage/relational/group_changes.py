"""
Changes of groups, members and applications; see `transactions.DirectoryTransaction` for the meaning of each method.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, update

from openim_ray.domain.errors import RecordNotFound
from openim_ray.storage.relational import version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, columns_of, is_wanted, replacing, wanted
from openim_ray.storage.relational.directory_tables import GROUP_REQUESTS, GROUPS, MEMBERS
from openim_ray.storage.relational.group_view import GroupView
from openim_ray.storage.relational.version_lists import Step
from openim_ray.storage.version_rules import MARKER, Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.dml import Insert

    from openim_ray.domain.group import Group, GroupRequest, Member

_member_columns = columns_of(MEMBERS, user_id="user.user_id")
_request_columns = columns_of(GROUP_REQUESTS, user_id="user.user_id")

_GROUP = bindparam("of_group", type_=TEXT)
_COUNT = "member_count"


def _replace_group(new: Any) -> Insert:
    names = [column.name for column in GROUPS.c if column.name not in ("group_id", _COUNT)]
    statement: Insert = new.on_conflict_do_update(
        index_elements=["group_id"], set_={name: new.excluded[name] for name in names}
    )
    return statement


_IS_THERE = select(GROUPS.c.group_id).where(is_wanted(GROUPS.c.group_id))
_PUT_GROUP = Upsert(GROUPS, _replace_group)
_ROLES = select(MEMBERS.c.user_id, MEMBERS.c.role_level).where(
    MEMBERS.c.group_id == _GROUP, is_wanted(MEMBERS.c.user_id)
)
_PUT_MEMBERS = Upsert(MEMBERS, replacing(MEMBERS, "group_id", "user_id"))
_DELETE_MEMBERS = delete(MEMBERS).where(MEMBERS.c.group_id == _GROUP, is_wanted(MEMBERS.c.user_id))
_ADD_TO_COUNT = (
    update(GROUPS)
    .where(GROUPS.c.group_id == _GROUP)
    .values(member_count=GROUPS.c.member_count + bindparam("more", type_=INTEGER))
)
_PUT_REQUEST = Upsert(GROUP_REQUESTS, replacing(GROUP_REQUESTS, "group_id", "user_id"))


class GroupChanges(GroupView):
    """
    The part of `transactions.DirectoryTransaction` that changes groups.
    """

    def put_group(self, group: Group) -> None:
        """Add or replace a group."""
        columns = asdict(group)
        del columns["owner_user_id"]
        is_new = not self._existing_groups([group.group_id])
        self._connection.execute(_PUT_GROUP.on(self._connection), columns | {_COUNT: 0})
        if not is_new:
            version_lists.change(self._connection, ListKind.MEMBERS, group.group_id, MARKER, Change.UPDATED)

    def put_member(self, member: Member) -> None:
        """Add or replace a member."""
        self.put_members([member])

    def put_members(self, members: Sequence[Member]) -> None:
        """Add or replace members."""
        by_group: dict[str, dict[str, Member]] = {}
        for member in members:
            by_group.setdefault(member.group_id, {})[member.user.user_id] = member
        self._require_groups(list(by_group))
        for group_id, of_group in by_group.items():
            self._put_members(group_id, of_group)

    def _put_members(self, group_id: str, members: Mapping[str, Member]) -> None:
        roles = self._roles(group_id, members)
        new = [user_id for user_id in members if user_id not in roles]
        self._require_users(new)
        _PUT_MEMBERS.insert_all(self._connection, [_member_columns(member) for member in members.values()])
        self._add_to_count(group_id, len(new))
        steps = [
            Step(
                user_id,
                Change.UPDATED if user_id in roles else Change.INSERTED,
                roles.get(user_id) != member.role_level,
            )
            for user_id, member in members.items()
        ]
        self._step(group_id, steps, new, Change.INSERTED)

    def delete_member(self, group_id: str, user_id: str) -> bool:
        """Remove a member."""
        return bool(self.delete_members(group_id, [user_id]))

    def delete_members(self, group_id: str, user_ids: Sequence[str]) -> list[str]:
        """Remove members."""
        roles = self._roles(group_id, user_ids)
        removed = [user_id for user_id in dict.fromkeys(user_ids) if user_id in roles]
        if removed:
            self._connection.execute(_DELETE_MEMBERS, {"of_group": group_id, **wanted(removed)})
            self._add_to_count(group_id, -len(removed))
            steps = [Step(user_id, Change.DELETED) for user_id in removed]
            self._step(group_id, steps, removed, Change.DELETED)
        return removed

    def put_group_request(self, request: GroupRequest) -> None:
        """Add or replace an application."""
        self._require_groups([request.group_id])
        self._require_users([request.user.user_id])
        self._connection.execute(_PUT_REQUEST.on(self._connection), _request_columns(request))

    def _step(self, group_id: str, steps: Sequence[Step], user_ids: Sequence[str], change: Change) -> None:
        """Take the steps of the group's list, and one of the list of joined groups of each of these users."""
        version_lists.change_lists(self._connection, ListKind.MEMBERS, {group_id: steps})
        joined = {user_id: [Step(group_id, change)] for user_id in user_ids}
        version_lists.change_lists(self._connection, ListKind.JOINED_GROUPS, joined)

    def _roles(self, group_id: str, user_ids: Sequence[str] | Mapping[str, object]) -> dict[str, int]:
        rows = self._connection.execute(_ROLES, {"of_group": group_id, **wanted(user_ids)})
        return {row[0]: row[1] for row in rows}

    def _add_to_count(self, group_id: str, more: int) -> None:
        if more:
            self._connection.execute(_ADD_TO_COUNT, {"of_group": group_id, "more": more})

    def _existing_groups(self, group_ids: Sequence[str]) -> set[str]:
        return set(self._connection.scalars(_IS_THERE, wanted(group_ids)))

    def _require_groups(self, group_ids: Sequence[str]) -> None:
        there = self._existing_groups(group_ids)
        for group_id in group_ids:
            if group_id not in there:
                raise RecordNotFound(f"group {group_id}")
