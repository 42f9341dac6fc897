"""
Fill a directory from synchronous code, and take steps of version lists below the ports.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import create_engine

from openim_ray.domain.group import Group, Member
from openim_ray.domain.ids import GroupID
from openim_ray.domain.people import User
from openim_ray.storage.memory import DirectoryTables, MemoryDirectoryStore
from openim_ray.storage.relational import version_lists
from openim_ray.storage.relational.transaction import RelationalTransaction
from openim_ray.storage.sqlite.database import RelationalWriter
from openim_ray.storage.version_rules import Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from openim_ray.domain.ids import UserID
    from openim_ray.domain.people import Blocked, Friend
    from openim_ray.storage.places import Places
    from openim_ray.storage.stores import OpenDirectoryStore
    from openim_ray.transactions import DirectoryTransaction


class Filler:
    """
    Writes into whichever backend a directory has, on a connection of its own.
    """

    def __init__(self, directory: OpenDirectoryStore, places: Places) -> None:
        self._tables = directory.tables if isinstance(directory, MemoryDirectoryStore) else None
        self._places = places

    def friend(self, friend: Friend) -> None:
        """Add a friend."""
        self.use(lambda transaction: transaction.put_friend(friend))

    def blocked(self, blocked: Blocked) -> None:
        """Add an entry of a black list."""
        self.use(lambda transaction: transaction.put_blocked(blocked))

    def member(self, user_id: UserID, group_id: str, join_time: int) -> None:
        """Let a user join a group, which is made if need be."""
        member = Member(group_id=GroupID(group_id), user=User(user_id=user_id), join_time=join_time)

        def join(transaction: DirectoryTransaction) -> None:
            if not transaction.groups([group_id]):
                transaction.put_group(Group(group_id=GroupID(group_id)))
            transaction.put_member(member)

        self.use(join)

    def use(self, use_case: Callable[[DirectoryTransaction], None]) -> None:
        """Run a use case."""
        if isinstance(self._tables, DirectoryTables):
            self._tables.change(use_case)
            return
        with self._transaction() as connection:
            use_case(RelationalTransaction(connection))

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
