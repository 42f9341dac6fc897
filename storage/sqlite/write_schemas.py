"""
Write down what the revisions of each database make of an empty file, for `new_files.py`: `python -m openim_ray.storage.sqlite.write_schemas`.

To be done with each new revision; a test fails until it is.
"""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from openim_ray.storage.migrations import DATABASES
from openim_ray.storage.sqlite.migrate import run_revisions
from openim_ray.storage.sqlite.new_files import SCHEMAS

LEFT_OUT = ("BEGIN TRANSACTION;", "COMMIT;", 'DELETE FROM "sqlite_sequence";')
"""Lines of a dump: who makes a file has a transaction of its own, and what SQLite counted for a table that is gone is no part of a schema."""


def dump(path: Path) -> str:
    """
    Return the statements that make a file with the tables and rows of this one.
    """
    with closing(sqlite3.connect(path)) as connection:
        return "".join(f"{line}\n" for line in connection.iterdump() if line not in LEFT_OUT)


def main() -> None:
    """
    Write down the schema of every database.
    """
    for database in DATABASES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{database}.db"
            run_revisions(path, database)
            (SCHEMAS / f"{database}.sql").write_text(dump(path), encoding="utf-8")


if __name__ == "__main__":
    main()
