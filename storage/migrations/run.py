"""
Run Alembic by program: no ini file, no command line.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection

_FOLDER = Path(__file__).parent
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the running migration in module variables (`alembic.op`)."""


def upgrade(connection: sqlite3.Connection, database: str) -> None:
    """
    Bring a database to its newest revision, in one transaction.

    Args:
        connection: with `isolation_level=None`, so that SQLite's DDL is part of the transaction.
        database: a folder beside this file.
    """
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    event.listen(engine, "begin", _begin)
    config = Config()
    config.set_main_option("script_location", _escaped(_FOLDER))
    config.set_main_option("version_locations", _escaped(_FOLDER / database))
    config.set_main_option("path_separator", "newline")
    with _ONE_AT_A_TIME, engine.begin() as bound:
        config.attributes["connection"] = bound
        command.upgrade(config, "head")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _escaped(folder: Path) -> str:
    return str(folder).replace("%", "%%")
