"""Limits of the gateway: who exceeds one is refused or closed, and others don't notice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from openim_ray.protocol.encoding import GOB
from openim_ray.protocol.frames import Request
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqReq
from tests.e2e.server import Server
from tests.integration.connection import NATIVE, Account, Connection, target, text_message
from tests.integration.measures import client_sockets, metric, until, until_connections
from tests.integration.people import People
from tests.integration.websocket import BINARY, PING, HttpAnswer, WebSocket

PER_ADDRESS, IN_ALL = 4, 10
PAUSE_SECONDS: Final = 0.1


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits that takes this machine for a proxy."""
    environment = {
        "OPENIM_GATEWAY_CONNECTIONS_MAX": str(IN_ALL),
        "OPENIM_GATEWAY_CONNECTIONS_PER_ADDRESS_MAX": str(PER_ADDRESS),
        "OPENIM_GATEWAY_FRAMES_PER_SECOND_MAX": "50",
        "OPENIM_GATEWAY_FRAMES_BURST_MAX": "1000",
        "OPENIM_GATEWAY_HANDSHAKE_SECONDS": "4",
        "OPENIM_GATEWAY_WRITE_DEADLINE_SECONDS": "5",
        "OPENIM_SERVER_TRUSTED_PROXIES": "127.0.0.1",
    }
    server = Server(tmp_path_factory.mktemp("small"), environment=environment)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def small(small_server: Server) -> AsyncIterator[People]:
    """Users of that server; whoever comes next finds no connection left."""
    people = People(small_server)
    yield people
    await people.close()
    await until_connections(small_server, 0)


async def connect_from(people: People, account: Account, address: str) -> Connection:
    """Connect as if through a proxy."""
    return await people.connect(account, NATIVE, {"X-Forwarded-For": address})


async def refusal(people: People, account: Account, address: str) -> int:
    """Return the code a handshake is refused with."""
    with pytest.raises(HttpAnswer) as refused:
        await connect_from(people, account, address)
    return int(json.loads(refused.value.body)["errCode"])


async def test_connections_of_one_address_are_limited(small: People) -> None:
    """The forwarded address of a trusted proxy counts; another one has room, and so has the same one when a connection is gone."""
    account = await small.account("alice")
    clients = [await connect_from(small, account, "192.0.2.1") for _ in range(PER_ADDRESS)]
    assert await refusal(small, account, "192.0.2.1") == 1601
    assert await refusal(small, account, "198.51.100.9, 192.0.2.1") == 1601
    other = await connect_from(small, account, "192.0.2.2")
    await clients[0].close()
    await until_connections(small.server, PER_ADDRESS)
    again = await connect_from(small, account, "192.0.2.1")
    for client in (again, other, *clients[1:]):
        await client.send_text(client.user_id, "here")


async def test_connections_of_the_gateway_are_limited(small: People) -> None:
    """One more is refused with 1601, whatever its token; those that stand go on, and a place that is given up can be taken."""
    account = await small.account("alice")
    clients = [await connect_from(small, account, f"192.0.2.{number // 3}") for number in range(IN_ALL)]
    assert await refusal(small, account, "192.0.2.100") == 1601
    assert await refusal(small, account._replace(token="garbage"), "192.0.2.101") == 1601
    await clients[3].close()
    await until_connections(small.server, IN_ALL - 1)
    again = await connect_from(small, account, "192.0.2.102")
    for client in (again, *clients[4:]):
        await client.send_text(client.user_id, "here")


async def test_refused_handshakes_take_no_place(small: People) -> None:
    """A hundred of them in a row leave as much room as there was."""
    account = await small.account("alice")
    for number in range(100):
        with pytest.raises(HttpAnswer):
            await small.connect(account._replace(token="garbage") if number % 2 else account._replace(platform=99))
    clients = [await connect_from(small, account, "192.0.2.1") for _ in range(PER_ADDRESS)]
    for client in clients:
        await client.send_text(client.user_id, "here")


