"""
The official SDKs against a real server.

Fixtures:

- `server` (tests/conftest.py): a running server: `api_url` (the chat page is at its root), `ws_url`, `add_user(name)`, `token(user_id)`.
- `clients`: devices of users, of any kind of SDK; see `clients.Clients`.
- `browser`: a Chromium driven from here: `profile = await browser.profile()`, `page = await browser.page(profile)`,
  `await page.do("goto", server.api_url)`, `await page.do("fill", "#text", "hello")`; see `browser.Page`. The test is skipped where
  Chromium or Node can't be had, with the reason.

All asynchronous tests here share one event loop, in which the drivers of the SDKs are read. An HTTP answer that is a refusal, and above all
one with errCode 500, fails the test in which it came.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.browser import Browser, BrowserSlot
from tests.e2e.clients import Clients
from tests.e2e.install import Unavailable
from tests.e2e.server import Server

TEST_SECONDS = 300
"""Above the usual limit: the first test may have to install what it drives."""

ONE_LOOP = pytest.mark.asyncio(loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of this folder share a loop, and time to install."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.timeout(TEST_SECONDS))
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ray)
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(ONE_LOOP, append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser_slot() -> AsyncIterator[BrowserSlot]:
    """Chromium, started by the first who needs it."""
    slot = BrowserSlot()
    yield slot
    await slot.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(browser_slot: BrowserSlot) -> Browser:
    """A running Chromium, shared by all tests: make profiles of your own."""
    try:
        return await browser_slot.get()
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest_asyncio.fixture(loop_scope="session")
async def clients(server: Server, browser_slot: BrowserSlot, tmp_path: Path) -> AsyncIterator[Clients]:
    """Makes users and their devices; ends the devices after the test, and looks at the HTTP answers they got."""
    clients = Clients(server, browser_slot, tmp_path)
    yield clients
    await clients.close()
    clients.check()
