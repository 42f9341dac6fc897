"""
Accounts.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, func, select, update

from openim_ray.domain.errors import RegisteredAlready, UserIDNotFound
from openim_ray.domain.people import User, shows_differently
from openim_ray.storage.relational import version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Contains, Upsert, is_wanted, wanted
from openim_ray.storage.relational.directory_part import DirectoryPart, window_of
from openim_ray.storage.relational.directory_tables import FRIENDS, MEMBERS, USERS, VERSION_LISTS
from openim_ray.storage.relational.lookups import Lookup
from openim_ray.storage.version_rules import ListKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

    from openim_ray.ports import Page

USER_COLUMNS = tuple(column for column in USERS.c if column.name != "id")
"""The columns of an account, in the order of the fields of `User`."""

_REGISTER = Upsert(USERS, lambda new: new)
_USERS = Lookup(select(*USER_COLUMNS).where(is_wanted(USERS.c.user_id)))
_IDS = select(USERS.c.user_id).where(is_wanted(USERS.c.user_id))
_PUT = (
    update(USERS)
    .where(USERS.c.user_id == bindparam("of_user", type_=TEXT))
    .values({column.name: bindparam(f"new_{column.name}", type_=column.type) for column in USER_COLUMNS[1:]})
)

_MATCHES = and_(
    Contains(USERS.c.user_id, bindparam("user_id_part", type_=TEXT)),
    Contains(USERS.c.nickname, bindparam("nickname_part", type_=TEXT)),
)
_MATCHES_COUNT = select(func.count()).select_from(USERS).where(_MATCHES)
_MATCHES_PAGE = (
    select(*USER_COLUMNS)
    .where(_MATCHES)
    .order_by(USERS.c.id)
    .limit(bindparam("size", type_=INTEGER))
    .offset(bindparam("skip", type_=INTEGER))
)


class RelationalUserStore(DirectoryPart):
    """
    `ports.UserStore`.
    """

    async def register(self, users: Sequence[User]) -> None:
        """See `ports.UserStore`."""
        await self._write(partial(_register, users))

    async def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """See `ports.UserStore`."""
        return await self._read(partial(read_users, user_ids))

    async def page_users(self, page: Page, user_id: str, nickname: str) -> tuple[int, list[User]]:
        """See `ports.UserStore`."""
        return await self._read(partial(_page_users, page, user_id, nickname))


def user_of(columns: Sequence[str | int]) -> User:
    """
    Return the account of a row of USER_COLUMNS.
    """
    user_id, nickname, face_url, ex, create_time, app_manager_level, global_recv_msg_opt, status = columns
    return User(
        user_id=user_id,  # type: ignore[arg-type]
        nickname=nickname,  # type: ignore[arg-type]
        face_url=face_url,  # type: ignore[arg-type]
        ex=ex,  # type: ignore[arg-type]
        create_time=create_time,  # type: ignore[arg-type]
        app_manager_level=app_manager_level,  # type: ignore[arg-type]
        global_recv_msg_opt=global_recv_msg_opt,  # type: ignore[arg-type]
        status=status,  # type: ignore[arg-type]
    )


def _register(users: Sequence[User], connection: Connection) -> None:
    taken = set(read_users([user.user_id for user in users], connection))
    for user in users:
        if user.user_id in taken:
            raise RegisteredAlready(user.user_id)
        taken.add(user.user_id)
    if users:
        _REGISTER.insert_all(connection, [asdict(user) for user in users])


def read_users(user_ids: Sequence[str], connection: Connection) -> dict[str, User]:
    """
    Return the accounts that exist among these ids, in their order.
    """
    users = {row[0]: user_of(row) for row in _USERS.rows(connection, wanted(user_ids))}
    return {user_id: users[user_id] for user_id in user_ids if user_id in users}


def existing_ids(user_ids: Iterable[str], connection: Connection) -> set[str]:
    """
    Return which of these ids have an account.
    """
    return set(connection.scalars(_IDS, wanted(user_ids)))


def put_user(user: User, connection: Connection) -> None:
    """
    Replace an account, and take a step in every list that shows it if others see a difference; UserIDNotFound if there is none.
    """
    before = read_users([user.user_id], connection).get(user.user_id)
    if before is None:
        raise UserIDNotFound(user.user_id)
    values = {f"new_{name}": value for name, value in asdict(user).items() if name != "user_id"}
    connection.execute(_PUT, {"of_user": user.user_id, **values})
    if shows_differently(before, user):
        for lists in _lists_showing(user.user_id):
            version_lists.update_known(connection, lists, user.user_id)


def _lists_showing(user_id: str) -> Iterator[ColumnElement[bool]]:
    """Yield a condition for each kind of list: joined by OR, PostgreSQL would read all lists."""
    friends_of = select(FRIENDS.c.owner_user_id).where(FRIENDS.c.friend_user_id == user_id)
    groups_of = select(MEMBERS.c.group_id).where(MEMBERS.c.user_id == user_id)
    kind, owner = VERSION_LISTS.c.kind, VERSION_LISTS.c.owner
    yield and_(kind == int(ListKind.FRIENDS), owner.in_(friends_of))
    yield and_(kind == int(ListKind.MEMBERS), owner.in_(groups_of))


def _page_users(page: Page, user_id: str, nickname: str, connection: Connection) -> tuple[int, list[User]]:
    parts = {"user_id_part": user_id, "nickname_part": nickname}
    total = connection.execute(_MATCHES_COUNT, parts).scalar_one()
    rows = connection.execute(_MATCHES_PAGE, {**parts, **window_of(page)})
    return total, [user_of(row) for row in rows]
