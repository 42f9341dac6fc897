"""
Connections to PostgreSQL: how they are opened, how long they may take, what of the driver's errors callers see.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import DBAPIError

from openim_ray.config.values import hide_password
from openim_ray.domain.errors import ArgsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CALL_SECONDS = 5.0
"""How long a call of a store may take, waiting for a connection, repetitions and reconnecting included: clients wait 8 s for theirs."""

CONNECT_SECONDS = 3
"""How long one address of a server may take to answer a new connection."""

STATEMENT_SECONDS = 4
LOCK_SECONDS = 3
IDLE_SECONDS = 5
"""The server ends a transaction whose client says nothing for so long (paused, cut off), and with it its locks."""

WAIT_SECONDS = 0.1
"""How often a waiting thread looks at its deadline."""

_SOCKET = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": int(CALL_SECONDS * 1000),
}

# Whatever the server, the database or the role says: an answer means that the commit is on disk, there and on a synchronous standby.
_SETTINGS: LiteralString = f"""
SELECT set_config('synchronous_commit',
                  CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
       set_config('statement_timeout', '{STATEMENT_SECONDS}s', false),
       set_config('lock_timeout', '{LOCK_SECONDS}s', false),
       set_config('idle_in_transaction_session_timeout', '{IDLE_SECONDS}s', false)
"""


class Address:
    """
    Where a database is and how to come in. Its text names host, port and database only.
    """

    def __init__(self, url: str) -> None:
        """Read a URL `postgresql://…` or `postgres://…`; ValueError, in which no password stands, if it is none."""
        try:
            self.parameters: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.Error:
            raise ValueError(f"not a PostgreSQL URL: {hide_password(url)}") from None

    def __str__(self) -> str:
        host = self.parameters.get("host") or self.parameters.get("hostaddr") or "localhost"
        port = f":{self.parameters['port']}" if "port" in self.parameters else ""
        return f"postgresql at {host}{port}/{self.parameters.get('dbname', '')}"

    __repr__ = __str__


class DeadlineConnection(psycopg.Connection[tuple[Any, ...]]):
    """
    A connection that waits for the server until `deadline` (monotonic seconds) and is closed then, with an OperationalError.

    The server's own limits don't help when it is paused: the kernel goes on to acknowledge what is sent to it.
    """

    deadline = float("inf")

    def wait(self, gen: Any, interval: float = WAIT_SECONDS, timeout: float | None = None) -> Any:
        """Wait for what a step of the protocol needs, as long as there is time."""
        return super().wait(self._until_deadline(gen), interval=interval, timeout=timeout)

    def _until_deadline(self, steps: Any) -> Generator[Any, Any, Any]:
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > self.deadline:
                    self.pgconn.finish()
                    raise errors.ConnectionTimeout("no answer in time")
                wanted = steps.send(ready)
        except StopIteration as end:
            return end.value


def connect(address: Address) -> DeadlineConnection:
    """
    Open a connection in autocommit mode, with the limits of this module. Its deadline is near; whoever uses it sets another.
    """
    given: dict[str, Any] = {
        "target_session_attrs": "read-write",
        "gssencmode": "disable",
        "application_name": "openim-ray",
        **address.parameters,
    }
    connection = DeadlineConnection.connect(**{**given, **_SOCKET, "client_encoding": "UTF8"}, autocommit=True)
    connection.deadline = time.monotonic() + CONNECT_SECONDS
    try:
        connection.execute(_SETTINGS)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def driver_errors(address: Address) -> Iterator[None]:
    """
    Turn the driver's errors into Unavailable, the cause kept; what a value brought about is ArgsError.
    """
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        raise ArgsError("a value that can't be stored") from error
    except (DBAPIError, psycopg.Error) as error:
        cause = driver_error(error)
        if isinstance(cause, (psycopg.DataError, errors.ProgramLimitExceeded)):
            raise ArgsError("a value that can't be stored") from error
        raise Unavailable(f"{address}: {_reason(cause, address)}") from error


def driver_error(error: BaseException) -> BaseException | None:
    """
    Return what the driver said, also where SQLAlchemy has wrapped it.
    """
    return error.orig if isinstance(error, DBAPIError) else error


def _reason(error: BaseException | None, address: Address) -> str:
    """Name an error by its condition; a connection that failed has no better name than what the driver says in a line."""
    if getattr(error, "sqlstate", None) or not isinstance(error, psycopg.OperationalError):
        return type(error).__name__
    line = str(error).partition("\n")[0]
    line = re.sub(r".*failed: (FATAL: +)?", "", line)
    password = address.parameters.get("password")
    return line.replace(password, "***") if password else line
