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
from openim_ray.transactions import Window
from tests.contract.accounts import update_user
from tests.contract.directory_queries import ask_groups, ask_people, change_everything, search
from tests.contract.rows import CHAT, KEY, message, write

if TYPE_CHECKING:
    from pathlib import Path

    from openim_ray.transactions import DirectoryView

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
    """Return the statements that read a whole table, with what SQLite says about them; the first row of an index is none."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            if not statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE")):
                continue
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            takes_first = "LIMIT 1 " in statement and not any("TEMP B-TREE" in step for step in plan)
            whole = [step for step in plan if step.startswith("SCAN") and not is_small(step) and not takes_first]
            if whole:
                found[statement] = whole
    return found


def sorts(path: Path, statements: set[str]) -> list[str]:
    """Return the statements that sort what they find."""
    with closing(sqlite3.connect(path)) as connection:
        return [
            statement
            for statement in statements
            if statement.lstrip().startswith("SELECT")
            and any("TEMP B-TREE" in row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
        ]


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
    """Every query of the directory finds its rows by an index; only searches by a part of a name look at all."""
    directory = await open_directory_store(Places(data_dir))
    await directory.register([User(user_id=ALICE)])
    await directory.friends_delta(ALICE, "", 0)
    await update_user(directory, ALICE, {"nickname": "Al"})
    await directory.users([ALICE])
    await directory.friends(ALICE, PAGE)
    await directory.designated_friends(ALICE, ["bob"])
    await directory.friend_ids(ALICE)
    await directory.blocked(ALICE, PAGE)
    await directory.joined_group_ids(ALICE)
    await directory.single_chat_facts(ALICE, "bob")
    row = Conversation(owner_user_id=ALICE, conversation_id=CHAT, conversation_type=1)
    await directory.ensure_conversations([row])
    await directory.conversations(ALICE)
    await directory.conversations(ALICE, [CHAT])
    await directory.page_conversations(ALICE, PAGE)
    version, version_id, _ = await directory.conversation_ids(ALICE)
    await directory.conversations_delta(ALICE, version_id, version)
    await directory.members_delta("g", "", 0)
    await directory.member_ids("g")
    await directory.joined_groups_delta(ALICE, "", 0)
    await directory.group_chat_facts("g", ALICE)
    await directory.register([User(user_id=UserID("u9"))])
    await directory.change(lambda transaction: change_everything(transaction, "g", ALICE))
    await directory.view(lambda view: ask_people(view, ALICE, ["u9", "u8"]))
    await directory.view(lambda view: ask_groups(view, "g", ALICE))
    indexed = set(statements)
    await directory.page_users(PAGE, "a", "")
    await directory.view(search)
    await directory.aclose()

    assert len(indexed) > 120
    assert scans(data_dir / "directory.db", indexed) == {}
    assert scans(data_dir / "directory.db", statements - indexed)


async def test_lists_that_grow_come_in_the_order_of_an_index(data_dir: Path, statements: set[str]) -> None:
    """A page of a large list, and the outbox, cost what they return: nothing is sorted for them."""
    directory = await open_directory_store(Places(data_dir))
    await directory.member_ids("g")
    await directory.members_delta("g", (await directory.member_ids("g"))[1], 1)
    statements.clear()

    def ask(view: DirectoryView) -> None:
        view.page_members("g", [], "", Window(100, 10))
        view.staff("g")
        view.member_ids("g")
        view.groups(["g"])
        view.friend_owners(ALICE, "u", 10)
        view.joined_group_ids(ALICE, "g", 10)
        view.member_ids_behind("g", ALICE, 10)
        view.sent_friend_requests(ALICE, [], Window(0, 10))
        view.received_friend_requests(ALICE, [0], Window(0, 10))
        view.requests_of_user(ALICE, [], [], Window(0, 10))
        view.waiting_effects("g", 10)
        view.logs_with_effects(10)

    await directory.view(ask)
    await directory.member_ids("g")
    await directory.members_delta("g", (await directory.member_ids("g"))[1], 1)
    in_order = set(statements)
    await directory.friends(ALICE, PAGE)
    await directory.aclose()

    assert len(in_order) > 15
    assert sorts(data_dir / "directory.db", in_order) == []
    assert sorts(data_dir / "directory.db", statements), "sorting is not seen"
