"""A server that speaks TLS on both address families, and the same server behind nginx with a path prefix."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from openim_ray.actors.leftovers import temporary_directory
from openim_ray.api_client import ApiClient
from openim_ray.config import load_config
from openim_ray.protocol.identifiers import Platform
from openim_ray.web import login_link
from tests.certificates import Pair, make_pair
from tests.e2e.browser import Browser
from tests.e2e.channel import EventHandler
from tests.e2e.chat_tab import Tab
from tests.e2e.client import Account, Endpoints
from tests.e2e.clients import JAVASCRIPT_BUILDS
from tests.e2e.install import Unavailable
from tests.e2e.nginx import Nginx
from tests.e2e.ports import free_ports
from tests.e2e.program import run
from tests.e2e.sdk_client import NodeSeat, SdkClient, Seat, WasmSeat
from tests.e2e.server import Server

WAIT_SECONDS = 60.0
CONNECTIONS_MAX = 3
USER = "tess"
_numbers = itertools.count(1)


class Place(NamedTuple):
    """The server, its certificate, and where the proxy is."""

    server: Server
    pair: Pair
    proxy_port: int

    @property
    def public_ws_url(self) -> str:
        """The WebSocket as clients reach it through the proxy."""
        return f"wss://localhost:{self.proxy_port}/im/ws"

    @property
    def public_api_url(self) -> str:
        """The HTTP API as clients reach it through the proxy."""
        return f"https://localhost:{self.proxy_port}/im/api"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A running server."""
    folder = tmp_path_factory.mktemp("tls")
    pair = make_pair(folder, "first")
    (proxy_port,) = free_ports(1)
    place = Place(Server(folder), pair, proxy_port)
    place.server._environment.update(
        OPENIM_SERVER_HOSTS="127.0.0.1,::1",
        OPENIM_SERVER_TLS_CERTIFICATE=str(pair.certificate),
        OPENIM_SERVER_TLS_KEY=str(pair.key),
        OPENIM_SERVER_PUBLIC_WS_URL=place.public_ws_url,
        OPENIM_SERVER_PUBLIC_API_URL=place.public_api_url,
        OPENIM_SERVER_TRUSTED_PROXIES="127.0.0.1",
        OPENIM_GATEWAY_CONNECTIONS_PER_ADDRESS_MAX=str(CONNECTIONS_MAX),
    )
    place.server.start()
    run(place.server, "user", "add", USER)
    yield place
    place.server.stop()


@pytest.fixture(scope="module")
def proxy(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """A running proxy; the test is skipped where there can be none."""
    try:
        nginx = Nginx(tmp_path_factory.mktemp("proxy") / "nginx", place.proxy_port, place.server, place.pair)
    except Unavailable as reason:
        pytest.skip(str(reason))
    nginx.start()
    yield nginx
    nginx.stop()


class Visitor(NamedTuple):
    """A user who has not logged in before."""

    user_id: str
    token: str

    def handshake(self, base: str) -> URL:
        """Return the address that the JavaScript SDK connects to."""
        query = {
            "sendID": self.user_id,
            "token": self.token,
            "platformID": str(int(Platform.WEB)),
            "operationID": uuid.uuid4().hex,
            "isBackground": "false",
            "isMsgResp": "true",
            "sdkType": "js",
        }
        return URL(base).with_query(query)


def visitor(place: Place) -> Visitor:
    """Register a user; each login of a user would end the one before."""
    config = load_config(None, place.server._environment, {"server.data_dir": str(place.server.data_dir)})
    admin = ApiClient(config)
    user_id = f"visitor{next(_numbers)}"
    admin.add_user(user_id, user_id.title())
    return Visitor(user_id, admin.user_token(user_id, Platform.WEB))


@pytest_asyncio.fixture(loop_scope="session")
async def browser_like() -> AsyncIterator[Callable[..., aiohttp.ClientSession]]:
    """Make HTTP clients that come from an address of this machine; all are closed after the test."""
    sessions = []

    def make(local: str = "127.0.0.1") -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=_context(), local_addr=(local, 0), limit=0)
        sessions.append(aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(WAIT_SECONDS)))
        return sessions[-1]

    yield make
    for session in sessions:
        await session.close()


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def outcome(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Return the errCode of the server's first frame."""
    return int(json.loads(await socket.receive_str())["errCode"])


def log_of(server: Server) -> str:
    """Return everything that the actors logged."""
    files = temporary_directory(server.data_dir).glob("session_latest/logs/*")
    return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())


