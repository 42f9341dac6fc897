"""Chromium under test, driven by `sdk/browser.mjs` (playwright-core)."""

from __future__ import annotations

import itertools
from typing import Any

from tests.e2e.channel import Channel, EventHandler
from tests.e2e.events import EventLog
from tests.e2e.install import SDK_FOLDER, chromium, node
from tests.e2e.node_process import NodeProcess


class Browser:
    """One Chromium. Profiles share nothing with each other; pages of one profile share its storage."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._handlers: dict[str, EventHandler] = {}
        self._numbers = itertools.count(1)

    @classmethod
    async def launch(cls) -> Browser:
        """Start Chromium; `Unavailable` if it or Node can't be had."""
        browser = cls()
        browser._channel = await Channel.start([node(), str(SDK_FOLDER / "browser.mjs")], browser._dispatch)
        await browser.call("launch", chromium())
        return browser

    async def call(self, method: str, *params: Any) -> Any:
        """Call a function of `browser.mjs`."""
        assert self._channel is not None
        return await self._channel.call(method, *params)

    async def profile(self, **options: Any) -> str:
        """Make a fresh profile, as a browser that was just installed; `options` are playwright's for a context (viewport, colorScheme …)."""
        name = f"profile-{next(self._numbers)}"
        await self.call("newProfile", name, options)
        return name

    async def close_profile(self, profile: str) -> None:
        """Close a profile with its pages and storage."""
        await self.call("closeProfile", profile)

    async def page(self, profile: str) -> Page:
        """Open an empty page."""
        page = Page(self, f"page-{next(self._numbers)}")
        self._handlers[page.name] = page.note
        await self.call("newPage", page.name, profile)
        return page

    def listen(self, page: str, on_event: EventHandler) -> None:
        """Hand what a page tells to somebody else."""
        self._handlers[page] = on_event

    async def close(self) -> None:
        """End Chromium."""
        if self._channel is not None:
            await self._channel.close()

    def _dispatch(self, name: str, source: str, data: Any) -> None:
        handler = self._handlers.get(source)
        if handler is not None:
            handler(name, source, data)


class BrowserSlot:
    """A Chromium, and a Node for clients of the JavaScript SDK, each started by the first who asks for it."""

    def __init__(self) -> None:
        self.vacant: list[Page] = []
        """Pages for SDKs, each in a profile of its own, that nobody uses: the 36 MB of the SDK are compiled there already, which costs four times as much as to load it again."""

        self._browser: Browser | None = None
        self._node: NodeProcess | None = None

    async def get(self) -> Browser:
        """Return the running Chromium; `Unavailable` if it or Node can't be had."""
        if self._browser is None:
            self._browser = await Browser.launch()
        return self._browser

    async def page(self) -> Page:
        """Return an empty page in a profile that knows no user of this test; put it back into `vacant` afterwards."""
        browser = await self.get()
        return self.vacant.pop() if self.vacant else await browser.page(await browser.profile())

    async def node(self) -> NodeProcess:
        """Return the running Node; `Unavailable` if it can't be had."""
        if self._node is None:
            self._node = await NodeProcess.start()
        return self._node

    async def close(self) -> None:
        """End what was started."""
        if self._browser is not None:
            await self._browser.close()
        if self._node is not None:
            await self._node.close()


class Page:
    """
    One page. `events` holds its console lines (`console`), uncaught errors (`pageerror`) and HTTP answers (`http`: path, status, body).
    """

    def __init__(self, browser: Browser, name: str) -> None:
        self.name = name
        self.events = EventLog(name)
        self._browser = browser

    def listen(self, on_event: EventHandler) -> None:
        """Let somebody else have the events of this page from now on."""
        self._browser.listen(self.name, on_event)

    def note(self, name: str, _source: str, data: Any) -> None:
        """Note an event of this page."""
        self.events.add(name, data)

    async def do(self, method: str, *params: Any) -> Any:
        """
        Call a method of playwright's Page and return its result if that is plain data: `await page.do("fill", "#text", "hello")`.

        `evaluate` takes an expression as text, `waitForSelector` waits for what it names, `screenshot` wants `{"path": ...}`.
        """
        return await self._browser.call("page", self.name, method, *params)

    async def open_sdk(self, clock_shift: int = 0) -> None:
        """Load the page that holds the wasm SDK, its clock off by `clock_shift` milliseconds; once more if it is loaded."""
        await self._browser.call("openSdk", self.name, clock_shift)

    async def leave_sdk(self) -> None:
        """Load an empty page in its place."""
        await self._browser.call("leaveSdk", self.name)

    async def sdk(self, method: str, *params: Any) -> Any:
        """Call a method of the wasm SDK."""
        return await self._browser.call("sdk", self.name, method, *params)

    async def close(self) -> None:
        """Close the page; its profile stays."""
        await self._browser.call("closePage", self.name)
