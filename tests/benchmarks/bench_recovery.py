"""
Measure how soon a message is accepted after `kill -9` of everything, with many messages stored; prints JSON. SQLite, and MongoDB with PostgreSQL, in one run.

Run: .venv/bin/python -m tests.benchmarks.bench_recovery [--rows 1000000] [--tries 3] [--servers]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

from openim_ray.domain.message import LogWrite
from openim_ray.storage.open import open_message_store
from tests.benchmarks.bench_store import Load, measure_writes
from tests.e2e.server import Server
from tests.integration.connection import NATIVE, Account, Refused, connect
from tests.integration.websocket import Ended, HttpAnswer
from tests.servers.databases import database_servers

BATCH_ROWS = 500
CHATS = 1_000
AIM_SECONDS = 15.0


class EarlierLoad(Load):
    """
    Messages of a partition that the server doesn't know: it owns all of its own.
    """

    def batch(self, rows: int) -> list[LogWrite]:
        """Return the next writes."""
        return [write._replace(partition="benchmark") for write in super().batch(rows)]


async def fill(server: Server, rows: int) -> dict[str, float]:
    """Store messages of chats that nobody uses, as fast as the store takes them."""
    store = await open_message_store(server.places)
    try:
        return await measure_writes(store, EarlierLoad(CHATS, 400), rows, BATCH_ROWS)
    finally:
        await store.aclose()


async def until_answered(server: Server, sender: Account, receiver: str, text: str) -> None:
    """Connect and send until a message is answered without an error, as a client does that keeps trying."""
    while True:
        with contextlib.suppress(OSError, Ended, HttpAnswer, Refused, AssertionError):
            connection = await connect(server.ws_port, sender, NATIVE)
            try:
                await connection.send_text(receiver, text)
            finally:
                await connection.close()
            return
        await asyncio.sleep(0.05)


def recover(server: Server, sender: Account, receiver: str, number: int) -> dict[str, float]:
    """Kill everything with a message just answered, start again, and measure from the start's begin on."""
    asyncio.run(until_answered(server, sender, receiver, f"before {number}"))
    server.kill_everything()
    began = time.monotonic()
    server.restart()
    ready = time.monotonic() - began
    asyncio.run(until_answered(server, sender, receiver, f"after {number}"))
    return {"ready_s": round(ready, 2), "first_answer_s": round(time.monotonic() - began, 2)}


def measure(name: str, server: Server, options: argparse.Namespace) -> dict[str, object]:
    """Measure one set of stores."""
    server.start()
    sender, receiver = server.add_user("sender"), server.add_user("receiver")
    account = Account(sender, server.token(sender, NATIVE.platform), NATIVE.platform)
    server.stop()
    filled = asyncio.run(fill(server, options.rows))
    server.start()
    try:
        tries = [recover(server, account, receiver, number) for number in range(options.tries)]
    finally:
        server.stop()
    return {
        "stores": name,
        "messages_stored": options.rows,
        "filled_rows_per_s": filled["rows_per_second"],
        "tries": tries,
    }


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_recovery", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="messages that are stored before")
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--servers", action="store_true", help="measure MongoDB and PostgreSQL, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-recovery-") as folder:
        results = [measure("sqlite", Server(Path(folder) / "sqlite"), options)]
        if options.servers:
            databases_folder = Path(folder) / "databases"
            databases_folder.mkdir()
            with database_servers(databases_folder) as databases:
                server = Server(Path(folder) / "servers", environment=databases.environment)
                results.append(measure("mongodb, postgresql", server, options))
    json.dump({"aim_s": AIM_SECONDS, "results": results}, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
