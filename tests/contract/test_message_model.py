"""
A Hypothesis state machine: whatever is done to a log in SQLite or MongoDB, it answers as the memory log does.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from openim_ray.domain.conversation import home_key
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import LogWrite, Outcome, StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.memory import MessageTables
from openim_ray.storage.open import open_message_reader, open_message_store
from openim_ray.storage.places import Places
from tests.servers.mongod import database_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from openim_ray.storage.stores import OpenMessageReader, OpenMessageStore
    from tests.servers.mongod import MongoServer

KEYS = ("a_b", "c_\u00e9")
PAIRS: tuple[tuple[str, ...], ...] = (("a", "b"), ("a_b", ""), ())
SENDERS = ("a", "b", "A")
MODEL = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class Place(Protocol):
    """
    Where the store of an example is.
    """

    def make(self) -> Places:
        """Make a fresh one."""
        ...

    def remove(self, places: Places) -> None:
        """Forget it."""
        ...


class SqlitePlace:
    """
    A folder with fresh files.
    """

    def __init__(self, fresh_files: Path) -> None:
        self._fresh_files = fresh_files

    def make(self) -> Places:
        """Copy the files."""
        folder = Path(tempfile.mkdtemp(prefix="store-model-", dir=self._fresh_files.parent))
        shutil.copytree(self._fresh_files, folder, dirs_exist_ok=True)
        return Places(folder)

    def remove(self, places: Places) -> None:
        """Delete the folder."""
        shutil.rmtree(places.data_dir)


class MongoPlace:
    """
    A database of its own.
    """

    def __init__(self, server: MongoServer, folder: Path) -> None:
        self._server = server
        self._folder = folder

    def make(self) -> Places:
        """Think of a name."""
        return Places(self._folder, self._server.url(f"model_{uuid.uuid4().hex}"))

    def remove(self, places: Places) -> None:
        """Drop the database."""
        self._server.drop(database_of(places.messages))


class LogMachine(RuleBasedStateMachine):
    """
    Drives both stores with the same writes, most of them close to what an owner would send, many of them wrong.
    """

    place: Place

    def __init__(self) -> None:
        super().__init__()
        self.places = self.place.make()
        self.runner = asyncio.Runner()
        self.model = MessageTables()
        self.past: list[LogWrite] = []
        self.epoch = 0
        self.unseen = True
        self.checks = 0

    @initialize()
    def open(self) -> None:
        """Open the store and a reader."""
        self.store: OpenMessageStore = self.run(open_message_store(self.places))
        self.reader: OpenMessageReader = self.run(open_message_reader(self.places))

    def teardown(self) -> None:
        """Compare everything once more, then close."""
        try:
            if hasattr(self, "store"):
                for tail in (3, 100):
                    self.compare_logs(tail, (self.store, self.reader))
        finally:
            self.close()

    def close(self) -> None:
        """Give everything back."""
        self.run(self.reader.aclose())
        self.run(self.store.aclose())
        self.runner.close()
        self.place.remove(self.places)

    def run(self, call: Awaitable[Any]) -> Any:
        """Wait for a call of the store."""
        return self.runner.run(_await(call))

    @rule(
        batch=st.lists(
            st.tuples(
                st.sampled_from(KEYS),
                st.lists(
                    st.tuples(st.sampled_from(("si", "n")), st.sampled_from(SENDERS), st.integers(0, 12)), max_size=4
                ),
                st.sampled_from((0, 0, 0, 0, -1, 1)),
                st.sampled_from(PAIRS),
                st.dictionaries(st.sampled_from(SENDERS), st.integers(0, 9), max_size=2),
                st.sampled_from((0, 0, 0, 1)),
            ),
            max_size=4,
        )
    )
    def write(self, batch: list[Any]) -> None:
        """Write a batch: rows at, below or above the head, of new and of known messages, with old epochs, too."""
        self.unseen = True
        writes = [self.form(*one) for one in batch]
        try:
            expected = self.model.write(writes)
        except ValueError:
            self.expect_fault(writes)
            return
        assert self.run(self.store.write(writes)) == expected
        for result in expected:
            event(result.outcome.value)
        self.past += [one for one, result in zip(writes, expected, strict=True) if result.outcome is Outcome.STORED]

    @rule(which=st.integers(min_value=0))
    def repeat(self, which: int) -> None:
        """Write again what was stored once."""
        if self.past:
            self.unseen = True
            write = self.past[which % len(self.past)]
            assert self.run(self.store.write([write])) == self.model.write([write])

    @rule()
    def claim(self) -> None:
        """Take the partition over."""
        self.epoch = self.model.claim(["p"], "owner")["p"]
        assert self.run(self.store.claim(["p"], "owner")) == {"p": self.epoch}

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.unseen = True
        self.run(self.store.aclose())
        self.store = self.run(open_message_store(self.places))

    @rule(
        stream=st.sampled_from(("si", "n", "sg")),
        key=st.sampled_from(KEYS),
        begin=st.integers(-1, 15),
        end=st.integers(-1, 15),
        newest=st.integers(0, 5),
    )
    def read_range(self, stream: str, key: str, begin: int, end: int, newest: int) -> None:
        """Read a range."""
        self.same("read_range", ConversationID(f"{stream}_{key}"), begin, end, newest)

    @rule(key=st.sampled_from(KEYS), seqs=st.lists(st.integers(-1, 15), max_size=6))
    def read_seqs(self, key: str, seqs: list[int]) -> None:
        """Read chosen seqs."""
        self.same("read_seqs", ConversationID(f"si_{key}"), seqs)

    @rule(key=st.sampled_from(KEYS), sender=st.sampled_from(SENDERS), client=st.integers(0, 13))
    def find(self, key: str, sender: str, client: int) -> None:
        """Look for a message by its key."""
        self.same("find", ConversationID(f"si_{key}"), sender, f"c{client}")

    @invariant()
    def same_logs(self) -> None:
        """
        Hold both to the same state of every log, and each stream to dense seqs and unique keys, after what may have changed them.

        The store and its reader take turns, and so do short tails and whole logs: what is wrong in one is so still after the next change.
        """
        if not hasattr(self, "store") or not self.unseen:
            return
        self.unseen = False
        asked = (self.store, self.reader)[self.checks % 2]
        self.compare_logs((100, 3)[self.checks // 2 % 2], [asked])
        self.checks += 1
        for stream in ("si", "n"):
            self.is_sound(ConversationID(f"{stream}_{KEYS[0]}"))

    def compare_logs(self, tail: int, asked: Sequence[OpenMessageReader]) -> None:
        """Ask for the state of every log."""
        for key in KEYS:
            self.same("load_log", key, tail, of=asked)
            self.same("read_marks", key, of=asked)
        heads = [ConversationID(f"{stream}_{key}") for stream in ("si", "n", "sg") for key in KEYS]
        self.same("heads", heads, of=asked)

    def is_sound(self, conversation_id: ConversationID) -> None:
        """Check a stream against the promise itself, not against the model."""
        rows: list[StoredMessage] = self.run(self.reader.read_range(conversation_id, 1, 1000, 1000))
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert len({(row.sender_id, row.client_id) for row in rows}) == len(rows)

    def same(self, query: str, *arguments: object, of: Sequence[OpenMessageReader] = ()) -> None:
        """Ask the model, and the store and the reader, or those given."""
        ask: Callable[..., object] = getattr(self.model, query)
        expected = ask(*arguments)
        for one in of or (self.store, self.reader):
            assert self.run(getattr(one, query)(*arguments)) == expected

    def expect_fault(self, writes: list[LogWrite]) -> None:
        """Check that the store refuses a write that contradicts itself, too."""
        try:
            self.run(self.store.write(writes))
        except ValueError:
            return
        raise AssertionError("the memory store refused these writes")

    def form(
        self,
        key: str,
        rows: list[tuple[str, str, int]],
        shift: int,
        participants: tuple[str, ...],
        read: dict[str, int],
        behind: int,
    ) -> LogWrite:
        """Make a write whose rows continue the head, moved by `shift`."""
        next_seq: dict[ConversationID, int] = {}
        formed = []
        for stream, sender, client in rows:
            conversation_id = ConversationID(f"{stream}_{key}")
            if conversation_id not in next_seq:
                head = self.model.heads([conversation_id]).get(conversation_id)
                next_seq[conversation_id] = max(1, (head.max_seq if head else 0) + 1 + shift)
            formed.append(_row(conversation_id, next_seq[conversation_id], sender, client))
            next_seq[conversation_id] += 1
        return LogWrite("p", max(0, self.epoch - behind), key, participants, tuple(formed), read)


def _row(conversation_id: ConversationID, seq: int, sender: str, client: int) -> StoredMessage:
    return StoredMessage(
        conversation_id,
        ConversationSeq(seq),
        UserID(sender),
        ClientMessageID(f"c{client}"),
        ServerMessageID(f"{home_key(conversation_id)}-{sender}-{client}"),
        1_764_000_000_000 + seq,
        101,
        client % 2 == 0,
        f"op{client}",
        bytes([client]) * client,
    )


async def _await(call: Awaitable[object]) -> object:
    return await call


def run_machine(place: Place) -> None:
    """Let Hypothesis drive the machine over stores of a kind."""
    run_state_machine_as_test(type("Machine", (LogMachine,), {"place": place}), settings=MODEL)


@pytest.mark.timeout(600)  # finding a short example of a difference takes minutes
def test_sqlite_answers_as_memory(fresh_files: Path) -> None:
    """Any sequence of writes, claims, reads and reopenings gives the same answers in both stores."""
    run_machine(SqlitePlace(fresh_files))


@pytest.mark.timeout(600)
def test_mongodb_answers_as_memory(mongo: MongoServer, tmp_path: Path) -> None:
    """The same of MongoDB."""
    run_machine(MongoPlace(mongo, tmp_path))
