"""
How the parts of the directory reach the database.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from openim_ray.storage.relational import version_lists

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Select

    from openim_ray.ports import Page, VersionDelta
    from openim_ray.storage.relational.database import Database
    from openim_ray.storage.version_rules import ListKind

T = TypeVar("T")

INTEGER_MAX = (1 << 63) - 1


class DirectoryPart:
    """
    Reads see one state of the database; writes are short transactions, durable when they return.
    """

    def __init__(self, database: Database) -> None:
        self._read = database.read
        self._write = database.write
        self._close = database.aclose
        self._scrub = database.scrub

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._close()

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`."""
        return await self._scrub()

    async def _delta(self, kind: ListKind, owner: str, version_id: str, version: int) -> VersionDelta:
        query = partial(version_lists.delta, kind=kind, owner=owner, version_id=version_id, version=version)
        return await self._read_list(kind, owner, query)

    async def _versioned_ids(self, kind: ListKind, owner: str, ids: Select[str]) -> tuple[int, str, list[str]]:
        """Return version, version id and the ids that a query with the parameter `owner` finds."""

        def query(connection: Connection) -> tuple[int, str, list[str]] | None:
            head = version_lists.head(connection, kind, owner)
            if head is None:
                return None
            return head.version, head.version_id, list(connection.scalars(ids, {"owner": owner}))

        return await self._read_list(kind, owner, query)

    async def _read_list(self, kind: ListKind, owner: str, query: Callable[[Connection], T | None]) -> T:
        """Run a query that answers None while the version list doesn't exist; then make it, which needs the writer."""
        found = await self._read(query)
        if found is not None:
            return found

        def make_and_read(connection: Connection) -> T:
            version_lists.make(connection, kind, owner)
            made = query(connection)
            assert made is not None, "a version list was made in this transaction"
            return made

        return await self._write(make_and_read)


def window_of(page: Page) -> dict[str, int]:
    """
    Return the parameters `size` and `skip` of a page.
    """
    return {"size": page.size, "skip": min(max(0, page.number - 1) * page.size, INTEGER_MAX)}
