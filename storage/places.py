"""
Where each store is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.config.values import EMBEDDED_STORE, MONGODB_SCHEMES, POSTGRESQL_SCHEMES

if TYPE_CHECKING:
    from openim_ray.config import Config

EMBEDDED = EMBEDDED_STORE
"""What stands for a SQLite file in the data directory."""

SERVED = ("state", "directory", "history")
"""What PostgreSQL can keep."""

IN_MEMORY = "memory:"
"""A place for tests: stores and readers of one process that name the same data directory share their tables, and nothing survives it."""


class Places(NamedTuple):
    """
    Where each store is: a URL, or empty for a SQLite file in the data directory.
    """

    data_dir: Path
    messages: str = ""
    directory: str = ""
    history: str = ""
    tokens: str = ""
    """Where hot copies of tokens and read positions are; empty for nowhere."""

    @classmethod
    def of(cls, config: Config) -> Places:
        """Return the places that the configuration names."""
        storage = config.storage
        return cls(
            Path(config.server.data_dir),
            storage.messages_url,
            storage.directory_url,
            storage.history_url,
            "" if storage.tokens_url in EMBEDDED else storage.tokens_url,
        )

    @classmethod
    def in_memory(cls, data_dir: Path) -> Places:
        """Return places of a server that forgets."""
        return cls(data_dir, IN_MEMORY, IN_MEMORY, IN_MEMORY)

    @property
    def databases(self) -> dict[str, str]:
        """The URL of each database (`storage.migrations.DATABASES`) that there is."""
        databases = {"messages": self.messages, "state": self.directory, "directory": self.directory}
        return {**databases, "history": self.history} if self.has_history else databases

    @property
    def has_history(self) -> bool:
        """Whether messages are copied to a history; SQLite's store of messages, which deletes none, is its own."""
        return not (self.messages in EMBEDDED and self.history in EMBEDDED)


def is_mongodb(url: str) -> bool:
    """
    Tell whether a URL names a MongoDB.
    """
    return url.partition("://")[0] in MONGODB_SCHEMES


def is_postgresql(url: str) -> bool:
    """
    Tell whether a URL names a PostgreSQL database.
    """
    return url.partition("://")[0] in POSTGRESQL_SCHEMES
