"""
What SQLite finds when it reads a whole file.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from openim_ray.domain.errors import StoreDamaged
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors
from openim_ray.storage.sqlite.wal_inspection import inspect_wal

if TYPE_CHECKING:
    from pathlib import Path

FAULTS_MAX = 100
"""SQLite ends its look after so many."""


def inspect(path: Path) -> list[str]:
    """
    Return what is wrong with a file's pages, tables and indexes. Blocks, for two seconds or so for each 100 MB; others go on reading and writing.

    Unavailable if it can't be read for another reason.
    """
    try:
        with driver_errors(path), closing(connect_reader(path)) as connection:
            rows = connection.execute(f"PRAGMA integrity_check({FAULTS_MAX})").fetchall()
            lost = inspect_wal(path)
    except StoreDamaged as error:
        return [error.detail.partition(": ")[2]]
    lines = [line for (text,) in rows for line in str(text).splitlines()]
    return [*(line for line in lines if line not in ("ok", "*** in database main ***")), *lost]
