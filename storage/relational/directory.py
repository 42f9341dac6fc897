"""
The directory, whole.
"""

from __future__ import annotations

from openim_ray.storage.relational.conversations import RelationalConversationStore
from openim_ray.storage.relational.relations import RelationalRelationStore
from openim_ray.storage.relational.users import RelationalUserStore


class RelationalDirectoryStore(RelationalUserStore, RelationalRelationStore, RelationalConversationStore):
    """
    `ports.DirectoryStore` over a database; any number of processes may hold one.
    """
