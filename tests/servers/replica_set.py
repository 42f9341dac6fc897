"""
A MongoDB replica set of three members, for tests that take some of them away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymongo.errors import PyMongoError

from tests.servers.mongod import REPLICA_SET, Mongod
from tests.servers.server_process import CannotRun

MEMBERS = 3
ELECTION_SECONDS = 60.0
SETTINGS = {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500}
"""A set that finds out sooner than it does by default: tests wait for it."""


class ReplicaSet:
    """
    Three members on this machine. They are started in a thread of their own, which lives until `close`: the kernel ends them with it.
    """

    def __init__(self, folder: Path) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="replica-set")
        self.members: list[Mongod] = []
        for number in range(MEMBERS):
            place = folder / f"member-{number}"
            place.mkdir()
            self.members.append(Mongod(place, member=True))
        for member in self.members:
            self.starting(member).result()
        hosts = [{"_id": number, "host": self._host(member)} for number, member in enumerate(self.members)]
        with self.members[0].client() as client:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": hosts, "settings": SETTINGS})
        self.primary()

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"mongodb://{','.join(map(self._host, self.members))}/{database}?replicaSet={REPLICA_SET}"

    def primary(self) -> Mongod:
        """Wait for a member that takes writes, and return it."""
        deadline = time.monotonic() + ELECTION_SECONDS
        while time.monotonic() < deadline:
            for member in self.members:
                if member.process.running and self._takes_writes(member):
                    return member
            time.sleep(0.1)
        raise AssertionError(f"no primary in {ELECTION_SECONDS:g} s")

    def starting(self, member: Mongod) -> Future[None]:
        """Begin to start a member (again); the result comes when it answers."""
        return self._thread.submit(member.start)

    def close(self) -> None:
        """End all."""
        for member in self.members:
            member.process.kill()
        self._thread.shutdown()

    @staticmethod
    def _host(member: Mongod) -> str:
        return f"127.0.0.1:{member.port}"

    @staticmethod
    def _takes_writes(member: Mongod) -> bool:
        try:
            with member.client() as client:
                return bool(client.admin.command("hello")["isWritablePrimary"])
        except PyMongoError:
            return False


@contextmanager
def replica_set(folder: Path) -> Iterator[ReplicaSet]:
    """
    Lend a set; the test is skipped, with the reason, where it can't run.
    """
    try:
        members = ReplicaSet(folder)
    except CannotRun as reason:
        pytest.skip(str(reason))
    try:
        yield members
    finally:
        members.close()
