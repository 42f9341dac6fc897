"""Alembic revisions of the relational schemas, shipped inside the package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DATABASES = ("messages", "state", "directory", "history")
"""Each has a folder of revisions here, and in SQLite a file of its name."""

MIGRATE_SECONDS = 60.0
"""How long a process waits for another one that migrates the same database."""


def revisions(database: str) -> Sequence[str]:
    """
    Return the known revisions of a database, oldest first: the folder's files `NNNN_name.py`, one straight line.
    """
    return sorted(path.name.partition("_")[0] for path in (Path(__file__).parent / database).glob("[0-9]*_*.py"))
