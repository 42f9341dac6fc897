"""
The disk under SQLite is full, fails to sync, or is slow, while clients write to each other.

Each test ends with everything well again, without a restart of our server, and with a count of every message.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.errors import Unavailable
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import PullMessageBySeqsReq, PullMessageBySeqsResp
from tests.e2e.server import ApiError, Server
from tests.integration.chatting import CLIENTS, Chatting, readiness
from tests.integration.connection import Connection, text_of
from tests.integration.measures import metric, until
from tests.integration.people import People
from tests.servers.small_disk import SmallDisk
from tests.servers.strace import SYNCS, strace

DISK_MEGABYTES: Final = 24
ANSWERS: Final = 5


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """Lend a small disk."""
    disk = SmallDisk(tmp_path_factory.mktemp("server") / "data", DISK_MEGABYTES)
    yield disk
    disk.close()


@pytest.fixture(scope="module")
def embedded(disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose files are on it, and which must not log an error whatever happens to them."""
    server = Server(disk.place.parent)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def chatting(embedded: Server) -> AsyncIterator[Chatting]:
    """Clients that write to each other."""
    chatting = Chatting(embedded)
    await chatting.open()
    yield chatting
    await chatting.close()


@pytest.fixture
async def people(embedded: Server) -> AsyncIterator[People]:
    """Users and connections of that server."""
    people = People(embedded)
    yield people
    await people.close()


async def senders_are_refused(server: Server, chatting: Chatting, reason: str) -> None:
    """Every sender hears a temporary error in time, and the server says why it is not ready."""
    before = await asyncio.to_thread(metric, server, "openim_commits_failed")
    await chatting.refused(CLIENTS)
    status, said = await asyncio.to_thread(readiness, server)
    assert status == 503
    assert str(said["persistence"]).startswith(f"persistence-0: 90002 DatabaseError: messages.db: {reason}"), said
    assert await asyncio.to_thread(metric, server, "openim_commits_failed") > before


async def texts_of(connection: Connection, peer: str) -> list[str]:
    """Return what a device is shown of its chat with somebody."""
    request = PullMessageBySeqsReq(userID=connection.user_id)
    chat = single_chat_id(connection.user_id, peer)
    request.seqRanges.add(conversationID=chat, begin=1, end=10, num=10)
    answer = await connection.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    return [text_of(message) for message in answer.msgs[chat].Msgs]


async def well(server: Server) -> None:
    """Wait until the server says that all is well."""
    await until(lambda: readiness(server)[0], lambda status: status == 200, "ready")


def log_of(server: Server) -> Path:
    """Return the write-ahead log of the messages."""
    return server.data_dir / "messages.db-wal"


async def test_a_full_disk(embedded: Server, disk: SmallDisk, chatting: Chatting, people: People) -> None:
    """Senders and logins are refused as temporary; what was answered stays readable; when there is room, everything goes on."""
    bob = await people.account("bob")
    alice = await people.connect("alice")
    await alice.send_text(bob.user_id, "before")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        with disk.full():
            await senders_are_refused(embedded, chatting, "SQLITE_FULL")
            with pytest.raises(ApiError) as refused:
                await people.login(bob.user_id)
            assert refused.value.code == Unavailable.code
            phone = await people.connect(bob)
            assert await texts_of(phone, alice.user_id) == ["before"]
        await chatting.answered(CLIENTS)
        await people.login(bob.user_id)
    await well(embedded)
    await chatting.check()


async def test_files_that_may_not_grow(embedded: Server, chatting: Chatting) -> None:
    """A limit of the process on the size of its files has the same effect as a full disk."""
    (pid,) = embedded.actors("PersistenceActor")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (log_of(embedded).stat().st_size, most))
        try:
            await senders_are_refused(embedded, chatting, "SQLITE_")
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
        await chatting.answered(CLIENTS)
    await well(embedded)
    await chatting.check()


async def test_a_sync_that_fails_is_no_answer(embedded: Server, chatting: Chatting, tmp_path: Path) -> None:
    """While the disk can't be made to keep what was written, nobody is told that it was stored."""
    (pid,) = embedded.actors("PersistenceActor")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        with strace(pid, log_of(embedded), tmp_path / "trace", "-e", f"inject={SYNCS}:error=EIO"):
            await chatting.refused(1)  # what was under way when it began
            stored = chatting.stored_count
            await senders_are_refused(embedded, chatting, "SQLITE_IOERR")
            assert chatting.stored_count == stored
        await chatting.answered(CLIENTS)
    await well(embedded)
    await chatting.check()


async def test_each_answer_follows_a_sync(embedded: Server, people: People, tmp_path: Path) -> None:
    """
    Between the sending of a message and its answer the write-ahead log is written, and then synced, to the end.

    Each sync takes half a second: an answer that did not wait for it would come before its end.
    """
    alice, bob = await people.connect("alice"), await people.account("bob")
    await alice.send_text(bob.user_id, "the first message of a chat writes more")
    (pid,) = embedded.actors("PersistenceActor")
    answers = []
    with strace(pid, log_of(embedded), tmp_path / "trace", "-e", f"inject={SYNCS}:delay_enter=500000") as trace:
        for number in range(ANSWERS):
            sent = time.time()
            await alice.send_text(bob.user_id, f"{number}")
            answers.append((sent, time.time()))

    calls = trace.calls()
    for sent, answered in answers:
        within = [call.name for call in calls if sent <= call.began and call.ended <= answered]
        assert "pwrite64" in within, (sent, answered, calls)
        assert {*SYNCS.split(",")} & {*within[within.index("pwrite64") :]}, (sent, answered, calls)
