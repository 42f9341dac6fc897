"""
No query of the stores reads a whole table, but for the one that searches accounts by a part of their name.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import Page, TokenRecord
from openim_ray.storage.open import open_directory_store, open_message_store, open_state_store
from openim_ray.storage.places import Places
from openim_ray.storage.sqlite import connection as connections
from tests.contract.rows import CHAT, KEY, message, write

if TYPE_CHECKING:
    from pathlib import Path

ALICE = UserID("alice")
PAGE = Page(1, 10)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Collect every statement that a connection of the stores runs, with its values."""
    seen: set[str] = set()
    connect = connections._connect

    def connect_traced(path: Path, mode: str, cache_kib: int) -> sqlite3.Connection:
        opened = connect(path, mode, cache_kib)
        opened.set_trace_callback(seen.add)
        return opened

    monkeypatch.setattr(connections, "_connect", connect_traced)
    return seen


def scans(path: Path, statements: set[str]) -> dict[str, list[str]]:
    """Return the statements that read a whole table, with what SQLite says about them."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            if not statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                continue
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            whole = [step for step in plan if step.startswith("SCAN") and not is_small(step)]
            if whole:
                found[statement] = whole
    return found


def is_small(step: str) -> bool:
    """Tell whether what is scanned are the values that a caller asked for."""
    return any(name in step for name in ("VIRTUAL TABLE", "CONSTANT ROW", "(subquery"))


async def test_message_queries(data_dir: Path, statements: set[str]) -> None:
    """Every query of the message log finds its rows by an index."""
    store = await open_message_store(Places(data_dir))
    await store.claim(["p"], "owner")
    await store.write([write(message(1), message(2), read={"bob": 1}, epoch=1)])
    await store.write([write(message(2), message(3, "c1"), epoch=1)])
    await store.load_log(KEY, 5)
    await store.heads([CHAT])
    await store.read_range(CHAT, 1, 5, 10)
    await store.read_seqs(CHAT, [1, 2])
    await store.find(CHAT, "alice", "c1")
    await store.read_marks(KEY)
    await store.aclose()

    assert len(statements) > 15
    assert scans(data_dir / "messages.db", statements) == {}


async def test_state_queries(data_dir: Path, statements: set[str]) -> None:
    """Every query of tokens and read positions finds its rows by an index."""
    state = await open_state_store(Places(data_dir), clock=lambda: 0.0)
    await state.save([TokenRecord("d", ALICE, 5, 0, 1)])
    await state.token_state(ALICE, 5, "d")
    await state.tokens(ALICE, 5)
    await state.save(positions=[(ALICE, {CHAT: ReadPosition(1)})])
    await state.read_positions(ALICE)
    await state.aclose()

    assert len(statements) > 6
    assert scans(data_dir / "state.db", statements) == {}


async def test_directory_queries(data_dir: Path, statements: set[str]) -> None:
    """Every query of the directory finds its rows by an index; only the search by a part of a name looks at all."""
    directory = await open_directory_store(Places(data_dir))
    await directory.register([User(user_id=ALICE)])
    await directory.friends_delta(ALICE, "", 0)
    await directory.update_user(ALICE, {"nickname": "Al"})
    await directory.users([ALICE])
    await directory.friends(ALICE, PAGE)
    await directory.designated_friends(ALICE, ["bob"])
    await directory.friend_ids(ALICE)
    await directory.blocked(ALICE, PAGE)
    await directory.joined_group_ids(ALICE)
    await directory.existing_groups(["g"])
    await directory.single_chat_facts(ALICE, "bob")
    row = Conversation(owner_user_id=ALICE, conversation_id=CHAT, conversation_type=1)
    await directory.ensure_conversations([row])
    await directory.conversations(ALICE)
    await directory.conversations(ALICE, [CHAT])
    await directory.page_conversations(ALICE, PAGE)
    version, version_id, _ = await directory.conversation_ids(ALICE)
    await directory.conversations_delta(ALICE, version_id, version)
    indexed = set(statements)
    await directory.page_users(PAGE, "a", "")
    await directory.aclose()

    assert len(indexed) > 25
    assert scans(data_dir / "directory.db", indexed) == {}
    assert scans(data_dir / "directory.db", statements - indexed)
