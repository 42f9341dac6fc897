"""
Taking tables over from elsewhere, in a database that nobody else uses yet: all of them in one transaction.

A table `openim_transfers` says which migration has brought what; it goes when the migration is over.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psycopg import sql
from sqlalchemy import create_engine, select
from sqlalchemy.pool import StaticPool

from openim_ray.domain.errors import UnsuitableStore
from openim_ray.storage.postgres.connection import Address, DeadlineConnection, connect, driver_errors
from openim_ray.storage.relational.copying import TableDigest, digest
from openim_ray.storage.relational.history_tables import METADATA as HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

STEP_SECONDS = 120
"""How long one statement of a migration may take: a portion of rows, or a look at a whole table."""

TRANSFERS = "openim_transfers"
_MAKE = "CREATE TABLE IF NOT EXISTS openim_transfers (part TEXT PRIMARY KEY, transfer TEXT NOT NULL)"


class PostgresIntake:
    """
    Takes tables over. Every method blocks; raises `Unavailable` besides what is said.

    Args:
        url: of the database, whose tables were made.
        transfer: which migration this is.
    """

    def __init__(self, url: str, transfer: str) -> None:
        self.address = Address(url)
        self._transfer = transfer

    def copy(
        self, tables: Sequence[Table], rows: Iterable[tuple[Table, Sequence[Any]]], ids: Mapping[str, int]
    ) -> bool:
        """
        Fill tables, all of them or none; False if this migration did so before.

        UnsuitableStore if one of them holds something else.
        """
        with self._transaction() as (bound, driver):
            if self._brought(driver, "tables"):
                return False
            self._refuse_rows(bound, tables)
            for table, part in rows:
                driver.deadline = time.monotonic() + STEP_SECONDS
                _copy(driver, table, part)
            for name, highest in ids.items():
                if highest:
                    driver.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [name, highest])
            self._note(driver, "tables")
        return True

    def begin_history(self) -> None:
        """
        Note that this migration fills the history; UnsuitableStore if it holds something that this one has not brought.
        """
        with self._transaction() as (bound, driver):
            if not self._brought(driver, "history"):
                self._refuse_rows(bound, HISTORY.sorted_tables)
                self._note(driver, "history")

    def digests(self, tables: Sequence[Table]) -> dict[str, TableDigest]:
        """Return what tables hold."""
        with self._transaction() as (bound, driver):
            found = {}
            for table in tables:
                driver.deadline = time.monotonic() + STEP_SECONDS
                found[table.name] = digest(bound, table)
            return found

    def end(self) -> None:
        """Take the notes of migrations away."""
        with self._transaction() as (_, driver):
            driver.execute("DROP TABLE IF EXISTS openim_transfers")

    def _brought(self, driver: DeadlineConnection, part: str) -> bool:
        driver.execute(_MAKE)
        found = driver.execute("SELECT transfer FROM openim_transfers WHERE part = %s", [part]).fetchone()
        if found is not None and found[0] != self._transfer:
            raise UnsuitableStore(
                f"{self.address} holds an unfinished migration of another data directory; take an empty database"
            )
        return found is not None

    def _note(self, driver: DeadlineConnection, part: str) -> None:
        driver.execute("INSERT INTO openim_transfers VALUES (%s, %s)", [part, self._transfer])

    def _refuse_rows(self, bound: Connection, tables: Sequence[Table]) -> None:
        for table in tables:
            if bound.execute(select(table).limit(1)).first() is not None:
                raise UnsuitableStore(f"{self.address} holds rows of {table.name} already; take an empty database")

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Connection, DeadlineConnection]]:
        with driver_errors(self.address):
            driver = connect(self.address)
            try:
                _give_time(driver)
                engine = create_engine(
                    "postgresql+psycopg://",
                    creator=lambda: driver,
                    poolclass=StaticPool,
                    pool_reset_on_return=None,
                    isolation_level="AUTOCOMMIT",
                    hide_parameters=True,
                )
                with engine.connect() as bound:
                    driver.execute("BEGIN")
                    yield bound, driver
                    driver.execute("COMMIT")
            finally:  # what was not committed, the server takes back
                driver.close()


def _give_time(driver: DeadlineConnection) -> None:
    driver.deadline = time.monotonic() + STEP_SECONDS
    for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        driver.execute("SELECT set_config(%s, %s, false)", [limit, f"{STEP_SECONDS}s"])


def _copy(driver: DeadlineConnection, table: Table, rows: Sequence[Any]) -> None:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
    with driver.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
