"""
What the stores need of a database: reads of one state, and transactions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import event

from openim_ray.domain.errors import ArgsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Engine

T = TypeVar("T")


class Database(Protocol):
    """
    A relational database, as the stores use it. Whatever is given to it runs in a thread of its own.

    Raises `Unavailable` (try again; the outcome of a write is then unknown) and `ArgsError` (a value that can't be stored).
    """

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query, which may be several statements: they see one state, with everything that was answered as written."""
        ...

    def version(self) -> int | None:
        """
        Return a number that is another one after any commit of anybody, without waiting; None where that can't be known now.

        What was read after it was returned holds as long as it is returned again.
        """
        ...

    async def write(self, change: Callable[[Connection], T]) -> T:
        """
        Commit what a change does, as if no other transaction ran beside it; durable when it returns. If it raises, nothing happened.

        It may run several times, of which only the last has an effect: it depends on its arguments and on what it reads, and
        leaves nothing outside the database.
        """
        ...

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`."""
        ...

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        ...


def refuse_nul(engine: Engine) -> None:
    """
    Let an engine refuse a statement with ArgsError if a text in it has a NUL: SQLite would keep it, PostgreSQL can't.
    """
    event.listen(engine, "before_cursor_execute", _check)


def _check(_connection: object, _cursor: object, _sql: str, parameters: Any, _context: object, _many: bool) -> None:
    if isinstance(parameters, list):  # executemany
        for row in parameters:
            _check_row(row)
    else:
        _check_row(parameters)


def _check_row(row: Any) -> None:
    refuse_nul_in(row.values() if isinstance(row, dict) else row)


def refuse_nul_in(values: Iterable[Any]) -> None:
    """
    Raise ArgsError if a text among the values of a statement has a NUL.
    """
    for value in values:
        if type(value) is str and "\0" in value:
            raise ArgsError("a text with a NUL can't be stored")
