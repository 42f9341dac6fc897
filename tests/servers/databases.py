"""
Database servers for a whole server of ours: MongoDB for messages, one PostgreSQL for people and one for the history, Redis; they can be killed and come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.mongod import Mongod
from tests.servers.postgres import MIGRATED, VARIABLE, Databases, PostgresServer, find_programs
from tests.servers.redis import RedisServer
from tests.servers.server_process import CannotRun

MONGOD = "mongod"
POSTGRES = "postgres"
HISTORY = "history"
REDIS = "redis"


class DatabaseServers:
    """
    All four, with one database each (without Redis where there is none). They are started in a thread of their own, which lives until `close`: the kernel ends them with it.

    `history_place`: the folder in which the history has its files. `migrated`: whether PostgreSQL has all tables already; to make them costs
    three seconds, which one test that waits for them is enough to spend.
    """

    def __init__(self, folder: Path, history_place: Path | None = None, *, migrated: bool = True) -> None:
        programs = find_programs()
        if programs is None:
            raise CannotRun(f"no PostgreSQL: neither {VARIABLE} nor programs on PATH nor the package of the test tools")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="databases")
        self.mongod = Mongod(folder, replica_set=True)
        self._thread.submit(self.mongod.start).result()
        self.postgres = self._thread.submit(PostgresServer, programs).result()
        self.history = self._thread.submit(PostgresServer, programs, history_place).result()
        self.redis = self._started_redis(folder)
        self._people_url = _database(self.postgres, migrated)
        self._history_url = _database(self.history, migrated)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a server of ours to use them."""
        return {
            "OPENIM_STORAGE_MESSAGES_URL": self.mongod.url("openim"),
            "OPENIM_STORAGE_DIRECTORY_URL": self._people_url,
            "OPENIM_STORAGE_HISTORY_URL": self._history_url,
            **({"OPENIM_STORAGE_TOKENS_URL": self.redis.url} if self.redis else {}),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Those that run."""
        return (MONGOD, POSTGRES, HISTORY, *([REDIS] if self.redis else []))

    def kill(self, name: str) -> None:
        """End one of them as a power cut would."""
        server = self._server(name)
        if isinstance(server, PostgresServer):
            server.kill()
        else:
            server.process.kill()

    def start(self, name: str) -> None:
        """Start one of them again, with what it has; returns when it can be used."""
        self.starting(name).result()

    def starting(self, name: str) -> Future[None]:
        """Begin to start one of them again."""
        return self._thread.submit(self._server(name).start)

    def _server(self, name: str) -> Mongod | PostgresServer | RedisServer:
        if name == REDIS:
            assert self.redis is not None
            return self.redis
        return {MONGOD: self.mongod, POSTGRES: self.postgres, HISTORY: self.history}[name]

    def _started_redis(self, folder: Path) -> RedisServer | None:
        try:
            server = RedisServer(folder / "redis")
            self._thread.submit(server.start).result()
        except CannotRun as reason:
            print(f"without Redis: {reason}")
            return None
        return server

    def close(self) -> None:
        """End all, and remove their files."""
        self.mongod.process.stop()
        if self.redis is not None:
            self.redis.process.stop()
        self.postgres.close()
        self.history.close()
        self._thread.shutdown()


def _database(server: PostgresServer, migrated: bool) -> str:
    return Databases(server.url()).make(server.url(MIGRATED) if migrated else "")


@contextmanager
def database_servers(
    folder: Path, history_place: Path | None = None, *, migrated: bool = True
) -> Iterator[DatabaseServers]:
    """
    Lend them; the test is skipped, with the reason, where they can't run.
    """
    try:
        servers = DatabaseServers(folder, history_place, migrated=migrated)
    except CannotRun as reason:
        pytest.skip(str(reason))
    try:
        yield servers
    finally:
        servers.close()
