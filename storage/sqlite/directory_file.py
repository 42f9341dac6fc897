"""
How the parts of the directory reach `directory.db`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from openim_ray.storage.sqlite import version_lists
from openim_ray.storage.sqlite.connection import INTEGER_MAX
from openim_ray.storage.sqlite.relational import RelationalReader, RelationalWriter
from openim_ray.storage.sqlite.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection, Select

    from openim_ray.ports import Page, VersionDelta
    from openim_ray.storage.version_rules import ListKind

T = TypeVar("T")

READER_THREADS = 2


class DirectoryFile:
    """
    Reads see one state of the file; writes are short transactions on one thread, fsync before they return.
    """

    def __init__(self, path: Path) -> None:
        self._readers = Threads(f"{path.stem}-reader", READER_THREADS, partial(RelationalReader, path))
        self._writer = Threads(f"{path.stem}-writer", 1, partial(RelationalWriter, path))

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._readers.aclose()
        await self._writer.aclose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run(reader: RelationalReader) -> T:
            with reader.snapshot() as connection:
                return query(connection)

        return await self._readers.run(run)

    async def _write(self, change: Callable[[Connection], T]) -> T:
        def run(writer: RelationalWriter) -> T:
            with writer.transaction() as connection:
                return change(connection)

        return await self._writer.run(run)

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
