"""
Bits of stored files flipped, and files cut off: what is damaged is named, the rest is served, and no damaged row is served as a message.

Each case is a seed: `pytest -k 'flip and 17'` is always the same bit.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from openim_ray.check import look
from openim_ray.domain.conversation import Conversation
from openim_ray.domain.errors import SchemaTooNew, SchemaTooOld, Unavailable
from openim_ray.domain.ids import UserID
from openim_ray.domain.message import StoredMessage
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import Page, TokenRecord
from openim_ray.prepare import settle
from openim_ray.services.message_rows import RowReader
from openim_ray.storage.open import (
    open_directory_store,
    open_message_reader,
    open_message_store,
    open_state_reader,
    open_state_store,
    prepare,
)
from openim_ray.storage.places import Places
from tests.contract.rows import CHAT, KEY, STREAM, message, write
from tests.contract.test_migrations import settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROWS = 300
TAIL = 60
"""Rows that stand in the write-ahead log only."""

SPAN = 50
FLIPS = 50
CUTS = 6
USERS = [UserID(f"user{number}") for number in range(20)]
DATABASES = ("messages", "state", "directory")
REFUSALS = (Unavailable, SchemaTooOld, SchemaTooNew)


class Stored(NamedTuple):
    """A data directory, and what is really in it."""

    folder: Path
    rows: dict[tuple[str, int], StoredMessage]
    contents: dict[object, object]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Fill the files once."""
    return asyncio.run(_fill(tmp_path_factory.mktemp("flips")))


async def _fill(base: Path) -> Stored:
    """Fill the files, and leave the newest commits in their write-ahead logs, as a killed server does."""
    folder = base / "data"
    await prepare(Places(folder))
    directory = await open_directory_store(Places(folder))
    await directory.register([User(user_id=one, nickname=f"name of {one}") for one in USERS])
    pairs = [("alice", "bob"), ("bob", "alice")]
    await directory.register([User(user_id=UserID(one)) for one, _ in pairs])
    await directory.ensure_conversations(
        [
            Conversation(owner_user_id=UserID(one), conversation_id=CHAT, conversation_type=1, user_id=other)
            for one, other in pairs
        ]
    )
    await directory.aclose()
    rows = [message(seq, body=b"text %d " % seq * 10) for seq in range(1, ROWS + 1)]
    receipts = [message(seq, sender="bob", conversation=STREAM) for seq in range(1, 21)]
    store = await open_message_store(Places(folder))
    await store.write([write(*rows[:-TAIL]), write(*receipts, read={"bob": 20})])
    await store.aclose()  # checkpoints
    store = await open_message_store(Places(folder))
    state = await open_state_store(Places(folder))
    for row in rows[-TAIL:]:
        await store.write([write(row)])
    for number, user in enumerate(USERS):
        await state.save([TokenRecord(f"digest {number}", user, 5, 2 * (number % 2), 1 << 40)])
    await state.save(positions=[(UserID("bob"), {CHAT: ReadPosition(10)})])
    shutil.copytree(folder, base / "killed")
    await store.aclose()
    await state.aclose()
    for path in (base / "killed").glob("*-shm"):
        path.unlink()
    truth = {(row.conversation_id, int(row.seq)): row for row in (*rows, *receipts)}
    contents = await contents_of(base / "killed", base / "read")
    assert not [value for value in contents.values() if isinstance(value, str)]
    return Stored(base / "killed", truth, contents)


