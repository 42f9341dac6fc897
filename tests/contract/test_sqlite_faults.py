"""
What SQLite stores do when the disk fails them: full, locked, damaged.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.errors import ArgsError, Unavailable
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.message import DamagedRow, Outcome
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.open import open_directory_store, open_message_store, open_state_store
from openim_ray.storage.places import Places
from openim_ray.storage.sqlite import connection as connections
from openim_ray.storage.sqlite import writer as writers
from openim_ray.storage.sqlite.messages import SqliteMessageStore
from openim_ray.storage.sqlite.writer import Writer
from tests.contract.rows import CHAT, KEY, message, reference, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def messages(data_dir: Path) -> AsyncIterator[SqliteMessageStore]:
    """Open a SQLite message store."""
    opened = await open_message_store(Places(data_dir))
    assert isinstance(opened, SqliteMessageStore)
    yield opened
    await opened.aclose()


async def limit_pages(store: SqliteMessageStore, more: int | None) -> None:
    """Let the file grow by some pages only, as a full disk does; None lifts the limit."""

    def run(writer: Writer) -> None:
        (pages,) = writer.connection.execute("PRAGMA page_count").fetchone()
        limit = 1 << 30 if more is None else pages + more
        writer.connection.execute(f"PRAGMA max_page_count = {limit}")

    await store._writer.run(run)


def alter(data_dir: Path, statement: str, *parameters: Any) -> None:
    """Change a file behind the store's back."""
    with closing(sqlite3.connect(data_dir / "messages.db", isolation_level=None)) as connection:
        connection.execute(statement, parameters)


# --- the disk is full


async def test_a_full_disk(messages: SqliteMessageStore) -> None:
    """A batch that doesn't fit is refused whole as Unavailable, cause kept; once there is room, the same batch is stored."""
    await messages.write([write(message(1))])
    small = write(message(1, conversation="si_carol_dave"), participants=(), read={"carol": 1})
    large = write(*(message(seq, body=b"x" * 100_000) for seq in range(2, 12)), read={"bob": 1})
    await limit_pages(messages, 20)

    with pytest.raises(Unavailable, match=r"messages.db: SQLITE_FULL") as failure:
        await messages.write([small, large])

    assert isinstance(failure.value.__cause__, sqlite3.Error)
    assert await messages.heads([small.rows[0].conversation_id]) == {}
    assert await messages.read_marks(KEY) == {}
    assert await messages.read_range(CHAT, 1, 100, 100) == [message(1)]

    await limit_pages(messages, None)
    assert [result.outcome for result in await messages.write([small, large])] == [Outcome.STORED] * 2
    assert len(await messages.read_range(CHAT, 1, 100, 100)) == 11


