"""
A Hypothesis state machine: whatever is done to a directory in a database, it answers as the memory directory does.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.errors import OpenIMError
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import Blocked, Friend, User
from openim_ray.ports import Page
from openim_ray.storage.memory import MemoryDirectoryStore
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.places import Places
from openim_ray.storage.version_rules import Change, ListKind
from tests.contract.lists import Filler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.servers.postgres import Databases

NAMES = ("a", "A", "b", "\u00fc")
GROUPS = ("g", "h_1")
LISTS = (
    ("friend_ids", "friends_delta"),
    ("joined_group_ids", "joined_groups_delta"),
    ("conversation_ids", "conversations_delta"),
)
ELEMENTS = ("a", "b", "x")
MODEL = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

names, times = st.sampled_from(NAMES), st.integers(0, 5)
owned = st.sampled_from((ListKind.FRIENDS, ListKind.JOINED_GROUPS, ListKind.CONVERSATIONS))


class DirectoryMachine(RuleBasedStateMachine):
    """
    Drives both directories with the same calls. Ids of version lists are random, so each is compared by what it stands for.
    """

    lend: Callable[[], AbstractContextManager[Places]]
    """Gives the places of a fresh directory."""

    def __init__(self) -> None:
        super().__init__()
        self.lent = ExitStack()
        self.places = self.lent.enter_context(type(self).lend())
        self.runner = asyncio.Runner()
        self.users: set[str] = set()
        self.members: set[tuple[str, str]] = set()
        self.clock = 0

    @initialize()
    def open(self) -> None:
        """Open both directories, with most accounts registered, so that most calls have an effect."""
        self.model = MemoryDirectoryStore()
        self.store = self.runner.run(open_directory_store(self.places))
        self.fillers = (Filler(self.model, self.places), Filler(self.store, self.places))
        self.register(list(NAMES[:3]), "n", 1)

    def teardown(self) -> None:
        """Compare everything once more, then close."""
        try:
            if hasattr(self, "store"):
                self.compare_all()
        finally:
            self.close()

    def close(self) -> None:
        """Give everything back."""
        self.runner.run(self.store.aclose())
        self.runner.close()
        self.lent.close()

    @rule(ids=st.lists(names, max_size=3), nickname=st.sampled_from(("", "n", "%")), level=st.integers(0, 4))
    def register_some(self, ids: list[str], nickname: str, level: int) -> None:
        """Register accounts, some of them taken."""
        self.register(ids, nickname, level)

    def register(self, ids: list[str], nickname: str, level: int) -> None:
        """Register accounts in both."""
        people = [User(user_id=UserID(name), nickname=nickname, app_manager_level=level) for name in ids]
        if self.same("register", people) is None:
            self.users.update(ids)

    @rule(
        name=names,
        changes=st.fixed_dictionaries(
            {}, optional={"nickname": st.sampled_from(("", "n")), "global_recv_msg_opt": st.integers(0, 2)}
        ),
    )
    def update_user(self, name: str, changes: dict[str, str | int]) -> None:
        """Change an account that may not exist."""
        self.same("update_user", name, changes)

    @rule(owner=names, name=names, is_pinned=st.booleans())
    def befriend(self, owner: str, name: str, is_pinned: bool) -> None:
        """Add a friend, once."""
        listed = self.runner.run(self.model.designated_friends(UserID(owner), [name]))
        if name in self.users and not listed:
            account = User(user_id=UserID(name))
            friend = Friend(owner_user_id=UserID(owner), friend=account, is_pinned=is_pinned, create_time=self.tick())
            for filler in self.fillers:
                filler.friend(friend)

    @rule(owner=names, name=names)
    def block(self, owner: str, name: str) -> None:
        """Put somebody on a black list, once."""
        _, rows = self.runner.run(self.model.blocked(UserID(owner), Page(1, 100)))
        if name in self.users and name not in {row.blocked.user_id for row in rows}:
            blocked = Blocked(owner_user_id=UserID(owner), blocked=User(user_id=UserID(name)), create_time=self.tick())
            for filler in self.fillers:
                filler.blocked(blocked)

    @rule(name=names, group=st.sampled_from(GROUPS))
    def join(self, name: str, group: str) -> None:
        """Join a group, once."""
        if name in self.users and (name, group) not in self.members:
            self.members.add((name, group))
            time = self.tick()
            for filler in self.fillers:
                filler.member(UserID(name), group, time)

    @rule(pairs=st.lists(st.tuples(names, names), max_size=3), option=st.integers(0, 2), is_pinned=st.booleans())
    def ensure(self, pairs: list[tuple[str, str]], option: int, is_pinned: bool) -> None:
        """Ensure rows, some of which exist."""
        rows = [
            Conversation(
                owner_user_id=UserID(owner),
                conversation_id=single_chat_id(owner, peer),
                conversation_type=1,
                user_id=UserID(peer),
                recv_msg_opt=option,
                is_pinned=is_pinned,
            )
            for owner, peer in pairs
        ]
        self.same("ensure_conversations", rows)

    @rule(
        kind=owned,
        owner=names,
        changes=st.lists(st.tuples(st.sampled_from(ELEMENTS), st.sampled_from(Change)), max_size=4),
        reordered=st.booleans(),
    )
    def change(self, kind: ListKind, owner: str, changes: list[tuple[str, Change]], reordered: bool) -> None:
        """Take steps of a version list."""
        for filler in self.fillers:
            filler.change_all(kind, owner, changes, reordered=reordered)

    def compare_all(self) -> None:
        """Compare every list of everybody, and what each version of it would be told."""
        for owner in NAMES:
            self.same("friends", owner, Page(1, 100))
            self.same("blocked", owner, Page(1, 100))
            self.same("page_conversations", owner, Page(1, 100))
            for peer in NAMES:
                self.same("single_chat_facts", owner, peer)
            for ids, delta in LISTS:
                self.compare_list(owner, ids, delta)

    def compare_list(self, owner: str, ids: str, delta: str) -> None:
        """Compare a list and its deltas."""
        (version, own_id, expected), (other_version, other_id, found) = (
            self.runner.run(getattr(store, ids)(owner)) for store in (self.model, self.store)
        )
        assert (other_version, found) == (version, expected)
        for since in range(-1, version + 2):
            told = self.runner.run(getattr(self.model, delta)(owner, own_id, since))
            assert told.version_id == own_id
            also_told = self.runner.run(getattr(self.store, delta)(owner, other_id, since))
            assert also_told == told._replace(version_id=other_id)
        assert self.runner.run(getattr(self.store, delta)(owner, own_id, version)).full

    @rule(size=st.integers(1, 3), number=st.integers(1, 3), owner=names, part=st.sampled_from(("", "a", "n", "%")))
    def pages(self, size: int, number: int, owner: str, part: str) -> None:
        """Read a page of everything."""
        page = Page(number, size)
        self.same("page_users", page, part, "")
        self.same("page_users", page, "", part)
        self.same("friends", owner, page)
        self.same("blocked", owner, page)
        self.same("page_conversations", owner, page)

    @rule(sender=names, receiver=names)
    def facts(self, sender: str, receiver: str) -> None:
        """Ask what admission needs."""
        self.same("single_chat_facts", sender, receiver)

    @invariant()
    def same_lists(self) -> None:
        """Hold both to the same people, lists and versions."""
        if not hasattr(self, "store"):
            return
        self.same("users", list(NAMES))
        self.same("existing_groups", list(GROUPS))
        for owner in NAMES:
            self.same("conversations", owner)
            self.same("designated_friends", owner, list(NAMES))

    def same(self, call: str, *arguments: object) -> object:
        """Make a call of both; return what both answered, an error as its code and text."""
        expected = self.ask(self.model, call, *arguments)
        assert self.ask(self.store, call, *arguments) == expected
        return expected

    def ask(self, store: object, call: str, *arguments: object) -> object:
        """Make a call of one directory."""
        answer: Awaitable[Any] = getattr(store, call)(*arguments)
        try:
            return self.runner.run(_await(answer))
        except OpenIMError as error:
            return error.code, error.detail

    def tick(self) -> int:
        """Return a time that goes on at every second call, so that some are equal."""
        self.clock += 1
        return self.clock // 2


async def _await(call: Awaitable[object]) -> object:
    return await call


def check(lend: Callable[[], AbstractContextManager[Places]]) -> None:
    """Let the machine run over directories at these places."""
    run_state_machine_as_test(type("Machine", (DirectoryMachine,), {"lend": staticmethod(lend)}), settings=MODEL)


@pytest.mark.timeout(600)  # finding a short example of a difference takes minutes
def test_sqlite_answers_as_memory(fresh_files: Path) -> None:
    """Any sequence of calls gives the same answers in both directories."""

    @contextmanager
    def lend() -> Iterator[Places]:
        with tempfile.TemporaryDirectory(prefix="directory-model-") as folder:
            shutil.copytree(fresh_files, folder, dirs_exist_ok=True)
            yield Places(Path(folder))

    check(lend)


@pytest.mark.timeout(600)
def test_postgresql_answers_as_memory(databases: Databases, fresh_database: str, tmp_path: Path) -> None:
    """Any sequence of calls gives the same answers in both directories."""

    @contextmanager
    def lend() -> Iterator[Places]:
        url = databases.make(fresh_database)
        yield Places(tmp_path, directory=url)
        databases.drop(url)

    check(lend)
