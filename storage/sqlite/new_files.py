"""
Files of a first start: made as the newest revision has them, in one transaction.

Running the revisions one by one takes Alembic and most of a second of CPU. What they make stands in `schemas/<database>.sql`, written down by
`write_schemas.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

SCHEMAS = Path(__file__).with_name("schemas")


def make(connection: sqlite3.Connection, database: str) -> None:
    """
    Make the tables of a database, its first rows and its revision in an empty file: all of it or nothing. sqlite3.Error if that can't be.
    """
    connection.executescript(f"BEGIN IMMEDIATE;\n{schema(database)}COMMIT;")


def schema(database: str) -> str:
    """
    Return the statements that make a file of the newest revision.
    """
    return (SCHEMAS / f"{database}.sql").read_text(encoding="utf-8")
