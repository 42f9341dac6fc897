"""
The directory, whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from openim_ray.storage.relational.conversations import RelationalConversationStore
from openim_ray.storage.relational.relations import RelationalRelationStore
from openim_ray.storage.relational.transaction import RelationalTransaction, RelationalView
from openim_ray.storage.relational.users import RelationalUserStore
from openim_ray.transactions import Changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from openim_ray.transactions import DirectoryTransaction, DirectoryView

T = TypeVar("T")


class RelationalDirectoryStore(RelationalUserStore, RelationalRelationStore, RelationalConversationStore):
    """
    `ports.DirectoryStore` over a database; any number of processes may hold one.
    """

    async def view(self, query: Callable[[DirectoryView], T]) -> T:
        """See `ports.DirectoryStore`."""
        return await self._read(lambda connection: query(RelationalView(connection)))

    async def change(self, use_case: Callable[[DirectoryTransaction], T]) -> Changed[T]:
        """See `ports.DirectoryStore`; the use case runs in a thread of the store, again after a conflict."""

        def run(connection: Connection) -> Changed[T]:
            transaction = RelationalTransaction(connection)
            result = use_case(transaction)
            return Changed(result, tuple(transaction.home_keys))

        return await self._write(run)
