"""A real server for every kind of test that needs one: started once, on first use."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator, Mapping

import pytest

from tests.compat.compatibility_page import NamedTestsRan
from tests.e2e.server import Server
from tests.servers.once import run_folder

STORES_VARIABLE = "OPENIM_TEST_STORES"
EMBEDDED = "embedded"
SERVERS = "servers"


def pytest_configure(config: pytest.Config) -> None:
    """Let a run of the whole suite prove what docs/compatibility.md says, and refuse stores that aren't known."""
    if chosen_stores() not in (EMBEDDED, SERVERS):
        raise pytest.UsageError(f"{STORES_VARIABLE} is neither {EMBEDDED} nor {SERVERS}")
    config.pluginmanager.register(NamedTestsRan(config))
    run_folder()  # of this process, which starts the others


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare what was imported and collected, which lives to the end, from being looked at by every full garbage collection (a fifth of a second each)."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped, and on which stores they ran: whoever reads a green result should know what it leaves out."""
    if STORES_VARIABLE in os.environ:
        terminalreporter.write_line(f"stores of the shared server: {chosen_stores()}")
    for report in terminalreporter.getreports("skipped"):
        if isinstance(report.longrepr, tuple):
            terminalreporter.write_line(f"{report.nodeid} {report.longrepr[2]}")


def chosen_stores() -> str:
    """Return where the shared server keeps everything: `embedded` in files, as long as OPENIM_TEST_STORES doesn't say `servers`."""
    return os.environ.get(STORES_VARIABLE, EMBEDDED)


@pytest.fixture(scope="session")
def shared_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The settings that tell the shared server of its stores; who asks for database servers gets all of them or an error."""
    if chosen_stores() == EMBEDDED:
        yield {}
        return
    from tests.servers.databases import DatabaseServers  # its drivers take a second, which most runs need not wait

    servers = DatabaseServers(tmp_path_factory.mktemp("databases"))
    try:
        assert servers.redis is not None, f"{STORES_VARIABLE}={SERVERS} needs a Redis"
        yield servers.environment
    finally:
        servers.close()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, shared_stores: Mapping[str, str]) -> Iterator[Server]:
    """The one server of this run; it must end cleanly and without a fault in its log, too. Ask for `server` instead."""
    server = Server(tmp_path_factory.mktemp("server"), environment=shared_stores)
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
    """Show what its servers wrote, and which processes they had, beside a test that failed."""
    report = yield
    if report.failed:
        for server in _servers_of(item):
            report.sections.append(("output of the server", server.log_tail()))
            if server.running:
                processes = "\n".join(f"{pid} {title}" for pid, title in server.processes().items())
                report.sections.append(("its processes", processes))
            report.sections.append(("output of its actors", server.actor_logs()))
    return report


def _servers_of(item: pytest.Item) -> set[Server]:
    fixtures = getattr(item, "funcargs", {}).values()
    return {
        one for fixture in fixtures for one in (fixture, getattr(fixture, "server", None)) if isinstance(one, Server)
    }
