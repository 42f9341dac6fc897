"""
Measure how soon a server that was started before its stores is ready, for every order in which these come; prints JSON.

Each order is measured with empty databases, in which tables and collections are made, and again with those.

Run: .venv/bin/python tests/benchmarks/bench_start.py [--apart 3]
`ready_s` counts from the moment at which the last store can be used. The machine should do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.e2e.server import Server
from tests.servers.databases import HISTORY, MONGOD, POSTGRES, DatabaseServers, database_servers
from tests.servers.postgres import Databases

STORES = (MONGOD, POSTGRES, HISTORY)
WAITS = "waiting for"
LOOK_SECONDS = 0.05
START_SECONDS = 60.0


def measure(databases: DatabaseServers, server: Server, order: tuple[str, ...], apart_seconds: float) -> float:
    """
    Start the server, then its stores one after the other; returns the seconds after the last one. The server is ended again.
    """
    for name in STORES:
        databases.kill(name)
    begin = server.log_file.stat().st_size if server.log_file.exists() else 0
    with ThreadPoolExecutor(1) as thread:
        starting = thread.submit(server.start)
        _wait_for_word(server.log_file, begin)
        for name in order:
            time.sleep(apart_seconds)
            databases.start(name)
        last = time.monotonic()
        starting.result()
        seconds = time.monotonic() - last
    server.stop()
    return round(seconds, 2)


def empty(databases: DatabaseServers, folder: Path, number: int) -> Server:
    """
    Return a server that has nothing stored yet.
    """
    environment = {
        "OPENIM_STORAGE_MESSAGES_URL": databases.mongod.url(f"openim_{number}"),
        "OPENIM_STORAGE_DIRECTORY_URL": Databases(databases.postgres.url()).make(),
        "OPENIM_STORAGE_HISTORY_URL": Databases(databases.history.url()).make(),
    }
    return Server(folder / f"server-{number}", environment=environment)


def _wait_for_word(log: Path, begin: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (log.exists() and WAITS in log.read_text()[begin:]):
        if time.monotonic() > deadline:
            raise RuntimeError("the server does not say that it waits")
        time.sleep(LOOK_SECONDS)


def main() -> None:
    """Measure, print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apart", type=float, default=3.0, help="seconds between two stores")
    options = parser.parse_args()
    runs: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name, database_servers(Path(name)) as databases:
        for number, order in enumerate(itertools.permutations(STORES)):
            server = empty(databases, Path(name), number)
            seconds = [measure(databases, server, order, options.apart) for _ in range(2)]
            runs.append({"order": order, "empty_ready_s": seconds[0], "ready_s": seconds[1]})
    print(json.dumps({"apart_s": options.apart, "runs": runs}))


if __name__ == "__main__":
    main()
