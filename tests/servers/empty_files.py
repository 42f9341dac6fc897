"""
The files of a data directory in which nothing is stored yet.
"""

from __future__ import annotations

from pathlib import Path

from openim_ray.storage.sqlite.migrate import migrate_apart
from tests.servers.once import made_once


def empty_files() -> Path:
    """Return the folder of the files that this run has made once: their migration costs a tenth of a start. Those who test first starts call `up` themselves."""
    return made_once("files", _make)


def _make(folder: Path) -> None:
    migrate_apart(folder, ["messages", "state", "directory", "history"])