async def test_a_client_that_sends_too_fast_is_closed(small: People) -> None:
    """Frames of every kind count; who keeps within the burst is served."""
    fast, pinging, slow = [await small.connect(name) for name in ("fast", "pinging", "slow")]
    for _ in range(1500):
        fast.send(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq().SerializeToString())
        pinging.socket.send(PING, b"")
    answers = [slow.send(RequestIdentifier.GET_NEWEST_SEQ, b"") for _ in range(150)]
    assert await fast.ended() is None
    assert await pinging.ended() is None
    assert len(pinging.pongs) < 1500
    assert not any(answer.err_code for answer in await asyncio.gather(*answers))


async def test_half_a_handshake_is_closed(small: People) -> None:
    """Whoever says nothing, or does not finish, has a second."""
    account = await small.account("alice")
    request = f"GET {target(account, NATIVE)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n".encode()
    sockets = [await small.socket() for _ in range(3)]
    for socket, said in zip(sockets, (b"", b"GET", request), strict=True):
        socket.write(said)
    for socket in sockets:
        await socket.gone()


LARGE_TEXT: Final = "x" * 37_000


async def deaf(small: People, account: Account) -> WebSocket:
    """Connect a client that reads nothing, from an address of its own."""
    return await small.connect_deaf(account, {"X-Forwarded-For": "192.0.2.1"})


async def fill(sender: Connection, receiver: Account, count: int) -> None:
    """Send large texts, all at once."""
    message = text_message(sender.user_id, receiver.user_id, LARGE_TEXT)
    answers = []
    for number in range(count):
        message.clientMsgID = f"text {number}"
        answers.append(sender.send(RequestIdentifier.SEND_MSG, message.SerializeToString()))
    assert not any(answer.err_code for answer in await asyncio.gather(*answers))


async def until_sockets(server: Server, count: int) -> None:
    """Wait until the gateway holds so many connections of clients."""
    (gateway,) = server.actors("GatewayActor")
    await until(lambda: client_sockets(gateway, server.ws_port), lambda value: value == count, f"{count} sockets")


async def test_a_client_that_does_not_read_is_cut_off(small: People) -> None:
    """Others chat on while its queue fills up, and its descriptor is given back."""
    server = small.server
    alice, bob = await small.connect("alice"), await small.account("bob")
    cut_before = metric(server, "openim_slow_clients")
    socket = await deaf(small, bob)
    await until_connections(server, 2)
    await fill(alice, bob, 150)
    while await asyncio.to_thread(metric, server, "openim_slow_clients") == cut_before:
        await alice.send_text(bob.user_id, "still here")
        await asyncio.sleep(PAUSE_SECONDS)
    await until_sockets(server, 1)
    socket.resume()
    await socket.gone()
    await alice.send_text(bob.user_id, "still here")


async def test_a_client_that_floods_is_cut_off(small: People) -> None:
    """More bytes than its queue may hold end it at once, long before its time to take them is over."""
    alice, bob = await small.connect("alice"), await small.account("bob")
    await deaf(small, bob)
    await until_connections(small.server, 2)
    await fill(alice, bob, 190)
    await fill(await small.connect("carol"), bob, 190)
    await until_sockets(small.server, 2)
    await alice.send_text(bob.user_id, "still here")


async def test_clients_that_are_over_and_do_not_read_are_cut_off(small: People) -> None:
    """What it has not taken can't keep the socket of a connection that was kicked, whether it still sends or not, or logged out."""
    server = small.server
    receivers = [await small.account(name) for name in ("kicked", "sending", "leaving")]
    sockets = [await deaf(small, receiver) for receiver in receivers]
    sender = await small.connect("sender")
    for receiver in receivers:
        await fill(await small.connect("sender"), receiver, 130)
    for receiver in receivers[:2]:
        body = {"userID": receiver.user_id, "platformID": receiver.platform}
        await asyncio.to_thread(server.call, "/auth/force_logout", body)
    request = Request(RequestIdentifier.LOGOUT, "", receivers[2].user_id, "operation", "1")
    sockets[1].send(PING, b"")
    sockets[2].send(BINARY, GOB.encode_request(request))
    await until_sockets(server, 4)
    await sender.send_text(sender.user_id, "still here")
