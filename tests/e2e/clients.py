"""Makes users and their devices for a test, and ends them with it."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest

from openim_ray.protocol.identifiers import Platform
from tests.e2e.browser import BrowserSlot, Page
from tests.e2e.channel import EventHandler
from tests.e2e.client import Account, Client, Endpoints
from tests.e2e.events import Event
from tests.e2e.install import Unavailable
from tests.e2e.native_client import Device, NativeClient
from tests.e2e.pypi_client import PypiClient
from tests.e2e.sdk_client import NodeSeat, SdkClient, WasmSeat
from tests.e2e.server import Server
from tests.e2e.wire import Wire

PLATFORMS: Final = {
    "wasm": Platform.WEB,
    "js": Platform.WEB,
    "js-modern": Platform.WEB,
    "native": Platform.ANDROID,
    "pypi": Platform.LINUX,
}
JAVASCRIPT_BUILDS: Final = {"js": "index.js", "js-modern": "index.modern.mjs"}
OK: Final = 200
TOKEN_ERRORS: Final = range(1501, 1508)
LOGIN_IS_OVER: Final = ("OnKickedOffline", "OnUserTokenInvalid", "OnUserTokenExpired")

AnyClient = TypeVar("AnyClient", bound=Client)


@dataclass(frozen=True)
class Opened:
    """A device and what belongs to it."""

    kind: str
    client: Client
    wire: Wire
    storage: Any
    """What stays when the device is closed: a page of Chromium with its profile, a folder, a `Device`."""


class Clients:
    """
    Devices of one test.

        alice, bob = clients.user("alice"), clients.user("bob")
        phone = await clients.native(alice)
        tab = await clients.wasm(bob)

    Each returns logged in and synchronised unless `login=False`. Every device reaches the server by a `wire` of its own that can be cut.
    """

    def __init__(self, server: Server, browser_slot: BrowserSlot, folder: Path) -> None:
        self._server = server
        self._browser_slot = browser_slot
        self._folder = folder
        self._opened: list[Opened] = []
        self._pages: set[Page] = set()
        self.expected_refusals: set[tuple[str, int]] = set()
        """Paths and errCodes of refusals that a test makes happen: SDKs ask for what they have just lost."""

    def user(self, name: str) -> str:
        """Register a user and return its id."""
        return self._server.add_user(name)

    def account(self, kind: str, user_id: str) -> Account:
        """Return a new login for a device of this kind; it kicks older ones of the same platform."""
        platform = PLATFORMS[kind]
        return Account(user_id, self._server.token(user_id, platform), platform)

    def wire(self, client: Client) -> Wire:
        """Return the network of a device."""
        return self._find(client).wire

    async def open(self, kind: str, user_id: str, **options: Any) -> Any:
        """Open a device of a kind that `PLATFORMS` names."""
        return await getattr(self, kind.replace("-", "_"))(user_id, **options)

    async def reopen(self, client: Client) -> Any:
        """Close a device and open it again with what it kept and the same token: a restarted app, a reloaded page."""
        old = self._find(client)
        await client.close()
        return await self.open(old.kind, client.user_id, account=client.account, storage=old.storage)

    async def log_in_anew(self, client: Client) -> Any:
        """Close a device and open it again with what it kept and a new token."""
        old = self._find(client)
        await client.close()
        return await self.open(old.kind, client.user_id, storage=old.storage)

    async def wasm(
        self,
        user_id: str,
        *,
        account: Account | None = None,
        storage: Page | None = None,
        clock_shift: int = 0,
        login: bool = True,
    ) -> SdkClient:
        """Load the wasm SDK in a page, of a profile that does not know the user unless `storage` is one."""
        try:
            page = storage or await self._browser_slot.page()
        except Unavailable as reason:
            pytest.skip(str(reason))
        self._pages.add(page)
        wire = await self._wire()
        client = SdkClient(account or self.account("wasm", user_id), self._endpoints(wire))
        client.take(await WasmSeat.open(page, _notes_of(client), clock_shift))
        return await self._ready(Opened("wasm", client, wire, page), client, login)

    async def js(
        self,
        user_id: str,
        *,
        account: Account | None = None,
        storage: None = None,
        clock_shift: int = 0,
        login: bool = True,
        kind: str = "js",
    ) -> SdkClient:
        """Start a client of the pure JavaScript SDK, which stores nothing."""
        wire = await self._wire()
        client = SdkClient(account or self.account(kind, user_id), self._endpoints(wire))
        try:
            note, build = _notes_of(client), JAVASCRIPT_BUILDS[kind]
            if clock_shift:
                seat = await NodeSeat.open(note, clock_shift, build)
            else:
                seat = await NodeSeat.share(await self._browser_slot.node(), note, build)
        except Unavailable as reason:
            pytest.skip(str(reason))
        client.take(seat)
        return await self._ready(Opened(kind, client, wire, storage), client, login)

    async def js_modern(self, user_id: str, **options: Any) -> SdkClient:
        """Start the same with the one build that pulls after a reconnect."""
        return await self.js(user_id, kind="js-modern", **options)

    async def pypi(
        self,
        user_id: str,
        *,
        account: Account | None = None,
        storage: Path | None = None,
        clock_shift: int = 0,
        login: bool = True,
    ) -> PypiClient:
        """Start a process with the PyPI client, its data in a folder of its own unless `storage` names one."""
        folder = storage or self._folder / f"pypi-{len(self._opened)}"
        wire = await self._wire()
        client = PypiClient(account or self.account("pypi", user_id), self._endpoints(wire), folder, clock_shift)
        try:
            return await self._ready(Opened("pypi", client, wire, folder), client, login)
        except Unavailable as reason:
            pytest.skip(str(reason))

    async def native(
        self,
        user_id: str,
        *,
        account: Account | None = None,
        storage: Device | None = None,
        clock_shift: int = 0,
        login: bool = True,
    ) -> NativeClient:
        """Open a client that behaves as the native SDKs do, on a fresh device unless `storage` is one."""
        wire = await self._wire()
        device = storage or Device()
        account = account or self.account("native", user_id)
        client = NativeClient(
            account, self._endpoints(wire), device=device, clock=lambda: time.time() + clock_shift / 1000
        )
        return await self._ready(Opened("native", client, wire, device), client, login)

    async def close(self) -> None:
        """End all devices and their networks."""
        await asyncio.gather(*(opened.client.close() for opened in self._opened))
        await asyncio.gather(*(opened.wire.close() for opened in self._opened))
        self._browser_slot.vacant += self._pages
        self._pages.clear()

    def check(self) -> None:
        """
        Fail if an HTTP answer of this test was a refusal, or code of an SDK threw what nobody caught.

        A refusal that isn't among `expected_refusals` is a fault: of the server, or of a route that isn't there.
        """
        for opened in self._opened:
            events = opened.client.events
            good = {0, *TOKEN_ERRORS} if events.named(*LOGIN_IS_OVER) else {0}
            refusals = [
                event.data
                for event in events.named("http")
                if (code := _error_code(event.data)) not in good
                and (event.data["path"], code) not in self.expected_refusals
            ]
            assert not refusals, f"{opened.client.user_id}: {refusals}"
            thrown = [
                event for event in events.named("pageerror", "unhandledrejection") if not _is_known(event, opened)
            ]
            assert not thrown, f"{opened.client.user_id}: {thrown}"

    async def _wire(self) -> Wire:
        wire = Wire(self._server.ws_port)
        await wire.up()
        return wire

    def _endpoints(self, wire: Wire) -> Endpoints:
        return Endpoints(wire.ws_url, self._server.api_url)

    async def _ready(self, opened: Opened, client: AnyClient, login: bool) -> AnyClient:
        self._opened.append(opened)
        if login:
            await client.login()
        return client

    def _find(self, client: Client) -> Opened:
        return next(opened for opened in self._opened if opened.client is client)


def _notes_of(client: Client) -> EventHandler:
    return lambda name, _source, data: client.events.add(name, data)


def _error_code(answer: dict[str, Any]) -> int | None:
    """Return the errCode of an HTTP answer, None if it is no envelope."""
    try:
        envelope = json.loads(answer["body"])
        return int(envelope["errCode"]) if answer["status"] == OK else None
    except (ValueError, TypeError, KeyError):
        return None


def _is_known(event: Event, opened: Opened) -> bool:
    """In Node a call to a server that is down ends so, and the fault of the SDK's own that `sdk/js_client.mjs` tells of."""
    return opened.kind in JAVASCRIPT_BUILDS and ("fetch failed" in event.data or "pullMsgBySeqRange" in event.data)
