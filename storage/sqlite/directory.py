"""
The directory, whole.
"""

from __future__ import annotations

from openim_ray.storage.sqlite.conversations import SqliteConversationStore
from openim_ray.storage.sqlite.relations import SqliteRelationStore
from openim_ray.storage.sqlite.users import SqliteUserStore


class SqliteDirectoryStore(SqliteUserStore, SqliteRelationStore, SqliteConversationStore):
    """
    `ports.DirectoryStore` over `directory.db`; any number of processes may hold one.
    """
