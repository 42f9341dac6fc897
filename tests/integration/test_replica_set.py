"""
A MongoDB of three members loses some of them, or takes no writes, while clients write to each other.

Each test ends with everything well again, without a restart of our server, and with a count of every message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.server import Server
from tests.integration.chatting import CLIENTS, Chatting, readiness
from tests.integration.measures import metric, until
from tests.servers.replica_set import ReplicaSet, replica_set


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Three members."""
    with replica_set(tmp_path_factory.mktemp("members")) as members:
        yield members


@pytest.fixture(scope="module")
def replicated(members: ReplicaSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps its messages there, and must not log an error whatever happens to them."""
    server = Server(
        tmp_path_factory.mktemp("replicated"), environment={"OPENIM_STORAGE_MESSAGES_URL": members.url("openim")}
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def chatting(replicated: Server) -> AsyncIterator[Chatting]:
    """Clients that write to each other."""
    chatting = Chatting(replicated)
    await chatting.open()
    yield chatting
    await chatting.close()


async def well(server: Server) -> None:
    """Wait until the server says that all is well."""
    await until(lambda: readiness(server)[0], lambda status: status == 200, "ready")


async def unready(server: Server) -> None:
    """Wait until the server says that it can't store messages."""
    await until(lambda: readiness(server)[0], lambda status: status == 503, "not ready")
    _, said = await asyncio.to_thread(readiness, server)
    assert str(said["persistence"]).startswith("persistence-0: 90002 DatabaseError: mongodb://127.0.0.1"), said
    assert said["inbox"] == "ok"


async def test_the_primary_is_killed(replicated: Server, members: ReplicaSet, chatting: Chatting) -> None:
    """Writing goes on by itself with the next primary; what was answered before is there."""
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        primary = members.primary()
        primary.process.kill()
        await chatting.answered(2 * CLIENTS)
        assert await asyncio.to_thread(members.primary) is not primary
        await asyncio.wrap_future(members.starting(primary))
        await chatting.answered(CLIENTS)
    await well(replicated)
    await chatting.check()


async def test_the_primary_steps_down(replicated: Server, members: ReplicaSet, chatting: Chatting) -> None:
    """As for an upgrade: no sender is told of it."""
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        primary = members.primary()
        with primary.client() as client:
            client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)
        await chatting.answered(2 * CLIENTS)
        assert await asyncio.to_thread(members.primary) is not primary
    assert chatting.temporary_errors == 0
    await well(replicated)
    await chatting.check()


async def test_only_a_secondary_is_left(replicated: Server, members: ReplicaSet, chatting: Chatting) -> None:
    """It can be read and takes no writes: senders hear a temporary error in time; when the others are back, writing goes on."""
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        gone = members.members[:2]
        for member in gone:
            member.process.kill()
        await chatting.refused(CLIENTS)
        await unready(replicated)
        for member in gone:
            await asyncio.wrap_future(members.starting(member))
        await chatting.answered(CLIENTS)
    await well(replicated)
    await chatting.check()


async def test_writes_are_locked(replicated: Server, members: ReplicaSet, chatting: Chatting) -> None:
    """As for a backup of the files: senders hear a temporary error in time, the failed writes are counted, and writing goes on afterwards."""
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        before = await asyncio.to_thread(metric, replicated, "openim_commits_failed")
        with (await asyncio.to_thread(members.primary)).client() as client:
            client.admin.command("fsync", lock=True)
            try:
                await chatting.refused(CLIENTS)
                await unready(replicated)
                assert await asyncio.to_thread(metric, replicated, "openim_commits_failed") > before
            finally:
                client.admin.command("fsyncUnlock")
        await chatting.answered(CLIENTS)
    await well(replicated)
    await chatting.check()