async def certificate_of(port: int) -> bytes:
    """Return the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=_context())
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return bytes(shown)
    finally:
        writer.close()


def der_of(pair: Pair) -> bytes:
    """Return the certificate of a pair as it goes over the wire."""
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


# --- TLS


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_both_listeners_speak_tls_on_both_families(
    place: Place, browser_like: Callable[..., aiohttp.ClientSession], host: str
) -> None:
    """WebSocket and HTTP, on an IPv4 and an IPv6 address."""
    session = browser_like("::1" if host.startswith("[") else "127.0.0.1")
    async with session.get(f"https://{host}:{place.server.api_port}/healthz") as answer:
        assert await answer.text() == "ok\n"
    async with session.ws_connect(visitor(place).handshake(f"wss://{host}:{place.server.ws_port}/")) as socket:
        assert await outcome(socket) == 0


def test_up_prints_where_clients_reach_it(place: Place) -> None:
    """The public addresses, and those it listens at beside them."""
    lines = place.server.log_file.read_text().splitlines()
    assert f"  chat page   {place.public_api_url}/" in lines
    assert f"  WebSocket   {place.public_ws_url}" in lines
    (listens,) = [line for line in lines if line.startswith("  listens at")]
    ws, api = place.server.ws_port, place.server.api_port
    assert listens.split()[2:] == [
        f"wss://127.0.0.1:{ws}",
        f"wss://[::1]:{ws}",
        f"https://127.0.0.1:{api}",
        f"https://[::1]:{api}",
    ]


def test_commands_trust_the_servers_own_certificate(place: Place) -> None:
    """Self-signed or not: it is the configured one, and nobody else's is taken. The link goes to the public address."""
    said = run(place.server, "user", "token", USER, "--link")
    assert said.status == 0, said.err
    assert said.out.startswith(f"{place.public_api_url}/#userID={USER}&token=")


# --- behind nginx


async def test_page_and_api_work_below_a_prefix(
    place: Place, proxy: Nginx, browser_like: Callable[..., aiohttp.ClientSession]
) -> None:
    """The page, its files, where it finds the WebSocket, and the API; figures stay inside."""
    session, base = browser_like(), place.public_api_url
    async with session.get(f"{base}/") as page:
        assert page.status == 200
        policy = page.headers["Content-Security-Policy"]
        assert f"wss://localhost:{place.proxy_port}" in policy
    async with session.get(f"{base}/chat/main.js") as script:
        assert script.status == 200
    async with session.get(f"{base}/endpoints.json") as endpoints:
        assert await endpoints.json() == {"ws": place.public_ws_url}
    body = {"secret": place.server.admin_secret, "userID": "imAdmin"}
    async with session.post(
        f"{base}/auth/get_admin_token", json=body, headers={"operationID": uuid.uuid4().hex}
    ) as answer:
        assert (await answer.json())["errCode"] == 0
    async with session.get(f"{base}/metrics") as metrics:
        assert metrics.status == 404


async def test_a_client_logs_in_through_the_proxy(
    place: Place, proxy: Nginx, browser_like: Callable[..., aiohttp.ClientSession]
) -> None:
    """The path before the query is the proxy's business, the server takes any; pings are answered through it."""
    async with browser_like().ws_connect(visitor(place).handshake(place.public_ws_url)) as socket:
        assert await outcome(socket) == 0
        await socket.send_str(json.dumps({"type": "ping", "body": "1"}))
        assert json.loads(await socket.receive_str())["type"] == "pong"


