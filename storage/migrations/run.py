"""
Run Alembic by program: no ini file, no command line.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FOLDER = Path(__file__).parent
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps the running migration in module variables (`alembic.op`)."""


def upgrade(connection: Connection, database: str, version_table: str) -> None:
    """
    Bring a database to its newest revision, as a part of the caller's transaction.

    Args:
        connection: on which a transaction runs that comprises DDL.
        database: a folder beside this file.
        version_table: where the revision is written down.
    """
    config = Config()
    config.set_main_option("script_location", _escaped(_FOLDER))
    config.set_main_option("version_locations", _escaped(_FOLDER / database))
    config.set_main_option("path_separator", "newline")
    config.attributes["version_table"] = version_table
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")


def _escaped(folder: Path) -> str:
    return str(folder).replace("%", "%%")
