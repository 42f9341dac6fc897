"""
Database servers for a whole server of ours: MongoDB for messages, PostgreSQL for people and history; they can be killed and come back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.mongod import Mongod
from tests.servers.postgres import VARIABLE, Databases, PostgresServer, find_programs
from tests.servers.server_process import CannotRun

MONGOD = "mongod"
POSTGRES = "postgres"


class DatabaseServers:
    """
    Both, with one database each. Start and stop them in the main thread: they end with the thread that starts them.
    """

    def __init__(self, folder: Path) -> None:
        programs = find_programs()
        if programs is None:
            raise CannotRun(f"no PostgreSQL: neither {VARIABLE} nor programs on PATH nor the package of the test tools")
        self.mongod = Mongod(folder, replica_set=True)
        self.mongod.start()
        self.postgres = PostgresServer(programs)
        self._database = Databases(self.postgres.url()).make()

    @property
    def environment(self) -> dict[str, str]:
        """What tells a server of ours to use them."""
        return {
            "OPENIM_STORAGE_MESSAGES_URL": self.mongod.url("openim"),
            "OPENIM_STORAGE_DIRECTORY_URL": self._database,
            "OPENIM_STORAGE_HISTORY_URL": self._database,
        }

    def kill(self, name: str) -> None:
        """End one of them as a power cut would."""
        if name == MONGOD:
            self.mongod.process.kill()
        else:
            self.postgres.kill()

    def start(self, name: str) -> None:
        """Start one of them again, with what it has."""
        (self.mongod if name == MONGOD else self.postgres).start()

    def close(self) -> None:
        """End both, and remove their files."""
        self.mongod.process.stop()
        self.postgres.close()


@contextmanager
def database_servers(folder: Path) -> Iterator[DatabaseServers]:
    """
    Lend both; the test is skipped, with the reason, where they can't run.
    """
    try:
        servers = DatabaseServers(folder)
    except CannotRun as reason:
        pytest.skip(str(reason))
    try:
        yield servers
    finally:
        servers.close()
