"""
The PostgreSQL server of the tests: it must not outlive them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.servers.postgres import find_programs

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.servers.postgres import PostgresServer, find_programs
server = PostgresServer(find_programs())
print(server.process_id, server.folder, flush=True)
sys.stdin.read()
"""


def test_who_is_killed_leaves_no_server() -> None:
    """When the tests are killed, the server ends by itself, and its files are removed."""
    assert find_programs() is not None
    command = [sys.executable, "-c", PROGRAM, str(ROOT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        process_id, folder = tests.stdout.readline().split()
        tests.kill()

    while Path(f"/proc/{process_id}").exists() or Path(folder).exists():
        time.sleep(0.05)
