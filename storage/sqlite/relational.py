"""
SQLAlchemy over a file: one connection, short transactions.

Statements are built once, at import, with parameters: building one anew costs more than SQLite takes to run it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Text, bindparam, create_engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors, json_list, snapshot
from openim_ray.storage.sqlite.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection


class RelationalReader:
    """
    Reads; held by one thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with driver_errors(path):
            self._driver = connect_reader(path)
        self._bound = bind(self._driver)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Let several queries see one state of the file."""
        with _errors(self._path), driver_errors(self._path), snapshot(self._driver):
            yield self._bound

    def close(self) -> None:
        """Close the connection."""
        self._bound.close()
        self._driver.close()


class RelationalWriter:
    """
    Writes; held by one thread. Transactions and checkpoints are `Writer`'s.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(path)
        self._bound = bind(self._writer.connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit what the block does, durably, or nothing of it."""
        with _errors(self._path), self._writer.transaction():
            yield self._bound

    def close(self) -> None:
        """Close the connection."""
        self._bound.close()
        self._writer.close()


def bind(driver: sqlite3.Connection) -> Connection:
    """
    Return SQLAlchemy's view of a connection; transactions stay in the hands of whoever holds `driver`.
    """
    engine = create_engine("sqlite://", creator=lambda: driver, poolclass=StaticPool)
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def is_wanted(column: ColumnElement[str]) -> ColumnElement[bool]:
    """
    Return a condition `column IN (…)` for any number of values, given to the statement by `wanted`.
    """
    values = func.json_each(bindparam("wanted", type_=Text)).table_valued("value")
    return column.in_(select(values.c.value))


def wanted(values: Sequence[str]) -> dict[str, str]:
    """
    Return the parameter of `is_wanted`.
    """
    return {"wanted": json_list(values)}


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        name = getattr(error.orig, "sqlite_errorname", type(error.orig).__name__)
        raise Unavailable(f"{path.name}: {name}") from error
