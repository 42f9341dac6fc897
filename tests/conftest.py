"""A real server for every kind of test that needs one: started once, on first use."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.compat.compatibility_page import NamedTestsRan
from tests.e2e.server import Server

SHARED = pytest.StashKey[Server]()


def pytest_configure(config: pytest.Config) -> None:
    """Let a run of the whole suite prove what docs/compatibility.md says."""
    config.pluginmanager.register(NamedTestsRan(config))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Server]:
    """The one server of this run; it must end cleanly and without a fault in its log, too. Ask for `server` instead."""
    server = Server(tmp_path_factory.mktemp("server"))
    pytestconfig.stash[SHARED] = server
    server.start()
    yield server
    if server.running:
        server.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """
    A running server that other tests use, too: make users of your own (`add_user`), expect strangers in lists, restart it if you kill it.

    A test that needs other settings, counts what the whole server does, or makes it log errors, has a `Server` of its own.
    """
    if not shared_server.running:
        shared_server.start()
    return shared_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the server wrote beside a test that failed."""
    report = yield
    server = item.config.stash.get(SHARED, None)
    if report.failed and server is not None and "server" in getattr(item, "fixturenames", ()):
        report.sections.append(("output of the server", server.log_tail()))
        report.sections.append(("output of its actors", server.actor_logs()))
    return report
