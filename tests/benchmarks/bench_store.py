"""
Measure message logs: rows/s and commit times by batch size, reads; prints JSON. SQLite, and each URL in the same run.

Run: .venv/bin/python tests/benchmarks/bench_store.py [--rows 20000] [--conversations 1000] [--url mongodb://127.0.0.1/bench]

A database that a URL names gets rows of the benchmark; take one that nobody else uses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from openim_ray.config.values import hide_password
from openim_ray.domain.conversation import home_key
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import LogWrite, Outcome, StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.open import open_message_reader, open_message_store
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenMessageReader, OpenMessageStore

START_MS = 1_764_000_000_000


class Load:
    """
    Messages of random single chats, each write one message: the hardest case, no locality.
    """

    def __init__(self, conversations: int, body_bytes: int) -> None:
        self._random = random.Random(7)
        self._seqs = [0] * conversations
        self._body_bytes = body_bytes

    def conversation(self, number: int) -> ConversationID:
        """Return the id of a chat."""
        return ConversationID(f"si_u{number:05d}_u{number + 100000}")

    def batch(self, rows: int) -> list[LogWrite]:
        """Return the next writes."""
        return [self._write() for _ in range(rows)]

    def _write(self) -> LogWrite:
        number = self._random.randrange(len(self._seqs))
        self._seqs[number] += 1
        seq = self._seqs[number]
        conversation_id = self.conversation(number)
        pair = (f"u{number:05d}", f"u{number + 100000}")
        row = StoredMessage(
            conversation_id,
            ConversationSeq(seq),
            UserID(pair[seq % 2]),
            ClientMessageID(f"{self._random.getrandbits(128):032x}"),
            ServerMessageID(f"{self._random.getrandbits(128):032x}"),
            START_MS + seq,
            101,
            True,
            f"{self._random.getrandbits(128):032x}",
            self._random.randbytes(self._body_bytes),
        )
        return LogWrite("0", 0, home_key(conversation_id), pair, (row,), {})


async def measure_writes(store: OpenMessageStore, load: Load, rows: int, batch: int) -> dict[str, float]:
    """
    Write `rows` messages in batches, one after the other.
    """
    batches = [load.batch(batch) for _ in range(max(1, rows // batch))]
    times: list[float] = []
    cpu, begin = time.process_time(), time.perf_counter()
    for writes in batches:
        start = time.perf_counter()
        results = await store.write(writes)
        times.append(time.perf_counter() - start)
        if any(result.outcome is not Outcome.STORED for result in results):
            raise RuntimeError("a write was refused")
    seconds = time.perf_counter() - begin
    return {
        "batch_rows": batch,
        "rows_per_second": round(len(batches) * batch / seconds),
        "cpu_ms_per_row": round((time.process_time() - cpu) * 1000 / (len(batches) * batch), 4),
        **_milliseconds("commit", times),
    }


async def measure_reads(
    reader: OpenMessageReader, load: Load, conversations: int, count: int
) -> list[dict[str, object]]:
    """
    Read 20 rows of random chats, and load whole logs.
    """
    numbers = [random.Random(8).randrange(conversations) for _ in range(count)]
    ranges, loads = [], []
    for number in numbers:
        conversation_id = load.conversation(number)
        start = time.perf_counter()
        await reader.read_range(conversation_id, 1, 1 << 60, 20)
        ranges.append(time.perf_counter() - start)
        start = time.perf_counter()
        await reader.load_log(home_key(conversation_id), 20)
        loads.append(time.perf_counter() - start)
    return [
        {"what": "read_range of 20 rows", **_milliseconds("call", ranges)},
        {"what": "load_log with a tail of 20", **_milliseconds("call", loads)},
    ]


def _milliseconds(name: str, times: list[float]) -> dict[str, float]:
    times = sorted(times)
    return {
        f"{name}_p50_ms": round(times[len(times) // 2] * 1000, 3),
        f"{name}_p99_ms": round(times[int(len(times) * 0.99)] * 1000, 3),
        f"{name}_max_ms": round(times[-1] * 1000, 3),
    }


async def measure(places: Places, options: argparse.Namespace) -> dict[str, object]:
    """
    Measure one store, which must be empty.
    """
    store, reader = await open_message_store(places), await open_message_reader(places)
    load = Load(options.conversations, options.body_bytes)
    await measure_writes(store, load, options.rows, 500)
    writes = [await measure_writes(store, load, min(options.rows, 200 * batch), batch) for batch in options.batches]
    reads = await measure_reads(reader, load, options.conversations, 2_000)
    await reader.aclose()
    await store.aclose()
    return {"store": hide_password(places.messages) or "sqlite", "writes": writes, "reads": reads}


async def main() -> None:
    """
    Run everything on a fresh file, then on each database server.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--conversations", type=int, default=1_000)
    parser.add_argument("--body-bytes", type=int, default=400)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 50, 256, 500])
    parser.add_argument("--url", action="append", default=[], help="an empty database of a server; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-store-") as folder:
        stores = [await measure(Places(Path(folder), url), options) for url in ("", *options.url)]
        size = (Path(folder) / "messages.db").stat().st_size
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    print(json.dumps({"machine": machine, "stores": stores, "file_mib": size >> 20}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