async def contents_of(folder: Path, copy: Path) -> dict[object, object]:
    """Return everything that the stores say, with an error where they refuse; a copy is read, since opening changes files."""
    shutil.copytree(folder, copy)
    places = Places(copy)
    found: dict[object, object] = {}

    async def read(
        opening: Callable[[Places], Awaitable[Any]], *calls: tuple[object, Callable[[Any], Awaitable[object]]]
    ) -> None:
        try:
            store = await opening(places)
        except REFUSALS as error:
            found.update({key: f"{type(error).__name__}: {error}" for key, _ in calls})
            return
        for key, call in calls:
            try:
                found[key] = await call(store)
            except REFUSALS as error:
                found[key] = f"{type(error).__name__}: {error}"
        await store.aclose()

    spans = [(CHAT, first) for first in range(1, ROWS + 1, SPAN)] + [(STREAM, 1)]
    await read(
        open_message_reader,
        *(
            ((one, first), lambda s, one=one, first=first: s.read_range(one, first, first + SPAN - 1, SPAN))
            for one, first in spans
        ),
        *(
            (
                ("rows", one, first),
                lambda s, one=one, first=first: RowReader(s).run(one, first, first + SPAN - 1, 1 << 20, whole=False),
            )
            for one, first in spans[:-1]
        ),
        ("heads", lambda s: s.heads([CHAT, STREAM])),
        ("marks", lambda s: s.read_marks(KEY)),
        ("page", lambda s: s.page_heads("", 10)),
    )
    await read(
        open_state_reader,
        *((("tokens", one), lambda s, one=one: s.tokens(one, 5)) for one in USERS),
        *(
            (("state", one), lambda s, one=one, n=n: s.token_state(one, 5, f"digest {n}"))
            for n, one in enumerate(USERS)
        ),
        ("positions", lambda s: s.read_positions(UserID("bob"))),
    )
    await read(
        open_directory_store,
        ("page of users", lambda s: s.page_users(Page(1, 100), "", "")),
        ("users", lambda s: s.users(USERS)),
        *((("conversations", one), lambda s, one=one: s.conversations(UserID(one))) for one in ("alice", "bob")),
        *((("list", one), lambda s, one=one: s.conversation_ids(UserID(one))) for one in ("alice", "bob")),
    )
    shutil.rmtree(copy)
    return found


async def named(folder: Path) -> list[str]:
    """Return what a check says, one line each; what it can't look at, it says, too."""
    said: list[str] = []
    try:
        await look(Places(folder), lambda fault: said.append(str(fault)))
    except (*REFUSALS, ValueError) as error:
        said.append(str(error))
    return said


def damaged_copy(stored: Stored, folder: Path, name: str, damage: Callable[[bytearray], None]) -> Path:
    """Return a copy of the data directory with a damaged file."""
    shutil.copytree(stored.folder, folder / "damaged")
    path = folder / "damaged" / name
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    return folder / "damaged"


def check_rows(stored: Stored, contents: dict[object, object]) -> None:
    """No row that is served is another than was written, and none is told to be deleted."""
    for key, value in contents.items():
        if not isinstance(key, tuple) or isinstance(value, str):
            continue
        if key[0] == "rows":
            assert not [seq for seq, body in value.rows if not body.startswith(stored.rows[key[1], seq].body)]  # type: ignore[attr-defined]
        elif key[0] in (CHAT, STREAM):
            assert not [row for row in value if isinstance(row, StoredMessage) and row != stored.rows[key[0], row.seq]]  # type: ignore[attr-defined]


FILES = [f"{database}.db" for database in DATABASES]


def flip(seed: int) -> Callable[[bytearray], None]:
    """Return what flips one bit somewhere."""
    source = random.Random(seed)

    def damage(content: bytearray) -> None:
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)

    return damage


