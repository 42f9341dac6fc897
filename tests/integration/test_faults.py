"""A fault of the server fails the test run, whatever the test that met it looks at."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.e2e.fault_log import errors_in
from tests.e2e.server import ApiError, Server
from tests.integration.measures import metric

CONSOLE = """\
:actor_name:GatewayActor
2026-11-25T10:00:00.000000Z [info     ] opened                         [openim_ray.gateway] user=error
2026-11-25T10:00:01.000000Z [error    ] link failed                    [openim_ray.actors.refs] peer=inbox-0
Traceback (most recent call last):
RuntimeError: first
2026-11-25T10:00:02.000000Z [warning  ] link hole, reset               [openim_ray.actors.refs] peer=inbox-0
"""
JSON = '{"event": "link failed", "level": "error"}\n{"event": "opened", "level": "info"}\n'


def test_errors_are_found_in_a_log() -> None:
    """In both forms of the log, with what follows them, and but for those that a test expects."""
    (found,) = errors_in(CONSOLE.splitlines(keepends=True))
    assert found.splitlines()[0].endswith("peer=inbox-0")
    assert found.endswith("RuntimeError: first")
    assert list(errors_in(JSON.splitlines(keepends=True))) == ['{"event": "link failed", "level": "error"}']
    for crash in ("*** SIGSEGV received at time=1 on cpu 0 ***\n", "Fatal Python error: Segmentation fault\n"):
        assert list(errors_in(["    @ 0x7f  (unknown)\n", crash, "    @ 0x7f  (unknown)\n"])) == [
            f"{crash}    @ 0x7f  (unknown)"
        ]
    assert not list(errors_in(["*** SIGTERM received at time=1 on cpu 0 ***\n"]))
    assert not list(errors_in([*CONSOLE.splitlines(keepends=True), *JSON.splitlines()], ["link failed"]))


def spoil(server: Server, user_id: str) -> None:
    """Let the server find what it never writes, so that it fails where nobody thought of it."""
    with sqlite3.connect(server.data_dir / "directory.db", timeout=10.0) as database:
        database.execute("UPDATE users SET create_time = 'never' WHERE user_id = ?", [user_id])
    database.close()


def meet_fault(server: Server, user_id: str) -> None:
    """Call what fails."""
    with pytest.raises(ApiError) as refused:
        server.call("/user/get_users_info", {"userIDs": [user_id]})
    assert refused.value.code == 500


@pytest.mark.timeout(120)
def test_a_server_that_failed_does_not_end_well(tmp_path: Path) -> None:
    """However it ends, and though the actor that failed and its figures are gone; only what a test expects is let pass."""
    server = Server(tmp_path)
    server.start()
    assert metric(server, "openim_errors_logged") == 0
    alice = server.add_user("alice")
    spoil(server, alice)
    meet_fault(server, alice)
    assert metric(server, "openim_errors_logged") == 1
    server.kill_actor("GatewayActor")
    with pytest.raises(AssertionError, match="call failed"):
        server.stop()

    server.start()
    meet_fault(server, alice)
    with pytest.raises(AssertionError, match="call failed"):
        server.kill_everything()

    server.start()
    meet_fault(server, alice)
    server.expected_errors.add("call failed")
    server.stop()
