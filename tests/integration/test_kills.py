"""Kills of real processes while 50 clients write; by hand in full: `python -m tests.integration.kill_test`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.server import Server
from tests.integration import kill_test
from tests.integration.kill_test import ACTORS, BEHIND, BOTH, EVERYTHING, UNANSWERED_MIN, Report
from tests.integration.outbox_books import APPEND, COMMIT, DELETION
from tests.servers.databases import database_servers

KILLS: Final = 1
PAIRS: Final = 1
WINDOW: Final = 2
"""So that there are twice as many messages on their way as a kill needs: what more of them cost they do not prove."""

AIMED: Final = (
    f"GatewayActor{BEHIND}{COMMIT}",
    f"InboxActor{BEHIND}{COMMIT}",
    f"InboxActor{BEHIND}{APPEND}",
    f"InboxActor{BEHIND}{DELETION}",
    f"PersistenceActor{BEHIND}{COMMIT}",
    f"{EVERYTHING}{BEHIND}{COMMIT}",
    f"{EVERYTHING}{BEHIND}{APPEND}",
)
"""Between commit, hand-over and deletion of what a change does."""

AIMED_ON_SERVERS: Final = (f"InboxActor{BEHIND}{APPEND}", f"{EVERYTHING}{BEHIND}{APPEND}")
"""What MongoDB appends can't be held up, as the kills behind a commit need."""

CIRCLES: Final = 2


@contextlib.contextmanager
def started(server: Server) -> Iterator[Server]:
    """Start a server; if the test fails it is left to nobody."""
    server.start()
    try:
        yield server
    finally:
        if server.running:
            server.kill_everything()


@pytest.mark.timeout(600)
async def test_nothing_answered_is_lost_or_doubled(tmp_path: Path) -> None:
    """
    Gateway, inbox, persistence and supervisor are killed at seeded moments, alone and two at once, and everything at once; some of it just
    when a change of a group is committed and not told yet.

    Every answered message is in the store once and at each receiver's end, seqs are 1..n, on connections that lived through it
    nothing was repeated or skipped, and no connection ended but with its gateway. Every answered change of groups and relations is in the
    directory, its line in the chat once, in the order of the commits, and seen by every member; nothing is left in the outbox.
    """
    with started(Server(tmp_path)) as server:
        report = await kill_test.run(
            server,
            clients=50,
            kills=KILLS,
            everything=0,
            seed=1,
            pairs=PAIRS,
            circles=CIRCLES,
            aimed=AIMED,
            window=WINDOW,
        )
        assert not report.faults, "\n".join([*report.faults, server.log_tail(), server.actor_logs()])
        server.stop()
    assert {victim: len(counts) for victim, counts in report.unanswered_at_kill.items()} == {
        **dict.fromkeys(ACTORS, KILLS),
        **{BOTH.join(two): PAIRS for two in itertools.combinations(ACTORS, 2)},
        **dict.fromkeys(AIMED, 1),
    }
    assert_all_is_there(report)
    assert report.in_time == dict.fromkeys(AIMED, 1)


def assert_all_is_there(report: Report) -> None:
    """Nothing is in the books that has no counterpart."""
    assert min(min(counts) for counts in report.unanswered_at_kill.values()) >= UNANSWERED_MIN
    assert report.answered == report.stored
    assert report.seen == 2 * report.stored
    assert report.effects >= report.changes > 0
    assert report.lines_seen > report.lines > 0


@pytest.mark.timeout(600)
async def test_nothing_answered_is_lost_or_doubled_on_database_servers(tmp_path: Path) -> None:
    """The same with MongoDB, PostgreSQL and Redis, which are killed as well and come back after a while."""
    with (
        database_servers(tmp_path) as databases,
        started(Server(tmp_path / "server", environment=databases.environment)) as server,
    ):
        report = await kill_test.run(
            server,
            clients=50,
            kills=KILLS,
            everything=1,
            seed=2,
            databases=databases,
            circles=CIRCLES,
            aimed=AIMED_ON_SERVERS,
            window=WINDOW,
        )
        assert not report.faults, "\n".join([*report.faults, server.log_tail(), server.actor_logs()])
        server.stop()
    assert set(report.unanswered_at_kill) == {*ACTORS, *databases.names, EVERYTHING, *AIMED_ON_SERVERS}
    assert_all_is_there(report)