def cut(part: int) -> Callable[[bytearray], None]:
    """Return what cuts a file off behind some of its `CUTS` parts."""

    def damage(content: bytearray) -> None:
        del content[len(content) * part // CUTS + 7 :]

    return damage


@pytest.mark.parametrize("seed", range(FLIPS))
async def test_a_flipped_bit_of_the_messages_is_named(stored: Stored, tmp_path: Path, seed: int) -> None:
    """Or it hit what means nothing: then everything is as it was."""
    folder = damaged_copy(stored, tmp_path, "messages.db", flip(seed))
    contents = await contents_of(folder, tmp_path / "read")
    check_rows(stored, contents)
    assert await named(folder) or contents == stored.contents


@pytest.mark.parametrize("seed", range(FLIPS // 3))
@pytest.mark.parametrize("name", ["state.db", "directory.db"])
async def test_a_flipped_bit_of_people_and_state_stays_there(
    stored: Stored, tmp_path: Path, name: str, seed: int
) -> None:
    """These have no checksums: a value may become another, unnoticed. Messages don't depend on them."""
    folder = damaged_copy(stored, tmp_path, name, flip(seed))
    contents = await contents_of(folder, tmp_path / "read")
    for key, value in stored.contents.items():
        if key in ("heads", "marks", "page") or (isinstance(key, tuple) and key[0] in (CHAT, STREAM, "rows")):
            assert contents[key] == value
    for line in await named(folder):
        assert line.startswith(("file ", "position ", "orphan ", "note ", name, "a store can't be read"))


@pytest.mark.parametrize("seed", range(FLIPS // 3))
async def test_a_flipped_bit_of_the_write_ahead_log_is_named(stored: Stored, tmp_path: Path, seed: int) -> None:
    """Or it hit the last transaction, which then is as if it had not been: a crash may leave that, too."""
    folder = damaged_copy(stored, tmp_path, "messages.db-wal", flip(seed))
    contents = await contents_of(folder, tmp_path / "read")
    check_rows(stored, contents)
    if not await named(folder):
        assert len(rows_in(contents)) >= ROWS - 1


async def test_a_start_says_what_a_damaged_write_ahead_log_has_lost(stored: Stored, tmp_path: Path) -> None:
    """It serves what is left, and keeps the log, which the next commit overwrites."""

    def damage(content: bytearray) -> None:
        content[len(content) // 2] ^= 1

    folder = damaged_copy(stored, tmp_path, "messages.db-wal", damage)
    damaged = (folder / "messages.db-wal").read_bytes()
    told: list[str] = []
    await asyncio.to_thread(settle, settings(folder), folder, told.append)
    (line,) = told
    assert line.startswith("messages.db: the write-ahead log is damaged at frame ")
    assert line.endswith(
        f"transactions behind it are lost; as it is, it is kept in {folder / 'messages.db-wal.damaged'}"
    )
    assert (folder / "messages.db-wal.damaged").read_bytes() == damaged
    store = await open_message_store(Places(folder))
    head = (await store.heads([CHAT]))[CHAT].max_seq
    assert ROWS - TAIL < head < ROWS
    await store.write([write(message(head + 1, "new"))])
    await store.aclose()
    told.clear()
    await asyncio.to_thread(settle, settings(folder), folder, told.append)
    assert told == []


def rows_in(contents: dict[object, object]) -> list[StoredMessage]:
    """Return the messages of the chat that were served."""
    found = [value for key, value in contents.items() if isinstance(key, tuple) and key[0] == CHAT]
    return [row for rows in found if not isinstance(rows, str) for row in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("part", range(CUTS))
@pytest.mark.parametrize("name", FILES)
async def test_a_file_that_was_cut_off_is_named(stored: Stored, tmp_path: Path, name: str, part: int) -> None:
    """Wherever it ends; unless all that is gone stands in the write-ahead log anew."""
    folder = damaged_copy(stored, tmp_path, name, cut(part))
    contents = await contents_of(folder, tmp_path / "read")
    check_rows(stored, contents)
    assert [line for line in await named(folder) if name in line] or contents == stored.contents


@pytest.mark.parametrize("part", range(CUTS))
async def test_a_write_ahead_log_that_was_cut_off_is_an_older_state(stored: Stored, tmp_path: Path, part: int) -> None:
    """It looks as a crash leaves it: what is served ends earlier, without a hole."""
    folder = damaged_copy(stored, tmp_path, "messages.db-wal", cut(part))
    contents = await contents_of(folder, tmp_path / "read")
    check_rows(stored, contents)
    rows = rows_in(contents)
    assert ROWS - TAIL <= len(rows) <= ROWS
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
