"""
The files of a data directory in which nothing is stored yet.
"""

from __future__ import annotations

from pathlib import Path

from openim_ray.storage.sqlite.migrate import ensure_schema
from tests.servers.once import made_once

DATABASES = ("messages", "state", "directory", "history")


def empty_files() -> Path:
    """Return the folder of the files that this run has made once."""
    return made_once("files", _make)


def _make(folder: Path) -> None:
    for database in DATABASES:
        ensure_schema(folder / f"{database}.db", database)
