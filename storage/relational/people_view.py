"""
Accounts and relations as a transaction sees them; see `transactions.PeopleView` for the meaning of each method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import and_, bindparam, func, or_, select, true

from openim_ray.domain.errors import UserIDNotFound
from openim_ray.domain.people import FriendRequest, HandleResult, UserCommand
from openim_ray.storage.relational import announcements, relations, users, version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Contains, is_wanted, wanted
from openim_ray.storage.relational.directory_part import INTEGER_MAX
from openim_ray.storage.relational.directory_tables import (
    BLACKS,
    CLIENT_CONFIG,
    FRIEND_REQUESTS,
    FRIENDS,
    USER_COMMANDS,
    USERS,
)
from openim_ray.storage.version_rules import ListKind
from openim_ray.transactions import ListVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

    from openim_ray.domain.people import Blocked, Friend, ProfileAnnouncement, User
    from openim_ray.transactions import Window

T = TypeVar("T")

SIZE, SKIP = bindparam("size", type_=INTEGER), bindparam("skip", type_=INTEGER)
SINCE = bindparam("since", type_=INTEGER)
_OWNER = bindparam("owner", type_=TEXT)
_AFTER = bindparam("after", type_=TEXT)

_KEYWORD = bindparam("keyword", type_=TEXT)
_FOUND = and_(
    or_(Contains(USERS.c.user_id, _KEYWORD), Contains(USERS.c.nickname, _KEYWORD)),
    USERS.c.app_manager_level.in_(bindparam("levels", expanding=True, type_=INTEGER)),
)
_SEARCH_COUNT = select(func.count()).select_from(USERS).where(_FOUND)
_SEARCH = select(*users.USER_COLUMNS).where(_FOUND).order_by(USERS.c.id).limit(SIZE).offset(SKIP)

_FRIEND_COUNT = select(func.count()).select_from(FRIENDS).where(FRIENDS.c.owner_user_id == _OWNER)
_BLACK_COUNT = select(func.count()).select_from(BLACKS).where(BLACKS.c.owner_user_id == _OWNER)
_FRIEND_OWNERS = (
    select(FRIENDS.c.owner_user_id)
    .where(FRIENDS.c.friend_user_id == bindparam("friend", type_=TEXT), FRIENDS.c.owner_user_id > _AFTER)
    .order_by(FRIENDS.c.owner_user_id)
    .limit(SIZE)
)
_BLACKS = relations.BLACKS_LIST.where(is_wanted(BLACKS.c.blocked_user_id))

_FROM, _TO = USERS.alias("from_user"), USERS.alias("to_user")
_REQUEST_NAMES = ("handle_result", "req_msg", "create_time", "handler_user_id", "handle_msg", "handle_time", "ex")
_REQUESTS = (
    select(
        *(FRIEND_REQUESTS.c[name] for name in _REQUEST_NAMES),
        *(_FROM.c[column.name] for column in users.USER_COLUMNS),
        *(_TO.c[column.name] for column in users.USER_COLUMNS),
    )
    .join_from(FRIEND_REQUESTS, _FROM, FRIEND_REQUESTS.c.from_user_id == _FROM.c.user_id)
    .join(_TO, FRIEND_REQUESTS.c.to_user_id == _TO.c.user_id)
)
_REQUEST = _REQUESTS.where(
    FRIEND_REQUESTS.c.from_user_id == bindparam("from_id", type_=TEXT),
    FRIEND_REQUESTS.c.to_user_id == bindparam("to_id", type_=TEXT),
)
_RESULTS = FRIEND_REQUESTS.c.handle_result.in_(bindparam("results", expanding=True, type_=INTEGER))
_SENT, _RECEIVED = FRIEND_REQUESTS.c.from_user_id == _OWNER, FRIEND_REQUESTS.c.to_user_id == _OWNER
_PENDING = (
    select(func.count())
    .select_from(FRIEND_REQUESTS)
    .where(
        _RECEIVED,
        FRIEND_REQUESTS.c.create_time >= SINCE,
        FRIEND_REQUESTS.c.handle_result == int(HandleResult.PENDING),
    )
)

_COMMAND_NAMES = tuple(column.name for column in USER_COMMANDS.c if column.name != "id")
_COMMANDS = (
    select(*(USER_COMMANDS.c[name] for name in _COMMAND_NAMES))
    .where(USER_COMMANDS.c.user_id == _OWNER)
    .order_by(USER_COMMANDS.c.create_time, USER_COMMANDS.c.id)
)
_COMMANDS_OF_KIND = _COMMANDS.where(USER_COMMANDS.c.kind == bindparam("kind", type_=INTEGER))

_KEY = bindparam("config_key", type_=TEXT)
_CONFIG = (
    select(CLIENT_CONFIG.c.key, CLIENT_CONFIG.c.value)
    .where(CLIENT_CONFIG.c.user_id == _OWNER)
    .order_by(CLIENT_CONFIG.c.key)
)


class PeopleView:
    """
    `transactions.PeopleView`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Return the accounts that exist among these ids."""
        return users.read_users(user_ids, self._connection)

    def search_users(self, keyword: str, levels: Sequence[int], window: Window) -> tuple[int, list[User]]:
        """Return total and one page, in order of registration."""
        found = {"keyword": keyword, "levels": list(levels)}
        rows = self._connection.execute(_SEARCH, found | bounds(window))
        page = [users.user_of(row) for row in rows]
        return self._connection.execute(_SEARCH_COUNT, found).scalar_one(), page

    def friends_among(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Friend]:
        """Return which of these stand in the friend list."""
        rows = self._connection.execute(relations.DESIGNATED_FRIENDS, {"owner": owner_id, **wanted(user_ids)})
        found = {friend.friend.user_id: friend for friend in map(relations.friend_of, rows)}
        return in_order(found, user_ids)

    def friend_count(self, owner_id: str) -> int:
        """Return how many friends a list holds."""
        return int(self._connection.execute(_FRIEND_COUNT, {"owner": owner_id}).scalar_one())

    def friend_owners(self, friend_id: str, after: str, limit: int) -> list[str]:
        """Return whose lists hold a user."""
        behind = {"friend": friend_id, "after": after, "size": max(0, limit)}
        return list(self._connection.scalars(_FRIEND_OWNERS, behind))

    def blacks_among(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Blocked]:
        """Return which of these stand in the black list."""
        rows = self._connection.execute(_BLACKS, {"owner": owner_id, **wanted(user_ids)})
        found = {blocked.blocked.user_id: blocked for blocked in map(relations.blocked_of, rows)}
        return in_order(found, user_ids)

    def black_count(self, owner_id: str) -> int:
        """Return how many entries a black list holds."""
        return int(self._connection.execute(_BLACK_COUNT, {"owner": owner_id}).scalar_one())

    def friend_request(self, from_id: str, to_id: str) -> FriendRequest | None:
        """Return the newest application."""
        row = self._connection.execute(_REQUEST, {"from_id": from_id, "to_id": to_id}).first()
        return _request_of(row) if row else None

    def received_friend_requests(
        self, user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        """Return total and one page, newest first."""
        return self._page_requests(_RECEIVED, user_id, results, window)

    def sent_friend_requests(
        self, user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        """Return total and one page, newest first."""
        return self._page_requests(_SENT, user_id, results, window)

    def _page_requests(
        self, whose: ColumnElement[bool], user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        matches = and_(whose, _RESULTS if results else true())
        times = (FRIEND_REQUESTS.c.create_time.desc(), FRIEND_REQUESTS.c.id.desc())
        values = {"owner": user_id, **({"results": list(results)} if results else {})}
        total, rows = self._page(
            select(func.count()).select_from(FRIEND_REQUESTS).where(matches),
            _REQUESTS.where(matches).order_by(*times),
            values,
            window,
        )
        return total, [_request_of(row) for row in rows]

    def pending_friend_requests(self, user_id: str, since_ms: int) -> int:
        """Return how many nobody handled."""
        return self._connection.execute(_PENDING, {"owner": user_id, "since": since_ms}).scalar_one()

    def user_commands(self, user_id: str, kind: int | None) -> list[UserCommand]:
        """Return what a user keeps, oldest first."""
        if kind is None:
            rows = self._connection.execute(_COMMANDS, {"owner": user_id})
        else:
            rows = self._connection.execute(_COMMANDS_OF_KIND, {"owner": user_id, "kind": kind})
        return [UserCommand(**dict(zip(_COMMAND_NAMES, row, strict=True))) for row in rows]

    def client_config(self, user_id: str) -> dict[str, str]:
        """Return settings."""
        return {row[0]: row[1] for row in self._connection.execute(_CONFIG, {"owner": user_id})}

    def page_client_config(self, user_id: str, key: str, window: Window) -> tuple[int, list[tuple[str, str, str]]]:
        """Return total and one page, by user id and key."""
        columns = CLIENT_CONFIG.c
        matches = and_(
            true(), *((columns.user_id == _OWNER,) if user_id else ()), *((columns.key == _KEY,) if key else ())
        )
        total, rows = self._page(
            select(func.count()).select_from(CLIENT_CONFIG).where(matches),
            select(columns.user_id, columns.key, columns.value).where(matches).order_by(columns.user_id, columns.key),
            {**({"owner": user_id} if user_id else {}), **({"config_key": key} if key else {})},
            window,
        )
        return total, [(row[0], row[1], row[2]) for row in rows]

    def profile_announcement(self, user_id: str) -> ProfileAnnouncement | None:
        """Return what is still to be told of a user."""
        return announcements.of_user(self._connection, user_id)

    def next_profile_announcement(self) -> ProfileAnnouncement | None:
        """Return the announcement that was moved on longest ago."""
        return announcements.next_one(self._connection)

    def friend_list_version(self, owner_id: str) -> ListVersion:
        """Return where a friend list stands."""
        return self._list_version(ListKind.FRIENDS, owner_id)

    def _list_version(self, kind: ListKind, owner: str) -> ListVersion:
        head = version_lists.head(self._connection, kind, owner)
        return ListVersion(head.version, head.version_id) if head else ListVersion(0, "")

    def _page(
        self, count: Select[Any], rows: Select[Any], values: Mapping[str, Any], window: Window
    ) -> tuple[int, Sequence[Row[*tuple[Any, ...]]]]:
        page = self._connection.execute(rows.limit(SIZE).offset(SKIP), {**values, **bounds(window)}).all()
        return self._connection.execute(count, values).scalar_one(), page

    def _require_users(self, user_ids: Iterable[str]) -> None:
        """Raise UserIDNotFound unless all of them have an account."""
        asked = list(user_ids)
        there = users.existing_ids(asked, self._connection)
        for user_id in asked:
            if user_id not in there:
                raise UserIDNotFound(user_id)


def bounds(window: Window) -> dict[str, int]:
    """
    Return the parameters `size` and `skip` of a window.
    """
    return {"size": min(max(0, window.size), INTEGER_MAX), "skip": min(max(0, window.skip), INTEGER_MAX)}


def in_order(found: Mapping[Any, T], asked: Sequence[str]) -> dict[str, T]:
    """
    Return what was found in the order of the question.
    """
    return {one: found[one] for one in asked if one in found}


def _request_of(row: Row[*tuple[Any, ...]]) -> FriendRequest:
    width, people = len(_REQUEST_NAMES), len(users.USER_COLUMNS)
    return FriendRequest(
        from_user=users.user_of(row[width : width + people]),
        to_user=users.user_of(row[width + people :]),
        **dict(zip(_REQUEST_NAMES, row[:width], strict=True)),
    )
