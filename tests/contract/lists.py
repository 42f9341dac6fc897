"""
Fill a directory with what no port writes yet: friends, black lists, members.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import create_engine

from openim_ray.storage.memory import DirectoryTables, MemoryDirectoryStore
from openim_ray.storage.relational import version_lists
from openim_ray.storage.relational.dialects import Upsert
from openim_ray.storage.relational.directory_tables import BLACKS, FRIENDS, GROUPS, MEMBERS
from openim_ray.storage.sqlite.database import RelationalWriter
from openim_ray.storage.version_rules import Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Table

    from openim_ray.domain.ids import UserID
    from openim_ray.domain.people import Blocked, Friend
    from openim_ray.storage.places import Places
    from openim_ray.storage.stores import OpenDirectoryStore


class Filler:
    """
    Writes below the ports, into whichever backend a directory has.
    """

    def __init__(self, directory: OpenDirectoryStore, places: Places) -> None:
        self._tables = directory.tables if isinstance(directory, MemoryDirectoryStore) else None
        self._places = places

    def friend(self, friend: Friend) -> None:
        """Add a friend."""
        if isinstance(self._tables, DirectoryTables):
            self._tables.put_friend(friend)
            return
        columns = asdict(friend)
        columns["friend_user_id"] = columns.pop("friend")["user_id"]
        self._insert(FRIENDS, columns)
        self.change(ListKind.FRIENDS, friend.owner_user_id, friend.friend.user_id, Change.INSERTED)

    def blocked(self, blocked: Blocked) -> None:
        """Add an entry of a black list."""
        if isinstance(self._tables, DirectoryTables):
            self._tables.put_blocked(blocked)
            return
        columns = asdict(blocked)
        columns["blocked_user_id"] = columns.pop("blocked")["user_id"]
        self._insert(BLACKS, columns)

    def member(self, user_id: UserID, group_id: str, join_time: int) -> None:
        """Let a user join a group, which is made if need be."""
        if isinstance(self._tables, DirectoryTables):
            self._tables.put_member(user_id, group_id, join_time)
            return
        self._insert(GROUPS, _blank(GROUPS) | {"group_id": group_id})
        self._insert(MEMBERS, _blank(MEMBERS) | {"group_id": group_id, "user_id": user_id, "join_time": join_time})
        self.change(ListKind.JOINED_GROUPS, user_id, group_id, Change.INSERTED)
        self.change(ListKind.MEMBERS, group_id, user_id, Change.INSERTED)

    def change(self, kind: ListKind, owner: str, element: str, change: Change, *, reordered: bool = False) -> None:
        """Take a step of a version list."""
        self.change_all(kind, owner, [(element, change)], reordered=reordered)

    def change_all(
        self, kind: ListKind, owner: str, changes: list[tuple[str, Change]], *, reordered: bool = False
    ) -> None:
        """Take steps of a version list."""
        if isinstance(self._tables, DirectoryTables):
            for element, change in changes:
                self._tables.versions.change(kind, owner, element, change, reordered=reordered)
            return
        with self._transaction() as connection:
            for element, change in changes:
                version_lists.change(connection, kind, owner, element, change, reordered=reordered)

    def head_version(self, kind: ListKind, owner: str) -> int:
        """Return the version of a list, 0 if nobody made it yet."""
        if isinstance(self._tables, DirectoryTables):
            return self._tables.versions.head(kind, owner).version
        with self._transaction() as connection:
            found = version_lists.head(connection, kind, owner)
        return found.version if found else 0

    def _insert(self, table: Table, columns: dict[str, object]) -> None:
        with self._transaction() as connection:
            connection.execute(Upsert(table, lambda new: new.on_conflict_do_nothing()).on(connection), columns)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._places.directory:
            engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(self._places.directory))
            with engine.begin() as connection:
                yield connection
            engine.dispose()
            return
        path = self._places.data_dir / "directory.db"
        with closing(RelationalWriter(path)) as writer, writer.transaction() as connection:
            yield connection


def _blank(table: Table) -> dict[str, object]:
    return {column.name: column.type.python_type() for column in table.columns if column.name != "id"}
