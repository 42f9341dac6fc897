"""
MongoDB is killed while it writes, and comes back: nothing that was answered is lost, repeating completes the rest.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import Outcome
from openim_ray.storage.mongo import connection as connections
from openim_ray.storage.open import open_message_store
from openim_ray.storage.places import Places
from tests.contract.rows import message, write
from tests.servers.mongod import Mongod, find_mongod
from tests.servers.server_process import CannotRun, is_alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openim_ray.domain.message import LogWrite
    from openim_ray.storage.stores import OpenMessageStore

ROOT = Path(__file__).parents[2]
ROWS = 30
LOGS = 4
ROUNDS = 18


@pytest.fixture(params=["standalone", "replica set"])
def server(request: pytest.FixtureRequest) -> Iterator[Mongod]:
    """Lend a server of either kind, to be killed."""
    name = "own_mongod" if request.param == "standalone" else "own_replica_set"
    mongod: Mongod = request.getfixturevalue(name)
    return mongod


def chat(number: int) -> ConversationID:
    """Return the id of a chat."""
    return ConversationID(f"si_a_{number}")


def batch(round_: int) -> list[LogWrite]:
    """Return a write of several rows for each log, with marks and notifications."""
    first = 1 + round_ * ROWS
    return [
        write(
            *(message(seq, conversation=chat(number), body=b"x" * 500) for seq in range(first, first + ROWS)),
            message(round_ + 1, conversation=f"n_a_{number}"),
            read={"a": first},
            participants=(),
        )
        for number in range(LOGS)
    ]


class Author:
    """
    Writes batch after batch, and says each again until it is answered, as owners do.
    """

    def __init__(self, store: OpenMessageStore, kills_at: set[int]) -> None:
        self._store = store
        self._kills_at = kills_at
        self.kill = asyncio.Event()
        self.answered = 0
        self.repeated = 0

    async def run(self, rounds: int) -> None:
        """Write some batches."""
        for round_ in range(rounds):
            if round_ in self._kills_at:
                self.kill.set()
            while not await self._say(round_):
                self.repeated += 1
            self.answered = round_ + 1

    async def _say(self, round_: int) -> bool:
        try:
            results = await self._store.write(batch(round_))
        except Unavailable:
            return False
        assert [result.outcome for result in results] == [Outcome.STORED] * LOGS
        return True


async def kill_when_told(server: Mongod, author: Author, delays: list[float]) -> None:
    """Kill the server in the middle of a write, and start it again."""
    for delay in delays:
        await author.kill.wait()
        author.kill.clear()
        await asyncio.sleep(delay)
        server.process.kill()
        await asyncio.to_thread(server.start)


async def check(store: OpenMessageStore, rounds: int) -> None:
    """Hold the logs to what was answered: every row once, in order, with what follows from it."""
    for number in range(LOGS):
        rows = await store.read_range(chat(number), 1, 1 << 60, 1 << 30)
        assert rows == [row for round_ in range(rounds) for row in batch(round_)[number].rows[:-1]]
        state = await store.load_log(f"a_{number}", 5)
        assert state is not None
        assert {key: head.max_seq for key, head in state.heads.items()} == {
            chat(number): rounds * ROWS,
            f"n_a_{number}": rounds,
        }
        assert state.heads[chat(number)].sent == {"alice": rounds * ROWS}
        assert state.read == {"a": 1 + (rounds - 1) * ROWS}


async def test_a_killed_server_loses_nothing_that_was_answered(server: Mongod, tmp_path: Path) -> None:
    """After `kill -9` at different moments of a write, the same store goes on, and each message stands once."""
    store = await open_message_store(Places(tmp_path, server.url("openim")))
    author = Author(store, {3, 8, 13})
    killer = asyncio.create_task(kill_when_told(server, author, [0.0, 0.003, 0.012]))

    await author.run(ROUNDS)

    await killer
    # To a replica set the driver says again by itself what was cut off.
    assert author.repeated > 0 or "replicaSet" in server.url("openim")
    await check(store, ROUNDS)
    await store.aclose()
    fresh = await open_message_store(Places(tmp_path, server.url("openim")))
    await check(fresh, ROUNDS)
    await fresh.aclose()


async def test_a_server_that_dies_in_every_write(
    own_mongod: Mongod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever prefix of a batch a crash leaves: streams are dense, no mark and no notification stands without its messages."""
    monkeypatch.setattr(connections, "CALL_SECONDS", 2.0)
    store = await open_message_store(Places(tmp_path, own_mongod.url("openim")))
    await store.write(batch(0))
    for round_, delay in enumerate((0.0, 0.002, 0.005), 1):
        writing = asyncio.create_task(store.write(batch(round_)))
        await asyncio.sleep(delay)
        own_mongod.process.kill()
        await asyncio.wait([writing])
        own_mongod.start()
        for number in range(LOGS):
            state = await store.load_log(f"a_{number}", 1000)
            assert state is not None
            heads = {key: head.max_seq for key, head in state.heads.items()}
            assert heads[chat(number)] in range(round_ * ROWS, (round_ + 1) * ROWS + 1)
            is_whole = heads[chat(number)] == (round_ + 1) * ROWS
            assert heads[ConversationID(f"n_a_{number}")] == round_ or is_whole
            assert state.read == {"a": 1 + (heads[ConversationID(f"n_a_{number}")] - 1) * ROWS}
        assert [result.outcome for result in await store.write(batch(round_))] == [Outcome.STORED] * LOGS
    await check(store, 4)
    await store.aclose()


STARTER = """
import sys, time
from pathlib import Path
from tests.servers.mongod import Mongod
server = Mongod(Path(sys.argv[1]))
server.start()
print(server.process.pid, flush=True)
time.sleep(60)
"""


def test_no_server_outlives_the_tests(tmp_path: Path) -> None:
    """A mongod whose starter is killed ends, too."""
    try:
        find_mongod()
    except CannotRun as reason:
        pytest.skip(str(reason))
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert is_alive(pid)

    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()

    while is_alive(pid):
        time.sleep(0.01)
