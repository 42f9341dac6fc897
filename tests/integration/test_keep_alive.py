"""Keep-alive in the forms of all clients (OpenIM wire, §2.5, §2.6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.server import Server
from tests.integration.connection import JS, NATIVE, PYPI, WASM, Connection
from tests.integration.people import People
from tests.integration.websocket import PING, PONG, TEXT, masked_frame


@pytest.fixture(scope="module")
def impatient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that closes silent connections after two seconds and pings browsers twice a second."""
    environment = {"OPENIM_GATEWAY_READ_DEADLINE_SECONDS": "2", "OPENIM_GATEWAY_WEB_PING_SECONDS": "0.5"}
    server = Server(tmp_path_factory.mktemp("impatient"), environment=environment)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def impatient(impatient_server: Server) -> AsyncIterator[People]:
    """Users of that server."""
    people = People(impatient_server)
    yield people
    await people.close()


def texts(client: Connection) -> list[dict[str, object]]:
    """Return the text frames a client got after the outcome of its handshake."""
    return [json.loads(one) for one in client.received if isinstance(one, str)][1:]


async def test_a_control_ping_is_answered_with_its_payload(people: People) -> None:
    """The native SDK sends an operation id along."""
    alice = await people.connect("alice", NATIVE)
    for payload in (b"operation-1", b"", b"x" * 125):
        alice.socket.send(PING, payload)
    await alice.until(lambda: len(alice.pongs) == 3, "three pongs")
    assert alice.pongs == [b"operation-1", b"", b"x" * 125]


async def test_many_pings_at_once_are_all_answered(people: People) -> None:
    """So many answers in one moment are no sign of a client that does not read."""
    alice = await people.connect("alice", NATIVE)
    alice.socket.write(b"".join(masked_frame(PING, str(number).encode()) for number in range(600)))
    await alice.until(lambda: len(alice.pongs) == 600, "six hundred pongs")
    assert alice.pongs == [str(number).encode() for number in range(600)]


async def test_a_text_ping_is_answered_with_its_body(people: People) -> None:
    """The browser build waits for its own operation id, the JavaScript client for any body."""
    page = await people.connect("alice", WASM)
    page.socket.send(TEXT, b'{"type":"ping","body":"operation-1"}')
    page.socket.send(TEXT, b'{"type":"ping"}')
    page.socket.send(TEXT, b'{"body":{"a":[1,null]},"type":"ping","more":1}')
    await page.until(lambda: len(texts(page)) == 3, "three pongs")
    assert texts(page) == [
        {"type": "pong", "body": "operation-1"},
        {"type": "pong", "body": None},
        {"type": "pong", "body": {"a": [1, None]}},
    ]


async def test_pongs_are_taken_without_an_answer(people: People) -> None:
    """In both forms."""
    alice = await people.connect("alice", JS)
    alice.socket.send(TEXT, b'{"type":"pong"}')
    alice.socket.send(PONG, b"unasked")
    await alice.send_text(alice.user_id, "still here")
    assert not texts(alice)


async def test_only_silent_connections_are_closed(impatient: People) -> None:
    """Any frame renews the deadline: control pings, text pings, pongs of a browser, requests."""
    silent = await impatient.connect("silent", NATIVE)
    native, python = await impatient.connect("native", NATIVE), await impatient.connect("python", PYPI)
    page, script = await impatient.connect("page", WASM), await impatient.connect("script", JS)
    while silent.end is None:
        native.socket.send(PING, b"operation")
        python.socket.send(PING, b"")
        script.socket.send(TEXT, b'{"type":"ping"}')
        await asyncio.sleep(0.2)
    assert silent.end.code is None
    assert page.pings > 0
    assert not native.pings
    for client in (native, python, page, script):
        await client.send_text(client.user_id, "still here")


async def test_a_browser_that_does_not_answer_is_closed(impatient: People) -> None:
    """Being pinged is no sign of life."""
    page = await impatient.connect("page", WASM)
    await page.stop_reading()
    await page.socket.gone()