async def test_a_checkpoint_that_fails_loses_nothing(
    messages: SqliteMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is committed is STORED, even if bringing the write-ahead log into the file fails afterwards."""
    monkeypatch.setattr(writers, "CHECKPOINT_PAGES", 1)
    attempts = []

    class Failing:
        """A connection whose checkpoints fail."""

        def __init__(self, driver: sqlite3.Connection) -> None:
            self.driver = driver

        def __getattr__(self, name: str) -> Any:
            return getattr(self.driver, name)

        def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
            """Refuse to checkpoint."""
            if "wal_checkpoint" in statement:
                attempts.append(statement)
                raise sqlite3.OperationalError("disk I/O error")
            return self.driver.execute(statement, *parameters)

    def break_checkpoints(writer: Writer) -> None:
        writer.connection = Failing(writer.connection)  # type: ignore[assignment]

    await messages._writer.run(break_checkpoints)

    assert [result.outcome for result in await messages.write([write(message(1))])] == [Outcome.STORED]
    assert attempts
    assert await messages.read_range(CHAT, 1, 10, 10) == [message(1)]


async def test_the_write_ahead_log_is_bounded(
    messages: SqliteMessageStore, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write-ahead log goes back into the file from time to time and starts again, however much is written."""
    monkeypatch.setattr(writers, "CHECKPOINT_PAGES", 100)
    log = data_dir / "messages.db-wal"

    sizes = []
    for begin in range(1, 4001, 100):
        await messages.write([write(*(message(seq, body=b"x" * 400) for seq in range(begin, begin + 100)))])
        sizes.append(log.stat().st_size)

    assert sizes[-1] == max(sizes) < 1 << 20
    assert (data_dir / "messages.db").stat().st_size > 1 << 20


# --- the file is locked


async def test_a_locked_file(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a stranger holds the file, every store is Unavailable after the busy limit, and works again when she lets go."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    store = await open_message_store(Places(data_dir))
    state = await open_state_store(Places(data_dir))
    directory = await open_directory_store(Places(data_dir))
    alice = UserID("alice")
    row = Conversation(owner_user_id=alice, conversation_id=CHAT, conversation_type=1)
    strangers = [sqlite3.connect(data_dir / f"{name}.db") for name in ("messages", "state", "directory")]
    for stranger in strangers:
        stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match=r"messages.db: SQLITE_BUSY"):
        await store.write([write(message(1))])
    with pytest.raises(Unavailable, match=r"messages.db: SQLITE_BUSY"):
        await store.claim(["p"], "owner")
    with pytest.raises(Unavailable, match=r"state.db: SQLITE_BUSY"):
        await state.save(positions=[(alice, {CHAT: ReadPosition(1)})])
    with pytest.raises(Unavailable, match=r"directory.db: SQLITE_BUSY"):
        await directory.ensure_conversations([row])
    assert await store.heads([CHAT]) == {}

    for stranger in strangers:
        stranger.close()
    assert [result.outcome for result in await store.write([write(message(1))])] == [Outcome.STORED]
    await state.save(positions=[(alice, {CHAT: ReadPosition(1)})])
    await directory.ensure_conversations([row])
    assert await directory.conversations(alice) == [row]
    for opened in (store, state, directory):
        await opened.aclose()


async def test_a_closed_store_is_unavailable(data_dir: Path) -> None:
    """Calls after the end are refused like those of a store that is away; closing twice is harmless."""
    store = await open_message_store(Places(data_dir))
    await store.aclose()
    await store.aclose()

    with pytest.raises(Unavailable, match="closed"):
        await store.write([write(message(1))])
    with pytest.raises(Unavailable, match="closed"):
        await store.heads([CHAT])


async def test_values_that_cannot_be_stored(data_dir: Path) -> None:
    """Half a surrogate pair and a number beyond 64 bits are the caller's fault."""
    directory = await open_directory_store(Places(data_dir))

    for user in (User(user_id=UserID("\ud800")), User(user_id=UserID("a"), create_time=1 << 70)):
        with pytest.raises(ArgsError):
            await directory.register([user])
    with pytest.raises(ArgsError):
        await directory.conversations(UserID("\udfff"))

    assert await directory.users(["a"]) == {}
    await directory.aclose()


# --- the file is damaged


async def test_no_flipped_bit_of_an_envelope_is_served(messages: SqliteMessageStore, data_dir: Path) -> None:
    """Whatever bit of an envelope changes, its row is named as damaged, not absent; its neighbours are served, key and seq stay taken."""
    rows = [message(seq, body=b"content") for seq in (1, 2, 3)]
    await messages.write([write(*rows)])
    with closing(sqlite3.connect(data_dir / "messages.db")) as connection:
        (envelope,) = connection.execute("SELECT envelope FROM messages WHERE seq = 2").fetchone()

    for bit in range(len(envelope) * 8):
        flipped = bytearray(envelope)
        flipped[bit // 8] ^= 1 << bit % 8
        alter(data_dir, "UPDATE messages SET envelope = ? WHERE seq = 2", bytes(flipped))
        assert await messages.read_range(CHAT, 1, 3, 10) == [rows[0], DamagedRow(rows[1].seq), rows[2]], f"bit {bit}"

    assert await messages.read_range(CHAT, 1, 2, 1) == [DamagedRow(rows[1].seq)]
    assert await messages.read_seqs(CHAT, [1, 2]) == [rows[0], DamagedRow(rows[1].seq)]
    assert await messages.find(CHAT, "alice", "c2") == reference(rows[1])
    state = await messages.load_log(KEY, 10)
    assert state is not None
    assert (state.heads[CHAT].max_seq, state.tail) == (3, (rows[0], rows[2]))
    assert messages.damaged_rows == 1
    assert [result.outcome for result in await messages.write([write(*rows)])] == [Outcome.STORED]
    assert [result.outcome for result in await messages.write([write(message(4, "c2"))])] == [Outcome.DUPLICATE]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sender_id", "alicf"),
        ("client_id", "c9"),
        ("server_id", "other"),
        ("send_time", 1_764_000_000_003),
        ("rev", 1),
        ("seq", 7),
        ("envelope", b""),
        ("envelope", b"\x01"),
        ("envelope", "text"),
    ],
)
async def test_no_changed_column_is_served(
    messages: SqliteMessageStore, data_dir: Path, column: str, value: str | int | bytes
) -> None:
    """The checksum covers the columns beside the envelope, too."""
    rows = [message(1), message(2)]
    await messages.write([write(*rows)])

    alter(data_dir, f"UPDATE messages SET {column} = ? WHERE seq = 2", value)

    seq = value if column == "seq" else 2
    assert await messages.read_range(CHAT, 1, 10, 10) == [rows[0], DamagedRow(seq)]
    assert messages.damaged_rows == 1


async def test_an_envelope_of_another_conversation_is_not_served(messages: SqliteMessageStore, data_dir: Path) -> None:
    """An envelope that stands at another conversation's row of the same ids is damage."""
    other = ConversationID("si_carol_dave")
    await messages.write(
        [write(message(1, server="s")), write(message(1, server="s", conversation=other), participants=())]
    )

    alter(
        data_dir,
        "UPDATE messages SET envelope = (SELECT envelope FROM messages WHERE stream = 1) WHERE stream = 2",
    )

    assert await messages.read_range(other, 1, 10, 10) == [DamagedRow(ConversationSeq(1))]
    assert await messages.read_range(CHAT, 1, 10, 10) == [message(1, server="s")]


async def test_a_torn_file_is_unavailable(messages: SqliteMessageStore, data_dir: Path) -> None:
    """A file that SQLite itself finds malformed yields Unavailable, never rows."""
    await messages.write([write(*(message(seq, body=b"x" * 3000) for seq in range(1, 100)))])
    await messages.aclose()
    path = data_dir / "messages.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))

    torn = SqliteMessageStore(path, time.time)
    with pytest.raises(Unavailable, match=r"messages.db: SQLITE_(CORRUPT|NOTADB)"):
        await torn.read_range(CHAT, 1, 100, 100)
    with pytest.raises(Unavailable, match=r"messages.db: SQLITE_(CORRUPT|NOTADB)"):
        await torn.write([write(message(100))])
    await torn.aclose()
