"""
Measure `openim-ray migrate`: messages a second from SQLite files to MongoDB and PostgreSQL, and back for the comparison; prints JSON.

Run: .venv/bin/python -m tests.benchmarks.bench_migrate [--messages 100000] [--conversations 2000] [--body 200]

The servers are those of the tests (CONTRIBUTING.md), on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from openim_ray.config import Config
from openim_ray.domain.message import Outcome
from openim_ray.migrate import Watch, migrate
from openim_ray.storage.open import open_message_store, prepare
from openim_ray.storage.places import Places
from tests.benchmarks.bench_store import Load
from tests.servers.databases import DatabaseServers

BATCH = 500


async def fill(data_dir: Path, options: argparse.Namespace) -> None:
    """Store messages of random single chats."""
    await prepare(Places(data_dir))
    store = await open_message_store(Places(data_dir))
    load = Load(options.conversations, options.body)
    for _ in range(options.messages // BATCH):
        results = await store.write(load.batch(BATCH))
        assert all(result.outcome is Outcome.STORED for result in results)
    await store.aclose()


def config_of(data_dir: Path, urls: dict[str, str]) -> Config:
    """Return the settings of a server on these databases."""
    config = Config()
    storage = {name.removeprefix("OPENIM_STORAGE_").lower(): url for name, url in urls.items()}
    return msgspec.structs.replace(
        config,
        server=msgspec.structs.replace(config.server, data_dir=str(data_dir)),
        storage=msgspec.structs.replace(config.storage, **storage),
    )


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fill files, migrate them, and return the figures."""
    data_dir = folder / "files"
    asyncio.run(fill(data_dir, options))
    servers = DatabaseServers(folder)
    try:
        report = migrate(config_of(data_dir, servers.environment), Watch(lambda *_: None, lambda _: None))
    finally:
        servers.close()
    return {
        "messages": report.messages,
        "conversations": options.conversations,
        "body_bytes": options.body,
        "copy_s": round(report.seconds, 2),
        "messages_per_s": round(report.messages_per_second),
        "compare_s": round(report.compare_seconds, 2),
        "compared_per_s": round(report.messages / report.compare_seconds),
    }


def main() -> None:
    """Measure, print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_migrate", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--conversations", type=int, default=2_000)
    parser.add_argument("--body", type=int, default=200, help="bytes of a message")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options)
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    sys.stdout.write(json.dumps({"machine": machine, "migrate": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
