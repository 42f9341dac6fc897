"""Queries that go straight to SQLite's driver: the same rows as SQLAlchemy's way, and the same refusals."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Boolean, Column, MetaData, Table, bindparam, select

from openim_ray.domain.errors import ArgsError
from openim_ray.storage.relational.dialects import INTEGER, TEXT, is_wanted, wanted
from openim_ray.storage.relational.lookups import Lookup
from openim_ray.storage.sqlite.database import bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

THINGS = Table("things", MetaData(), Column("name", TEXT), Column("size", INTEGER), Column("is_good", Boolean))
ROWS = [("a", 1, True), ("b", 2, False), ("c", None, None)]


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database with three things."""
    driver = sqlite3.connect(":memory:", isolation_level=None)
    driver.execute("CREATE TABLE things (name TEXT, size INTEGER, is_good BOOLEAN)")
    driver.executemany("INSERT INTO things VALUES (?, ?, ?)", ROWS)
    bound = bind(driver)
    yield bound
    bound.close()
    driver.close()


def test_rows_are_those_of_the_usual_way(connection: Connection) -> None:
    """Values are converted, both ways; a limit that stands in the statement counts."""
    statement = select(THINGS).where(is_wanted(THINGS.c.name)).order_by(THINGS.c.name).limit(2)
    parameters = wanted(["c", "b", "a", "no\0text"])

    found = Lookup(statement).rows(connection, parameters)

    assert found == [tuple(row) for row in connection.execute(statement, parameters)] == ROWS[:2]
    assert [type(value) for value in found[0]] == [str, int, bool]


def test_the_first_row(connection: Connection) -> None:
    """None if nothing is found."""
    lookup = Lookup(select(THINGS.c.size).where(THINGS.c.name == bindparam("name", type_=TEXT)))
    assert lookup.first(connection, {"name": "b"}) == (2,)
    assert lookup.first(connection, {"name": "B"}) is None


def test_a_text_with_a_nul_is_refused(connection: Connection) -> None:
    """As on every way to a database: not every one could be asked for it."""
    lookup = Lookup(select(THINGS.c.size).where(THINGS.c.name == bindparam("name", type_=TEXT)))
    with pytest.raises(ArgsError, match="NUL"):
        lookup.first(connection, {"name": "b\0"})
