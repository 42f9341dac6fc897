"""What the simulation needs of the memory stores, beyond the contract (`tests/contract`)."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeVar

import pytest

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.ids import UserID
from openim_ray.domain.message import LogWrite, Outcome
from openim_ray.domain.people import User
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import DirectoryStore, HistoryStore, Page, RetentionStore, Span, StateStore, TokenRecord
from openim_ray.storage.memory import (
    DirectoryTables,
    MemoryDirectoryStore,
    MemoryHistoryStore,
    MemoryMessageStore,
    MemoryStateStore,
    MessageTables,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

ALICE = UserID("alice")
ROW = Conversation(owner_user_id=ALICE, conversation_id="si_alice_bob", conversation_type=1)  # type: ignore[arg-type]
WRITE = LogWrite("p", 0, "alice_bob", ("alice", "bob"), (), {"bob": 1})


def run_at_once(call: Coroutine[object, object, T]) -> T:
    """Run a coroutine that may not suspend."""
    try:
        call.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    call.close()
    raise AssertionError("the coroutine suspended")


MESSAGE_CALLS = {
    "load_log": ("alice_bob", 1),
    "heads": (["si_alice_bob"],),
    "read_range": ("si_alice_bob", 1, 2, 3),
    "read_seqs": ("si_alice_bob", [1]),
    "find": ("si_alice_bob", "alice", "c"),
    "read_marks": ("alice_bob",),
    "claim": (["p"], "owner"),
    "write": ([WRITE],),
    "origin": (),
    "page_heads": ("", 10),
    "expired": (0, 10),
    "forget": ("si_alice_bob", 1),
}
HISTORY_CALLS = {
    "confirmed": (["si_alice_bob"],),
    "read_range": ("si_alice_bob", 1, 2, 3),
    "read_seqs": ("si_alice_bob", [1]),
    "copy": ([Span("si_alice_bob", 1, 1, ())],),  # type: ignore[arg-type]
    "erase": ("si_alice_bob", "alice", 1, 2),
    "scrub": (),
}
STATE_CALLS = {
    "token_state": ("alice", 5, "d"),
    "tokens": ("alice", 5),
    "read_positions": ("alice",),
    "save": ([TokenRecord("d", "alice", 5, 0, 1)], [("alice", {"si_alice_bob": ReadPosition()})]),
}
DIRECTORY_CALLS = {
    "register": ([User(user_id=ALICE)],),
    "users": (["alice"],),
    "page_users": (Page(1, 10), "", ""),
    "friends": ("alice", Page(1, 10)),
    "designated_friends": ("alice", ["bob"]),
    "friends_delta": ("alice", "", 0),
    "friend_ids": ("alice",),
    "blocked": ("alice", Page(1, 10)),
    "joined_groups_delta": ("alice", "", 0),
    "joined_group_ids": ("alice",),
    "members_delta": ("g", "", 0),
    "member_ids": ("g",),
    "single_chat_facts": ("alice", "bob"),
    "group_chat_facts": ("g", "alice"),
    "ensure_conversations": ([ROW],),
    "conversations": ("alice",),
    "page_conversations": ("alice", Page(1, 10)),
    "conversations_delta": ("alice", "", 0),
    "conversation_ids": ("alice",),
    "view": (lambda view: view.users(["alice"]),),
    "change": (lambda transaction: transaction.put_effect("g", b"", 1),),
}


@pytest.mark.parametrize(
    ("port", "store", "calls"),
    [
        (RetentionStore, MemoryMessageStore(), MESSAGE_CALLS),
        (HistoryStore, MemoryHistoryStore(), HISTORY_CALLS),
        (StateStore, MemoryStateStore(), STATE_CALLS),
        (DirectoryStore, MemoryDirectoryStore(), DIRECTORY_CALLS),
    ],
    ids=["messages", "history", "state", "directory"],
)
def test_no_method_of_a_port_suspends(port: type, store: object, calls: dict[str, tuple[object, ...]]) -> None:
    """Every method ends at its first step, so a simulation stays in control of what happens when."""
    methods = {name for name, _ in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")}
    assert set(calls) == methods

    for name, arguments in calls.items():
        run_at_once(getattr(store, name)(*arguments))


def test_tables_outlive_their_store() -> None:
    """What a store wrote is there for the next store over the same tables: that is a crash and a restart."""
    tables = MessageTables()
    run_at_once(MemoryMessageStore(tables).write([WRITE]))

    assert tables.read_marks("alice_bob") == {"bob": 1}
    assert run_at_once(MemoryMessageStore(tables).read_marks("alice_bob")) == {"bob": 1}
    assert [result.outcome for result in tables.write([WRITE])] == [Outcome.STORED]


def test_answers_are_copies() -> None:
    """Changing an answer changes nothing in the store."""
    tables = MessageTables()
    tables.write([WRITE])
    tables.read_marks("alice_bob")["bob"] = 99
    state = tables.load_log("alice_bob", 1)
    assert state is not None
    state.read["bob"] = 99

    assert tables.read_marks("alice_bob") == {"bob": 1}


def test_ids_of_version_lists_can_be_given() -> None:
    """A simulation gives its own ids, so that a seed replays exactly."""
    ids = iter(["1" * 24, "2" * 24])
    tables = DirectoryTables(new_version_id=lambda: next(ids))

    assert tables.friend_ids(ALICE) == (1, "1" * 24, [])
    assert tables.conversation_ids(ALICE) == (1, "2" * 24, [])
