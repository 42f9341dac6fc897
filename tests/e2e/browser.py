"""Chromium under test, driven by `sdk/browser.mjs` (playwright-core)."""

from __future__ import annotations

import itertools
from typing import Any

from tests.e2e.channel import Channel, EventHandler
from tests.e2e.events import EventLog
from tests.e2e.install import SDK_FOLDER, chromium, node


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

    async def page(self, profile: str, on_event: EventHandler | None = None, *, clock_shift: int = 0) -> Page:
        """Open an empty page, its clock off by `clock_shift` milliseconds."""
        page = Page(self, f"page-{next(self._numbers)}")
        self._handlers[page.name] = on_event or page.note
        await self.call("newPage", page.name, profile, clock_shift)
        return page

    async def close(self) -> None:
        """End Chromium."""
        if self._channel is not None:
            await self._channel.close()

    def _dispatch(self, name: str, source: str, data: Any) -> None:
        handler = self._handlers.get(source)
        if handler is not None:
            handler(name, source, data)


class BrowserSlot:
    """A Chromium that is started by the first who asks for it."""

    def __init__(self) -> None:
        self._browser: Browser | None = None

    async def get(self) -> Browser:
        """Return the running Chromium; `Unavailable` if it or Node can't be had."""
        if self._browser is None:
            self._browser = await Browser.launch()
        return self._browser

    async def close(self) -> None:
        """End it, if it was started."""
        if self._browser is not None:
            await self._browser.close()


class Page:
    """
    One page. `events` holds its console lines (`console`), uncaught errors (`pageerror`) and HTTP answers (`http`: path, status, body).
    """

    def __init__(self, browser: Browser, name: str) -> None:
        self.name = name
        self.events = EventLog(name)
        self._browser = browser

    def note(self, name: str, _source: str, data: Any) -> None:
        """Note an event of this page."""
        self.events.add(name, data)

    async def do(self, method: str, *params: Any) -> Any:
        """
        Call a method of playwright's Page and return its result if that is plain data: `await page.do("fill", "#text", "hello")`.

        `evaluate` takes an expression as text, `waitForSelector` waits for what it names, `screenshot` wants `{"path": ...}`.
        """
        return await self._browser.call("page", self.name, method, *params)

    async def open_sdk(self) -> None:
        """Load the page that holds the wasm SDK."""
        await self._browser.call("openSdk", self.name)

    async def sdk(self, method: str, *params: Any) -> Any:
        """Call a method of the wasm SDK."""
        return await self._browser.call("sdk", self.name, method, *params)

    async def close(self) -> None:
        """Close the page; its profile stays."""
        await self._browser.call("closePage", self.name)
