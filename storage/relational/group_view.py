"""
Groups, members and applications as a transaction sees them; see `transactions.GroupView` for the meaning of each method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, func, or_, select, true

from openim_ray.domain.group import Group, GroupRequest, Member, Role
from openim_ray.domain.people import HandleResult
from openim_ray.storage.relational import users, version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Contains, is_wanted, wanted
from openim_ray.storage.relational.directory_tables import GROUP_REQUESTS, GROUPS, MEMBERS, USERS
from openim_ray.storage.relational.people_view import SINCE, SIZE, SKIP, PeopleView, bounds, in_order
from openim_ray.storage.version_rules import NO_LIST, ListKind, full_delta
from openim_ray.transactions import ListVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row

    from openim_ray.transactions import VersionDelta, Window

_USER, _GROUP = bindparam("of_user", type_=TEXT), bindparam("of_group", type_=TEXT)

_GROUP_NAMES = tuple(column.name for column in GROUPS.c)
_OWNERS = MEMBERS.alias("owners")
_OWNER_OF_GROUP = (
    select(_OWNERS.c.user_id)
    .where(_OWNERS.c.group_id == GROUPS.c.group_id, _OWNERS.c.role_level == int(Role.OWNER))
    .order_by(_OWNERS.c.join_time, _OWNERS.c.id)
    .limit(1)
    .scalar_subquery()
)
_GROUPS = select(*(GROUPS.c[name] for name in _GROUP_NAMES), func.coalesce(_OWNER_OF_GROUP, ""))
_SOME_GROUPS = _GROUPS.where(is_wanted(GROUPS.c.group_id))
_EXISTING = select(GROUPS.c.group_id).where(is_wanted(GROUPS.c.group_id))
_NAME_HOLDS = Contains(GROUPS.c.group_name, bindparam("name_part", type_=TEXT))
_JOINED = (
    _GROUPS.join_from(MEMBERS, GROUPS, MEMBERS.c.group_id == GROUPS.c.group_id)
    .where(MEMBERS.c.user_id == _USER)
    .order_by(MEMBERS.c.join_time, MEMBERS.c.id)
)
_JOINED_COUNT = select(func.count()).select_from(MEMBERS).where(MEMBERS.c.user_id == _USER)
_JOINED_IDS = (
    select(MEMBERS.c.group_id)
    .where(MEMBERS.c.user_id == _USER, MEMBERS.c.group_id > bindparam("after", type_=TEXT))
    .order_by(MEMBERS.c.group_id)
    .limit(SIZE)
)
_MANAGED_IDS = (
    select(MEMBERS.c.group_id)
    .where(MEMBERS.c.user_id == _USER, MEMBERS.c.role_level >= int(Role.ADMIN))
    .order_by(MEMBERS.c.group_id)
)

_MEMBER_NAMES = tuple(column.name for column in MEMBERS.c if column.name not in ("id", "user_id"))
_MEMBERS = (
    select(*(MEMBERS.c[name] for name in _MEMBER_NAMES), *users.USER_COLUMNS)
    .join_from(MEMBERS, USERS, MEMBERS.c.user_id == USERS.c.user_id)
    .where(MEMBERS.c.group_id == _GROUP)
)
_LIST_ORDER = (MEMBERS.c.role_level.desc(), MEMBERS.c.join_time, MEMBERS.c.id)
_SOME_MEMBERS = _MEMBERS.where(is_wanted(MEMBERS.c.user_id))
_STAFF = _MEMBERS.where(MEMBERS.c.role_level >= int(Role.ADMIN)).order_by(*_LIST_ORDER)
_LIST = _MEMBERS.order_by(*_LIST_ORDER)
_MEMBER_IDS = select(MEMBERS.c.user_id).where(MEMBERS.c.group_id == _GROUP).order_by(*_LIST_ORDER)
_MEMBER_IDS_BEHIND = (
    select(MEMBERS.c.user_id)
    .where(MEMBERS.c.group_id == _GROUP, MEMBERS.c.user_id > bindparam("after", type_=TEXT))
    .order_by(MEMBERS.c.user_id)
    .limit(SIZE)
)
_MEMBER_COUNT = select(GROUPS.c.member_count).where(GROUPS.c.group_id == _GROUP)
_ROLES_COUNT = select(func.count()).select_from(MEMBERS).where(MEMBERS.c.group_id == _GROUP)
_NAMED_COUNT = _ROLES_COUNT.join(USERS, MEMBERS.c.user_id == USERS.c.user_id)
_HAS_ROLE = MEMBERS.c.role_level.in_(bindparam("roles", expanding=True, type_=INTEGER))
_KEYWORD = bindparam("keyword", type_=TEXT)
_SHOWN_NAME = case((MEMBERS.c.nickname == "", USERS.c.nickname), else_=MEMBERS.c.nickname)
_IS_NAMED = or_(Contains(MEMBERS.c.user_id, _KEYWORD), Contains(_SHOWN_NAME, _KEYWORD))

# Accounts are asked for besides: joined, a planner that doesn't know how few rows there are would rather read all of them.
_REQUEST_NAMES = tuple(column.name for column in GROUP_REQUESTS.c if column.name not in ("id", "user_id"))
_REQUESTS = select(GROUP_REQUESTS.c.user_id, *(GROUP_REQUESTS.c[name] for name in _REQUEST_NAMES))
_REQUEST = _REQUESTS.where(GROUP_REQUESTS.c.group_id == _GROUP, GROUP_REQUESTS.c.user_id == _USER)
_RESULTS = GROUP_REQUESTS.c.handle_result.in_(bindparam("results", expanding=True, type_=INTEGER))
_TO_GROUPS, _OF_USER = is_wanted(GROUP_REQUESTS.c.group_id), GROUP_REQUESTS.c.user_id == _USER
_PENDING = (
    select(func.count())
    .select_from(GROUP_REQUESTS)
    .where(
        _TO_GROUPS,
        GROUP_REQUESTS.c.req_time >= SINCE,
        GROUP_REQUESTS.c.handle_result == int(HandleResult.PENDING),
    )
)


class GroupView(PeopleView):
    """
    `transactions.GroupView`.
    """

    def groups(self, group_ids: Sequence[str]) -> dict[str, Group]:
        """Return the groups that exist among these ids."""
        rows = self._connection.execute(_SOME_GROUPS, wanted(group_ids))
        found = {group.group_id: group for group in map(_group_of, rows)}
        return in_order(found, group_ids)

    def search_groups(self, group_id: str, name: str, window: Window) -> tuple[int, list[Group]]:
        """Return total and one page, by id."""
        matches: ColumnElement[bool] = true()
        values: dict[str, Any] = {}
        if group_id:
            matches, values["of_group"] = and_(matches, GROUPS.c.group_id == _GROUP), group_id
        if name:
            matches, values["name_part"] = and_(matches, _NAME_HOLDS), name
        total, rows = self._page(
            select(func.count()).select_from(GROUPS).where(matches),
            _GROUPS.where(matches).order_by(GROUPS.c.group_id),
            values,
            window,
        )
        return total, [_group_of(row) for row in rows]

    def joined_groups(self, user_id: str, window: Window) -> tuple[int, list[Group]]:
        """Return total and one page, by time of joining."""
        total, rows = self._page(_JOINED_COUNT, _JOINED, {"of_user": user_id}, window)
        return total, [_group_of(row) for row in rows]

    def joined_group_ids(self, user_id: str, after: str, limit: int) -> list[str]:
        """Return ids of groups a user is in, ascending."""
        behind = {"of_user": user_id, "after": after, "size": max(0, limit)}
        return list(self._connection.scalars(_JOINED_IDS, behind))

    def managed_group_ids(self, user_id: str) -> list[str]:
        """Return the groups in which a user is owner or admin, ascending."""
        return list(self._connection.scalars(_MANAGED_IDS, {"of_user": user_id}))

    def members(self, group_id: str, user_ids: Sequence[str]) -> dict[str, Member]:
        """Return which of these are members."""
        rows = self._connection.execute(_SOME_MEMBERS, {"of_group": group_id, **wanted(user_ids)})
        found = {member.user.user_id: member for member in map(_member_of, rows)}
        return in_order(found, user_ids)

    def staff(self, group_id: str) -> list[Member]:
        """Return owner and admins."""
        return [_member_of(row) for row in self._connection.execute(_STAFF, {"of_group": group_id})]

    def member_count(self, group_id: str) -> int:
        """Return how many members a group has."""
        return self._connection.execute(_MEMBER_COUNT, {"of_group": group_id}).scalar() or 0

    def page_members(
        self, group_id: str, roles: Sequence[int], keyword: str, window: Window
    ) -> tuple[int, list[Member]]:
        """Return total and one page."""
        values: dict[str, Any] = {"of_group": group_id}
        if not roles and not keyword:
            rows = self._connection.execute(_LIST.limit(SIZE).offset(SKIP), {**values, **bounds(window)})
            return self.member_count(group_id), [_member_of(row) for row in rows]
        matches: ColumnElement[bool] = true()
        if roles:
            matches, values["roles"] = and_(matches, _HAS_ROLE), list(roles)
        if keyword:
            matches, values["keyword"] = and_(matches, _IS_NAMED), keyword
        count = _NAMED_COUNT if keyword else _ROLES_COUNT
        total, page = self._page(count.where(matches), _LIST.where(matches), values, window)
        return total, [_member_of(row) for row in page]

    def member_ids(self, group_id: str) -> list[str]:
        """Return the ids of all members in list order."""
        return list(self._connection.scalars(_MEMBER_IDS, {"of_group": group_id}))

    def member_ids_behind(self, group_id: str, after: str, limit: int) -> list[str]:
        """Return ids of members, ascending."""
        behind = {"of_group": group_id, "after": after, "size": max(0, limit)}
        return list(self._connection.scalars(_MEMBER_IDS_BEHIND, behind))

    def group_request(self, group_id: str, user_id: str) -> GroupRequest | None:
        """Return a user's newest application to a group."""
        rows = self._connection.execute(_REQUEST, {"of_group": group_id, "of_user": user_id}).all()
        return next(iter(self._requests_of(rows)), None)

    def requests_to_groups(
        self, group_ids: Sequence[str], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        """Return total and one page, newest first."""
        return self._page_group_requests(_TO_GROUPS, wanted(group_ids), results, window)

    def requests_of_user(
        self, user_id: str, group_ids: Sequence[str], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        """Return total and one page, newest first."""
        if not group_ids:
            return self._page_group_requests(_OF_USER, {"of_user": user_id}, results, window)
        values = {"of_user": user_id, **wanted(group_ids)}
        return self._page_group_requests(and_(_OF_USER, _TO_GROUPS), values, results, window)

    def pending_group_requests(self, group_ids: Sequence[str], since_ms: int) -> int:
        """Return how many nobody handled."""
        return self._connection.execute(_PENDING, {"since": since_ms, **wanted(group_ids)}).scalar_one()

    def member_list_version(self, group_id: str) -> ListVersion:
        """Return where a member list stands."""
        return self._list_version(ListKind.MEMBERS, group_id)

    def member_list_versions(self, group_ids: Sequence[str]) -> dict[str, ListVersion]:
        """Return where member lists stand."""
        there = list(self._connection.scalars(_EXISTING, wanted(group_ids)))
        heads = version_lists.heads(self._connection, ListKind.MEMBERS, there)
        found = {one: ListVersion(*heads.get(one, (0, ""))) for one in there}
        return in_order(found, group_ids)

    def member_list_changes(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """Return what changed in a member list."""
        delta = version_lists.delta(self._connection, ListKind.MEMBERS, group_id, version_id, version)
        return delta or full_delta(NO_LIST)

    def member_sort_version(self, group_id: str) -> int:
        """Return at which version the order changed last."""
        head = version_lists.head(self._connection, ListKind.MEMBERS, group_id)
        return head.sort_version if head else 0

    def _page_group_requests(
        self, which: ColumnElement[bool], values: dict[str, Any], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        if results:
            which, values = and_(which, _RESULTS), {**values, "results": list(results)}
        total, rows = self._page(
            select(func.count()).select_from(GROUP_REQUESTS).where(which),
            _REQUESTS.where(which).order_by(GROUP_REQUESTS.c.req_time.desc(), GROUP_REQUESTS.c.id.desc()),
            values,
            window,
        )
        return total, self._requests_of(rows)

    def _requests_of(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> list[GroupRequest]:
        people = self.users([row[0] for row in rows])
        return [GroupRequest(user=people[row[0]], **dict(zip(_REQUEST_NAMES, row[1:], strict=True))) for row in rows]


def _group_of(row: Row[*tuple[Any, ...]]) -> Group:
    return Group(**dict(zip(_GROUP_NAMES, row[:-1], strict=True)), owner_user_id=row[-1])


def _member_of(row: Row[*tuple[Any, ...]]) -> Member:
    width = len(_MEMBER_NAMES)
    return Member(user=users.user_of(row[width:]), **dict(zip(_MEMBER_NAMES, row[:width], strict=True)))
