"""
Where the databases speak differently. All of it stands here; everything else is the same SQL for both.
"""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import ARRAY, BigInteger, Boolean, Integer, LargeBinary, Text, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from openim_ray.storage.text_rules import is_storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, Dialect, Table
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.dml import Insert
    from sqlalchemy.types import TypeEngine

INTEGER = Integer().with_variant(BigInteger(), "postgresql")
"""64 bits in both: SQLite's INTEGER has as many."""

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared, sorted and searched by its bytes in both, whatever the database's own collation is."""

_ARRAY_OF = "all_"
_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Upsert:
    """
    An INSERT, mostly with an ON CONFLICT clause, built once for each database.

    Args:
        table: where it inserts.
        build: adds the rest to an insert that knows `on_conflict_…` and `excluded`.
    """

    def __init__(self, table: Table, build: Callable[[Any], Insert]) -> None:
        self._by_dialect = {name: build(insert(table)) for name, insert in _INSERTS.items()}
        self._names = [column.name for column in table.columns if column is not table.autoincrement_column]
        self._from_arrays = build(_insert_from_arrays(table, self._names))

    def on(self, connection: Connection) -> Insert:
        """Return the statement for a connection's database."""
        return self._by_dialect[connection.dialect.name]

    def insert_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement for many rows, of which no two have the same key; in their order."""
        if connection.dialect.name == "postgresql" and len(rows) > 1:
            arrays = {_ARRAY_OF + name: [row[name] for row in rows] for name in self._names}
            connection.execute(self._from_arrays, arrays)
        else:
            connection.execute(self.on(connection), rows)


def replacing(table: Table, *key: str) -> Callable[[Any], Insert]:
    """
    Return what lets an insert replace the row with the same key.
    """

    def build(new: Any) -> Insert:
        others = [column.name for column in table.columns if column.name not in ("id", *key)]
        statement: Insert = new.on_conflict_do_update(
            index_elements=list(key), set_={name: new.excluded[name] for name in others}
        )
        return statement

    return build


def columns_of(table: Table, **places: str) -> Callable[[object], dict[str, Any]]:
    """
    Return what makes the columns of a row from an object; `places` says where those are found that aren't its fields.
    """
    names = [column.name for column in table.columns if column.name != "id"]
    values = attrgetter(*(places.get(name, name) for name in names))
    return lambda row: dict(zip(names, values(row), strict=True))


def _insert_from_arrays(table: Table, names: Sequence[str]) -> Insert:
    """Return an INSERT that takes an array for each column: three times as fast as a statement for each row."""
    arrays = [bindparam(_ARRAY_OF + name, type_=_array_of(table.c[name])) for name in names]
    rows = func.unnest(*arrays).table_valued(*names).render_derived()
    return postgresql.insert(table).from_select(list(names), select(*(rows.c[name] for name in names)))


def _array_of(column: Column[Any]) -> ARRAY[Any]:
    types: dict[type, TypeEngine[Any]] = {
        str: Text(),
        int: BigInteger(),
        bool: Boolean(),
        bytes: LargeBinary(),
    }
    return ARRAY(types[column.type.python_type])


class _TextList(TypeDecorator[list[str]]):
    """
    A list of texts as one value: an array, or JSON.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that the driver is given."""
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        """Return what the driver is given."""
        return value if dialect.name == "postgresql" else json.dumps(value)


class _Condition(FunctionElement[bool]):
    """
    What stands in a WHERE as it is; SQLAlchemy would compare it with 1 for SQLite, which keeps an index from being used.
    """

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: object = None) -> Self:
        """Stand alone or beside AND; nothing here is negated."""
        return self


class _IsAnyOf(_Condition):
    """
    One column is among the values of one parameter.
    """

    inherit_cache = True


class Contains(_Condition):
    """
    The bytes of one text contain those of another. LIKE would fold the case of letters in SQLite, and know wildcards.
    """

    inherit_cache = True


def is_wanted(column: ColumnElement[str]) -> ColumnElement[bool]:
    """
    Return a condition `column IN (…)` for any number of values, given to the statement by `wanted`.
    """
    return _IsAnyOf(column, bindparam("wanted", type_=_TextList()))


def wanted(values: Iterable[str]) -> dict[str, list[str]]:
    """
    Return the parameter of `is_wanted`. Texts that can't be stored are left out: nothing is found by them.
    """
    return {"wanted": [value for value in values if is_storable(value)]}


@compiles(_IsAnyOf, "sqlite")
def _is_any_of_json(element: _IsAnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - names of columns and parameters


@compiles(_IsAnyOf, "postgresql")
def _is_any_of_array(element: _IsAnyOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(Contains, "sqlite")
def _instr(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)}) > 0"


@compiles(Contains, "postgresql")
def _strpos(element: Contains, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)}) > 0"
