"""
Schemas in PostgreSQL: made, raised and judged here, and whether the server is one to be relied on. As a program, it makes them.

The revisions are the same as SQLite's; each database (`state`, `directory`, `history`) has a version table of its own, as both live in one.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from zlib import crc32

from psycopg import sql

from openim_ray.domain.errors import OpenIMError, SchemaTooNew, SchemaTooOld, UnsuitableStore
from openim_ray.storage.migrations import MIGRATE_SECONDS, revisions
from openim_ray.storage.postgres.connection import Address, DeadlineConnection, connect, driver_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION_MIN = 130_000
"""PostgreSQL 13, as the server counts."""

MIGRATION_LOCK = crc32(b"openim-ray schemas")
"""The advisory lock of a database whose tables are being made or changed."""


def ensure_schema(address: Address, database: str) -> None:
    """
    Bring a database to the newest revision; make its tables if there are none. Blocks; safe in several processes at once.

    Raises:
        SchemaTooNew: a newer server wrote it.
        UnsuitableStore: the server is too old, or set up so that it may lose what it has confirmed.
        Unavailable: it can't be reached or refuses.
    """
    with driver_errors(address), closing(connect(address)) as connection:
        _check_server(address, connection)
        if not _is_current(address, connection, database):
            _migrate(address, database)


def require_schema(address: Address, database: str) -> None:
    """
    Raise unless a database is at the newest revision; changes nothing. Blocks.

    Raises:
        SchemaTooNew, SchemaTooOld: it is not.
        Unavailable: it can't be reached or refuses.
    """
    with driver_errors(address), closing(connect(address)) as connection:
        if not _is_current(address, connection, database):
            found = _revision(connection, database) or ""
            raise SchemaTooOld(f"{address} ({database})", found, revisions(database)[-1])


def migrate_apart(url: str, databases: Sequence[str]) -> None:
    """
    Do what has to be done in a process of its own, as far as it can be done; see the function of this name for SQLite.
    """
    try:
        address = Address(url)
        with driver_errors(address), closing(connect(address)) as connection:
            if all(_is_current(address, connection, database) for database in databases):
                return
    except (ValueError, OpenIMError, SchemaTooNew):
        return
    command = [sys.executable, "-m", __spec__.name, *databases]
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 - this interpreter, this file
            command,
            input=url.encode(),  # not an argument: everybody on the machine may see those
            timeout=MIGRATE_SECONDS,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def version_table(database: str) -> str:
    """
    Return the name of the table in which a database's revision is written down.
    """
    return f"alembic_version_{database}"


def _check_server(address: Address, connection: DeadlineConnection) -> None:
    found = connection.info.server_version
    if found < VERSION_MIN:
        raise UnsuitableStore(
            f"{address} is PostgreSQL {found // 10_000}; {VERSION_MIN // 10_000} is the oldest that will do"
        )
    encoding, fsync = connection.execute(
        "SELECT current_setting('server_encoding'), current_setting('fsync')"
    ).fetchone() or ("", "")
    if encoding != "UTF8":
        raise UnsuitableStore(f"{address} has the encoding {encoding}, which can't hold every name; make one with UTF8")
    if fsync != "on":
        raise UnsuitableStore(f"{address} runs with fsync = {fsync} and may lose what it has confirmed; turn it on")


def _is_current(address: Address, connection: DeadlineConnection, database: str) -> bool:
    found, known = _revision(connection, database), revisions(database)
    if found is not None and found not in known:
        raise SchemaTooNew(f"{address} ({database})", found, known[-1])
    return found == known[-1]


def _revision(connection: DeadlineConnection, database: str) -> str | None:
    table = version_table(database)
    if connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
        return None
    row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(table))).fetchone()
    return str(row[0]) if row else None


def _migrate(address: Address, database: str) -> None:
    # Imported only when there is something to do: Alembic takes a third of a second.
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from openim_ray.storage.migrations.run import upgrade  # noqa: PLC0415

    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: _connect_patiently(address), poolclass=NullPool, hide_parameters=True
    )
    with engine.begin() as bound:
        driver = bound.connection.driver_connection
        assert isinstance(driver, DeadlineConnection)
        # Held to the end of the transaction: of several who come at once, one makes the tables and the others find them.
        driver.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        if not _is_current(address, driver, database):
            upgrade(bound, database, version_table(database))


def _connect_patiently(address: Address) -> DeadlineConnection:
    connection = connect(address)
    connection.deadline += MIGRATE_SECONDS
    for limit in ("statement_timeout", "lock_timeout"):
        connection.execute("SELECT set_config(%s, %s, false)", [limit, f"{int(MIGRATE_SECONDS)}s"])
    connection.autocommit = False
    return connection


def _main(databases: Sequence[str]) -> None:
    address = Address(sys.stdin.read())
    for database in databases:
        ensure_schema(address, database)


if __name__ == "__main__":
    _main(sys.argv[1:])
