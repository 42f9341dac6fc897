"""
The reference of every store: plain dictionaries, for tests and for the simulation.

Each store is an asynchronous face over a synchronous core (`…Tables`). The core is what "durable" means here: it outlives the
face, so a simulation crashes a process by dropping the face and keeps the tables. No method ever suspends.
"""

from __future__ import annotations

from openim_ray.storage.memory.directory import DirectoryTables, MemoryDirectoryStore
from openim_ray.storage.memory.history import HistoryTables, MemoryHistoryStore
from openim_ray.storage.memory.messages import MemoryMessageStore, MessageTables
from openim_ray.storage.memory.state import MemoryStateStore, StateTables

__all__ = [
    "DirectoryTables",
    "HistoryTables",
    "MemoryDirectoryStore",
    "MemoryHistoryStore",
    "MemoryMessageStore",
    "MemoryStateStore",
    "MemoryTables",
    "MessageTables",
    "StateTables",
]


class MemoryTables:
    """
    Everything a server of kind "memory" knows.
    """

    def __init__(self) -> None:
        self.messages = MessageTables()
        self.state = StateTables()
        self.directory = DirectoryTables()
        self.history = HistoryTables()