async def test_a_trusted_proxys_clients_are_counted_by_address(
    place: Place, proxy: Nginx, browser_like: Callable[..., aiohttp.ClientSession]
) -> None:
    """Each by what the proxy saw, whatever the client claims; one client's connections don't count against another's."""
    base = place.public_ws_url.replace("localhost", "127.0.0.1")
    session = browser_like("127.0.0.2")
    held = [
        await session.ws_connect(visitor(place).handshake(base), headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(CONNECTIONS_MAX)
    ]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(visitor(place).handshake(base), headers={"X-Forwarded-For": "203.0.113.4"})
    assert not [socket for socket in held if socket.closed]
    async with browser_like("127.0.0.3").ws_connect(visitor(place).handshake(base)) as socket:
        assert await outcome(socket) == 0


async def test_nobody_else_is_believed(place: Place, browser_like: Callable[..., aiohttp.ClientSession]) -> None:
    """A client that is no trusted proxy counts by its own address, whatever it says about others."""
    session = browser_like("::1")
    base = f"wss://[::1]:{place.server.ws_port}/"
    held = [
        await session.ws_connect(visitor(place).handshake(base), headers={"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(CONNECTIONS_MAX)
    ]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(visitor(place).handshake(base), headers={"X-Forwarded-For": "203.0.113.99"})
    assert not [socket for socket in held if socket.closed]


@asynccontextmanager
async def sdk_client(place: Place, seat: Callable[[EventHandler], Awaitable[Seat]]) -> AsyncIterator[SdkClient]:
    """Log a new user in by an SDK that is given the proxy's addresses."""
    user = visitor(place)
    account = Account(user.user_id, user.token, Platform.WEB)
    client = SdkClient(account, Endpoints(place.public_ws_url, place.public_api_url))
    client.take(await seat(lambda name, _, data: client.events.add(name, data)))
    try:
        await client.login()
        yield client
    finally:
        await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visiting(browser: Browser) -> AsyncIterator[str]:
    """A profile of Chromium in which somebody has accepted the proxy's certificate."""
    profile = await browser.profile(ignoreHTTPSErrors=True)
    yield profile
    await browser.close_profile(profile)


@pytest.mark.browser
async def test_sdks_chat_through_the_proxy(
    place: Place, proxy: Nginx, browser: Browser, visiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By TLS and below a path: what the wasm SDK in Chromium and the JavaScript SDK in Node write to each other arrives, both ways."""
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(place.pair.certificate))
    page = await browser.page(visiting)
    async with (
        sdk_client(place, lambda note: WasmSeat.open(page, note)) as alice,
        sdk_client(place, lambda note: NodeSeat.open(note, 0, JAVASCRIPT_BUILDS["js"])) as bob,
    ):
        await alice.send_text(bob.user_id, "from Chromium")
        await bob.received("from Chromium")
        await bob.send_text(alice.user_id, "from Node")
        await alice.received("from Node")
        for client, peer in ((alice, bob), (bob, alice)):
            shown = (await client.history(peer.user_id, 10)).messages
            assert [message.text for message in shown] == ["from Chromium", "from Node"]


@pytest.mark.browser
async def test_the_chat_page_works_below_a_path(
    place: Place, proxy: Nginx, browser: Browser, visiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds its files, the API and the WebSocket behind the proxy, by a link that signs in, and its own policy allows them."""
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(place.pair.certificate))
    carol = visitor(place)
    tab = Tab(await browser.page(visiting), carol.user_id)
    await tab.page.do("goto", login_link(f"{place.public_api_url}/", carol.user_id, carol.token))
    await tab.connected()
    async with sdk_client(place, lambda note: NodeSeat.open(note, 0, JAVASCRIPT_BUILDS["js"])) as bob:
        await tab.start_chat(bob.user_id)
        await tab.write("from the page")
        await bob.received("from the page")
        await bob.send_text(carol.user_id, "to the page")
        await tab.has_messages("from the page", "to the page")
    assert tab.complaints() == []


# --- certificates change


async def test_a_certificate_is_replaced_without_a_restart(
    place: Place, browser_like: Callable[..., aiohttp.ClientSession], tmp_path: Path
) -> None:
    """New connections see it, those that stand go on; a pair that doesn't fit is logged, and the old one kept."""
    ports = (place.server.ws_port, place.server.api_port)
    place.server.expected_errors.add("new certificate not usable")
    async with browser_like().ws_connect(visitor(place).handshake(f"wss://127.0.0.1:{ports[0]}/")) as standing:
        assert await outcome(standing) == 0
        second = make_pair(tmp_path, "second")
        place.pair.key.write_bytes(make_pair(tmp_path, "third").key.read_bytes())
        await _until(lambda: "new certificate not usable" in log_of(place.server))
        assert await certificate_of(ports[0]) not in (b"", der_of(second))

        place.pair.certificate.write_bytes(second.certificate.read_bytes())
        place.pair.key.write_bytes(second.key.read_bytes())
        async with asyncio.timeout(WAIT_SECONDS):
            for port in ports:
                while await certificate_of(port) != der_of(second):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.2)
        await standing.send_str(json.dumps({"type": "ping", "body": "1"}))
        assert json.loads(await standing.receive_str())["type"] == "pong"


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - a file of another process gives no event
            await asyncio.sleep(0.2)


# --- afterwards


def test_no_token_stands_in_any_log(place: Place) -> None:
    """Neither in what the server printed, nor in any file of Ray's or of the proxy; tokens stood in many queries before."""
    folders = [temporary_directory(place.server.data_dir), place.server.log_file.parent.parent]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in {".log", ".err", ".out"}]
    assert len(files) > 5
    secret = place.server.admin_secret
    found = [
        str(file)
        for file in files
        for text in [file.read_text(errors="replace")]
        if secret in text or re.search(r"eyJ[\w-]{10,}\.", text)
    ]
    assert found == []
