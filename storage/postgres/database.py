"""
PostgreSQL as a `relational.database.Database`.

Reads are REPEATABLE READ, changes are SERIALIZABLE and run again when the server finds that two of them can't both be:
so what checks and acts in one transaction means the same as in SQLite, where one writes at a time.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import TYPE_CHECKING, LiteralString, TypeVar

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.postgres.connection import (
    CALL_SECONDS,
    Address,
    DeadlineConnection,
    connect,
    driver_error,
    driver_errors,
)
from openim_ray.storage.relational.database import refuse_nul
from openim_ray.storage.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

CONNECTIONS_MAX = 3
"""Connections of one store in one process; each is made when it is first needed."""

GRACE_SECONDS = 1.0
"""After its deadline a call has so long to say so itself; a name server that doesn't answer keeps a thread longer."""

ATTEMPTS_MAX = 30
FIRST_PAUSE_SECONDS = 0.01
PAUSE_SECONDS_MAX = 0.25

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"

# A unique violation is a race, too: whoever inserts has looked before whether she may.
_CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)


class PostgresDatabase:
    """
    A bounded number of connections; any number of processes may hold one database.

    A connection that breaks is closed, and a new one made at the next call. A change is repeated only when it certainly had no
    effect: after a conflict, or if the connection was lost before the commit was asked for. Lost during the commit, it is
    Unavailable, and may have happened.
    """

    def __init__(self, address: Address, name: str) -> None:
        self._address = address
        self._engine = _engine(address)
        self._threads = Threads(f"{name}-postgres", CONNECTIONS_MAX, partial(Session, self._engine, address))

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._threads.aclose()
        self._engine.dispose()

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `relational.database.Database`."""
        deadline = time.monotonic() + CALL_SECONDS
        return await self._run(lambda session: session.read(query, deadline))

    def version(self) -> int | None:
        """See `relational.database.Database`; a server would have to be asked."""
        return None

    async def write(self, change: Callable[[Connection], T]) -> T:
        """See `relational.database.Database`."""
        deadline = time.monotonic() + CALL_SECONDS
        return await self._run(lambda session: session.write(change, deadline))

    async def scrub(self) -> bool:
        """See `relational.database.Database`; vacuuming is the server's business."""
        return True

    async def _run(self, call: Callable[[Session], T]) -> T:
        try:
            async with asyncio.timeout(CALL_SECONDS + GRACE_SECONDS):
                return await self._threads.run(call)
        except TimeoutError:
            raise Unavailable(f"{self._address}: no answer in time") from None


class Session:
    """
    One connection, held by one thread. Transactions are begun and ended here; SQLAlchemy's are not used.
    """

    def __init__(self, engine: Engine, address: Address) -> None:
        self._engine = engine
        self._address = address
        self._bound: Connection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._bound is not None:
            self._drop(self._bound)

    def read(self, query: Callable[[Connection], T], deadline: float) -> T:
        """Run a query on one state of the database."""
        return self._repeat(_READ, query, deadline)

    def write(self, change: Callable[[Connection], T], deadline: float) -> T:
        """Commit a change, durably."""
        return self._repeat(_WRITE, change, deadline)

    def _repeat(self, begin: LiteralString, work: Callable[[Connection], T], deadline: float) -> T:
        failure: BaseException | None = None
        with driver_errors(self._address):
            for pause in _pauses(deadline):
                try:
                    return self._transaction(begin, work, deadline)
                except _Undone as undone:
                    failure = undone.__cause__
                time.sleep(pause)
        reason = "no answer in time" if failure is None else type(driver_error(failure)).__name__
        raise Unavailable(f"{self._address}: {reason}") from failure

    def _transaction(self, begin: LiteralString, work: Callable[[Connection], T], deadline: float) -> T:
        bound, driver = self._connected(deadline)
        committing = False
        try:
            driver.execute(begin)
            result = work(bound)
            committing = begin is _WRITE
            _commit(driver)
        except BaseException as error:
            is_lost = self._undo(bound, driver)
            if _is_conflict(error) or (is_lost and not committing and _is_of_driver(error)):
                raise _Undone from error
            raise
        return result

    def _connected(self, deadline: float) -> tuple[Connection, DeadlineConnection]:
        if self._bound is None:
            self._bound = self._engine.connect()
        driver = self._bound.connection.driver_connection
        assert isinstance(driver, DeadlineConnection)
        driver.deadline = deadline
        if time.monotonic() >= deadline:  # nobody waits for the answer any more
            raise errors.ConnectionTimeout("no answer in time")
        return self._bound, driver

    def _undo(self, bound: Connection, driver: DeadlineConnection) -> bool:
        """
        Take back what a transaction did, and tell whether the connection was lost: then the server does so.
        """
        try:
            if driver.info.transaction_status is not TransactionStatus.IDLE:
                driver.execute("ROLLBACK")
        except psycopg.Error:
            driver.close()
        if not driver.closed:
            return False
        self._drop(bound)
        return True

    def _drop(self, bound: Connection) -> None:
        self._bound = None
        bound.invalidate()
        bound.close()


class _Undone(Exception):
    """A transaction certainly had no effect, and may succeed the next time; the cause says why."""


def _commit(driver: DeadlineConnection) -> None:
    if driver.execute("COMMIT").statusmessage != "COMMIT":
        raise errors.InFailedSqlTransaction("a statement failed, and the change went on")


def _is_conflict(error: BaseException) -> bool:
    return isinstance(driver_error(error), _CONFLICTS)


def _is_of_driver(error: BaseException) -> bool:
    return isinstance(error, (psycopg.Error, DBAPIError))


def _pauses(deadline: float) -> Iterator[float]:
    """Yield how long to wait after each attempt, as long as there is time for one."""
    longest = FIRST_PAUSE_SECONDS
    for _ in range(ATTEMPTS_MAX):
        if time.monotonic() >= deadline:
            return
        yield random.uniform(0, longest)  # noqa: S311 - so that those who collided don't meet again
        longest = min(longest * 2, PAUSE_SECONDS_MAX)


def _engine(address: Address) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(address),
        poolclass=NullPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        use_native_hstore=False,
        hide_parameters=True,
    )
    refuse_nul(engine)
    return engine
