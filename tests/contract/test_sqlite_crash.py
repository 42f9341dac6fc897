"""
SQLite files between processes: killed writers, readers beside them, two owners, fsync before the answer.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from openim_ray.domain.message import Outcome
from openim_ray.storage.open import open_message_reader, open_message_store
from openim_ray.storage.places import Places
from openim_ray.storage.sqlite.connection import connect_writer
from tests.contract.rows import CHAT, KEY, message, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PROGRAM = Path(__file__).with_name("writer_process.py")
BATCH = 20
LOOKS = 10
"""Each is at all rows of a log that another process makes longer as fast as it can."""

WRITES = 40


@contextmanager
def writer_process(
    data_dir: Path, owner: str, *, batches: int = 1 << 20, wrapper: Sequence[str] = ()
) -> Iterator[tuple[int, IO[str]]]:
    """Run a writer in a process of its own, killed at the end; yields its id and what it says."""
    command = [*wrapper, sys.executable, str(PROGRAM), str(data_dir), owner, str(BATCH), str(batches)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.pid, process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def check_integrity(data_dir: Path) -> None:
    """Let SQLite check the file, its indexes and its foreign keys."""
    with closing(sqlite3.connect(data_dir / "messages.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("acknowledged", [1, 31])
async def test_a_killed_writer_loses_nothing_it_acknowledged(data_dir: Path, acknowledged: int) -> None:
    """After `kill -9` in the middle of its work, every acknowledged batch is there, whole batches only, and work goes on."""
    with writer_process(data_dir, "first") as (pid, said):
        last = [int(said.readline()) for _ in range(acknowledged)][-1]
        os.kill(pid, signal.SIGKILL)
        last = max([last, *(int(line) for line in said.read().split())])

    reader = await open_message_reader(Places(data_dir))  # with nobody there to recover the write-ahead log for it
    assert len(await reader.read_range(CHAT, 1, last, 1 << 30)) == last
    await reader.aclose()
    check_integrity(data_dir)
    store = await open_message_store(Places(data_dir))
    state = await store.load_log(KEY, 10_000)
    assert state is not None
    head = state.heads[CHAT]
    assert head.max_seq >= last
    assert head.max_seq % BATCH == 0
    assert [row.seq for row in state.tail] == list(range(1, head.max_seq + 1))
    assert head.sent == {"alice": head.max_seq}

    epoch = (await store.claim(["p"], "second"))["p"]
    repeated = [message(seq, f"first-{seq}", body=b"x" * 500) for seq in range(head.max_seq - 5, head.max_seq + 1)]
    results = await store.write([write(*repeated, message(head.max_seq + 1, "next"), epoch=epoch)])
    assert [result.outcome for result in results] == [Outcome.STORED]
    await store.aclose()


async def test_a_reader_beside_a_writer(data_dir: Path) -> None:
    """A reader of another process sees every acknowledged row at once, and only whole batches."""
    reader = await open_message_reader(Places(data_dir))
    with writer_process(data_dir, "writer") as (_, said):
        for _ in range(LOOKS):
            acknowledged = int(said.readline())
            rows = await reader.read_range(CHAT, 1, 1 << 40, 1 << 30)
            assert len(rows) >= acknowledged
            assert len(rows) % BATCH == 0
            heads = await reader.heads([CHAT])
            assert heads[CHAT].max_seq >= rows[-1].seq
    await reader.aclose()


async def test_a_claim_fences_another_process(data_dir: Path) -> None:
    """Who took a partition over is alone: the old owner's next write is refused, and the log is dense."""
    store = await open_message_store(Places(data_dir))
    with writer_process(data_dir, "old") as (_, said):
        said.readline()
        epoch = (await store.claim(["p"], "new"))["p"]
        *acknowledged, refusal = said.read().split()

    assert refusal == Outcome.SUPERSEDED.value
    head = (await store.heads([CHAT]))[CHAT]
    assert head.max_seq >= max((int(seq) for seq in acknowledged), default=0)
    results = await store.write([write(message(head.max_seq + 1, "mine"), epoch=epoch)])
    assert [result.outcome for result in results] == [Outcome.STORED]
    await store.aclose()


async def test_two_writers_of_one_file(data_dir: Path) -> None:
    """Processes that write one file at once wait for each other: nothing is refused, nothing is lost."""
    store = await open_message_store(Places(data_dir))
    with writer_process(data_dir, "other") as (_, said):
        said.readline()
        for seq in range(1, WRITES + 1):
            row = message(seq, conversation="si_carol_dave")
            (result,) = await store.write([write(row, participants=())._replace(partition="q")])
            assert result.outcome is Outcome.STORED
        acknowledged = int(said.readline())

    heads = await store.heads([CHAT, row.conversation_id])
    assert heads[row.conversation_id].max_seq == WRITES
    assert heads[CHAT].max_seq >= acknowledged
    await store.aclose()
    check_integrity(data_dir)


def test_writers_ask_for_full_sync(data_dir: Path) -> None:
    """A connection that writes has `synchronous = FULL` in WAL mode: a commit returns after fsync."""
    with closing(connect_writer(data_dir / "messages.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_each_acknowledgement_follows_an_fsync(data_dir: Path, tmp_path: Path) -> None:
    """Watched by strace, the process syncs the write-ahead log between taking a batch and acknowledging it."""
    trace = tmp_path / "trace"
    wrapper = ["strace", "-f", "-y", "-e", "trace=fdatasync,fsync,write", "-o", str(trace)]
    with writer_process(data_dir, "traced", batches=6, wrapper=wrapper) as (_, said):
        acknowledged = [int(line) for line in said]
    if not acknowledged:
        pytest.skip("this process may not trace another one")

    synced = False
    answers = 0
    for line in trace.read_text().splitlines():
        if re.search(r"f(data)?sync\(\d+<[^>]*messages\.db-wal>\) += 0", line):
            synced = True
        if re.search(r'write\(1<[^>]*>, "\d', line):
            assert synced, f"acknowledged without a sync: {line}"
            answers += 1
            synced = False
    assert answers == len(acknowledged) == 6
