"""Clients that break off or never read leave nothing behind, and chats beside them go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from tests.e2e.server import Server
from tests.integration import abort_storm
from tests.integration.abort_storm import Chat, read
from tests.integration.connection import Account, Connection
from tests.integration.measures import metric
from tests.integration.people import People

CONNECTIONS: Final = 20_000
NEVER_READING: Final = 200
DESCRIPTORS_MORE: Final = 4
"""What Ray and threads may open meanwhile."""

LEAK_KILOBYTES_MAX: Final = 12_000
"""Memory that may stay in a process: 0.6 kB for each aborted connection, less than the smallest object a session has."""

TEXTS_AT_ONCE: Final = 10
LARGE_TEXT: Final = "x" * 37_000


@pytest.fixture(scope="module")
def storm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody else uses, with small queues, so that not much must be written until one is full."""
    environment = {"OPENIM_GATEWAY_SEND_QUEUE_BYTES_MAX": str(1 << 20)}
    server = Server(tmp_path_factory.mktemp("storm"), environment=environment)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def people(storm_server: Server) -> AsyncIterator[People]:
    """Users of that server."""
    people = People(storm_server)
    yield people
    await people.close()


@pytest.mark.timeout(300)
async def test_aborted_connections_leave_nothing_behind(storm_server: Server) -> None:
    """Reset, half a handshake, noise, a bad token, broken off when connected: descriptors and memory are what they were."""
    report = await abort_storm.run(storm_server, connections=CONNECTIONS, seed=1)
    before, after = report.before, report.after
    assert before is not None
    assert after is not None
    assert sum(report.ways.values()) == CONNECTIONS
    assert report.texts_beside > 0
    assert after.descriptors <= before.descriptors + DESCRIPTORS_MORE
    assert after.gateway_pss_kilobytes <= before.gateway_pss_kilobytes + LEAK_KILOBYTES_MAX
    assert after.inbox_pss_kilobytes <= before.inbox_pss_kilobytes + LEAK_KILOBYTES_MAX


async def until_cut_off(people: People, writer: Connection, reader: Account) -> None:
    """Connect clients that never read, and write to them until the last one is cut off."""
    server = people.server
    cut_before = await asyncio.to_thread(metric, server, "openim_slow_clients")
    await asyncio.gather(*(people.connect_deaf(reader) for _ in range(NEVER_READING)))
    while await asyncio.to_thread(metric, server, "openim_slow_clients") < cut_before + NEVER_READING:
        await asyncio.gather(*(writer.send_text(reader.user_id, LARGE_TEXT) for _ in range(TEXTS_AT_ONCE)))


@pytest.mark.timeout(300)
async def test_clients_that_never_read_are_cut_off(storm_server: Server, people: People) -> None:
    """
    Two hundred of them hold what they may and lose it all; a chat beside them goes on.

    They come twice: the first time the process grows to what so many queues need, from the second time on it must not.
    """
    writer, reader = await people.connect("writer"), await people.account("reader")
    chat = Chat(await people.connect("alice"), await people.connect("bob"))
    await until_cut_off(people, writer, reader)
    before = await read(storm_server, 3)
    await until_cut_off(people, writer, reader)
    after = await read(storm_server, 3)
    assert await chat.finish() > 0
    assert after.descriptors <= before.descriptors + DESCRIPTORS_MORE
    assert after.gateway_pss_kilobytes <= before.gateway_pss_kilobytes + LEAK_KILOBYTES_MAX
