"""
Queries that are asked so often that the way to the driver counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import sqlite

from openim_ray.storage.relational.database import refuse_nul_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Select

_SQLITE = sqlite.dialect(paramstyle="qmark")


class Lookup:
    """
    A SELECT, each of whose parameters is named by a `bindparam` or has its value.

    For SQLite its SQL is made once and the driver is given that: on its usual way through SQLAlchemy a row that is found by its key costs ten times
    as much as the search itself (measured). Elsewhere it takes the usual way.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        compiled = statement.compile(dialect=_SQLITE)
        self._sql = str(compiled)
        self._parameters = [
            (name, compiled.params[name], _writer_of(compiled.binds[name].type)) for name in compiled.positiontup or ()
        ]
        self._readers = [_reader_of(column.type) for column in statement.selected_columns]
        self._is_plain = not any(self._readers)

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows that are found."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, parameters).all()
        driver: Any = connection.connection.driver_connection
        found: list[tuple[Any, ...]] = driver.execute(self._sql, self._values(parameters)).fetchall()
        return found if self._is_plain else [self._read(row) for row in found]

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the first row; None if there is none."""
        found = self.rows(connection, parameters)
        return found[0] if found else None

    def _values(self, parameters: Mapping[str, Any]) -> list[Any]:
        values = []
        for name, default, write in self._parameters:
            value = parameters[name] if default is None else parameters.get(name, default)
            values.append(value if write is None else write(value))
        refuse_nul_in(values)
        return values

    def _read(self, row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(value if read is None else read(value) for value, read in zip(row, self._readers, strict=True))


def _writer_of(type_: Any) -> Callable[[Any], Any] | None:
    """Return what makes the driver's value of a parameter; None for values that are given as they are."""
    writer: Callable[[Any], Any] | None = type_.dialect_impl(_SQLITE).bind_processor(_SQLITE)
    return writer


def _reader_of(type_: Any) -> Callable[[Any], Any] | None:
    """Return what makes a column's value of the driver's; None for values that are taken as they are."""
    reader: Callable[[Any], Any] | None = type_.dialect_impl(_SQLITE).result_processor(_SQLITE, None)
    return reader
