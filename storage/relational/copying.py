"""
Tables taken from one database to another, row by row as they stand.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import MetaData, func, select, text

from openim_ray.storage.relational.directory_tables import METADATA as DIRECTORY
from openim_ray.storage.relational.state_tables import METADATA as STATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

ROWS_AT_ONCE = 5000

SCHEMAS = {"state": STATE, "directory": DIRECTORY}


class TableDigest(NamedTuple):
    """
    What a table holds: how many rows, and a checksum of all of them in the order of their keys.
    """

    rows: int
    checksum: str


def tables_of(databases: Sequence[str]) -> list[Table]:
    """
    Return the tables of some databases, those first that others refer to.
    """
    return [table for database in databases for table in _metadata(database).sorted_tables]


def rows_of(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """
    Yield the rows of a table in the order of their keys, `ROWS_AT_ONCE` at a time.
    """
    query = select(table).order_by(*table.primary_key.columns)
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for part in result.partitions(ROWS_AT_ONCE):
        yield [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in part]


def digest(connection: Connection, table: Table) -> TableDigest:
    """
    Return what a table holds.
    """
    checksum, rows = blake2b(digest_size=16), 0
    for part in rows_of(connection, table):
        rows += len(part)
        for row in part:
            checksum.update(repr(row).encode(errors="surrogatepass"))
    return TableDigest(rows, checksum.hexdigest())


def highest_ids(connection: Connection, tables: Sequence[Table]) -> dict[str, int]:
    """
    Return the highest id that each table with numbered rows ever gave, as far as SQLite knows.
    """
    is_kept = connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'")).first()
    kept = connection.execute(text("SELECT name, seq FROM sqlite_sequence")) if is_kept else ()
    given = {name: int(seq) for name, seq in kept}
    found = {}
    for table in tables:
        column = table.autoincrement_column
        if column is not None and len(table.primary_key.columns) == 1:
            highest = connection.execute(select(func.max(column))).scalar() or 0
            found[table.name] = max(highest, given.get(table.name, 0))
    return found


def _metadata(database: str) -> MetaData:
    return SCHEMAS[database]
