"""Kills of real processes while 50 clients write; by hand in full: `python -m tests.integration.kill_test`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.server import Server
from tests.integration import kill_test
from tests.integration.kill_test import ACTORS, BOTH, EVERYTHING, UNANSWERED_MIN
from tests.servers.databases import database_servers

KILLS: Final = 3
PAIRS: Final = 1
KILLS_OF_EVERYTHING: Final = 2


@pytest.mark.timeout(600)
async def test_nothing_answered_is_lost_or_doubled(tmp_path: Path) -> None:
    """
    Gateway, inbox, persistence and supervisor are killed at seeded moments, alone and two at once, and everything at once.

    Every answered message is in the store once and at each receiver's end, seqs are 1..n, on connections that lived through it
    nothing was repeated or skipped, and no connection ended but with its gateway.
    """
    server = Server(tmp_path)
    server.start()
    report = await kill_test.run(server, clients=50, kills=KILLS, everything=KILLS_OF_EVERYTHING, seed=1, pairs=PAIRS)
    assert not report.faults, "\n".join([*report.faults, server.log_tail(), server.actor_logs()])
    server.stop()
    assert {victim: len(counts) for victim, counts in report.unanswered_at_kill.items()} == {
        **dict.fromkeys(ACTORS, KILLS),
        **{BOTH.join(two): PAIRS for two in itertools.combinations(ACTORS, 2)},
        EVERYTHING: KILLS_OF_EVERYTHING,
    }
    assert min(min(counts) for counts in report.unanswered_at_kill.values()) >= UNANSWERED_MIN
    assert report.answered == report.stored
    assert report.seen == 2 * report.stored


@pytest.mark.timeout(600)
async def test_nothing_answered_is_lost_or_doubled_on_database_servers(tmp_path: Path) -> None:
    """The same with MongoDB, PostgreSQL and Redis, which are killed as well and come back after a while."""
    with database_servers(tmp_path) as databases:
        server = Server(tmp_path / "server", environment=databases.environment)
        server.start()
        report = await kill_test.run(server, clients=50, kills=1, everything=2, seed=2, databases=databases)
        assert not report.faults, "\n".join([*report.faults, server.log_tail(), server.actor_logs()])
        server.stop()
    assert set(report.unanswered_at_kill) == {*ACTORS, *databases.names, EVERYTHING}
    assert min(min(counts) for counts in report.unanswered_at_kill.values()) >= UNANSWERED_MIN
    assert report.answered == report.stored
    assert report.seen == 2 * report.stored
