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
from openim_ray.domain.errors import NoPermission, OpenIMError
from openim_ray.domain.group import Cut, Group, GroupRequest, Member, Role
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.people import Blocked, Friend, FriendRequest, HandleResult, User, UserCommand, UserStatus
from openim_ray.ports import Page
from openim_ray.storage.memory import MemoryDirectoryStore
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.places import Places
from openim_ray.storage.version_rules import Change, ListKind
from openim_ray.transactions import ListVersion, Window
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
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

names, times = st.sampled_from(NAMES), st.integers(0, 5)
owned = st.sampled_from((ListKind.FRIENDS, ListKind.JOINED_GROUPS, ListKind.CONVERSATIONS))


Operation = tuple[str, tuple[object, ...]]
"""A method of a transaction, and its arguments."""

texts, roles = st.sampled_from(("", "x")), st.sampled_from(tuple(Role))
accounts = st.builds(
    User,
    user_id=names.map(UserID),
    nickname=st.sampled_from(("", "n")),
    ex=texts,
    status=st.sampled_from(UserStatus),
    app_manager_level=st.integers(0, 3),
)
group_ids = st.sampled_from(GROUPS)
chats = st.sampled_from(("sg_g", "si_a_b", "si_b_\u00fc"))
windows = st.builds(Window, st.integers(0, 2), st.integers(0, 3))
results = st.lists(st.sampled_from(HandleResult), max_size=2)
some_names, some_groups = st.lists(names, max_size=3), st.lists(group_ids, max_size=2)
members = st.builds(
    Member,
    group_id=group_ids.map(GroupID),
    user=accounts,
    role_level=roles,
    join_time=times,
    nickname=st.sampled_from(("", "m")),
)
rows = st.builds(
    Conversation,
    owner_user_id=names.map(UserID),
    conversation_id=chats.map(ConversationID),
    conversation_type=st.just(1),
    recv_msg_opt=st.integers(0, 2),
)
cuts = st.builds(Cut, user_id=names.map(UserID), min_seq=st.integers(0, 1), max_seq=st.integers(0, 1))
home_keys = st.sampled_from(("g", "a_b"))


def operation(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    """Return calls of a method."""
    return st.tuples(st.just(name), st.tuples(*arguments))


CHANGES = (
    operation("put_user", accounts),
    operation(
        "put_friend",
        st.builds(
            Friend,
            owner_user_id=names.map(UserID),
            friend=accounts,
            remark=texts,
            create_time=times,
            is_pinned=st.booleans(),
        ),
    ),
    operation("delete_friend", names, names),
    operation(
        "put_friend_request",
        st.builds(
            FriendRequest,
            from_user=accounts,
            to_user=accounts,
            create_time=times,
            handle_result=st.sampled_from(HandleResult),
        ),
    ),
    operation("put_blocked", st.builds(Blocked, owner_user_id=names.map(UserID), blocked=accounts, create_time=times)),
    operation("delete_blocked", names, names),
    operation(
        "put_user_command",
        st.builds(
            UserCommand, user_id=names.map(UserID), kind=st.integers(1, 2), uuid=texts, value=texts, create_time=times
        ),
    ),
    operation("delete_user_command", names, st.integers(1, 2), texts),
    operation("put_client_config", names | st.just(""), st.dictionaries(texts, texts, max_size=2)),
    operation("delete_client_config", names, st.lists(texts, max_size=2)),
    operation(
        "put_group", st.builds(Group, group_id=group_ids.map(GroupID), group_name=texts, status=st.integers(0, 3))
    ),
    operation("put_member", members),
    operation("put_members", st.lists(members, max_size=4)),
    operation("delete_member", group_ids, names),
    operation("delete_members", group_ids, some_names),
    operation(
        "put_group_request",
        st.builds(
            GroupRequest,
            group_id=group_ids.map(GroupID),
            user=accounts,
            req_time=times,
            handle_result=st.sampled_from(HandleResult),
        ),
    ),
    operation("put_conversation", rows),
    operation("put_conversations", st.lists(rows, max_size=4)),
    operation("ensure_conversations", st.lists(rows, max_size=4)),
    operation("cut", chats, group_ids, st.lists(cuts, max_size=3)),
    operation("put_effect", home_keys, st.binary(max_size=2), times),
    operation("replace_effect", home_keys, st.integers(0, 4), st.binary(max_size=2), st.binary(max_size=2)),
    operation("delete_effects", home_keys, st.integers(0, 4)),
)
QUESTIONS = (
    operation("search_users", texts, st.lists(st.integers(0, 3), max_size=3), windows),
    operation("friend_owners", names, st.just("") | names, st.integers(0, 3)),
    operation("received_friend_requests", names, results, windows),
    operation("sent_friend_requests", names, results, windows),
    operation("pending_friend_requests", names, times),
    operation("user_commands", names, st.none() | st.integers(1, 2)),
    operation("page_client_config", st.just("") | names, texts, windows),
    operation("friend_list_version", names),
    operation("search_groups", st.just("") | group_ids, texts, windows),
    operation("joined_groups", names, windows),
    operation("joined_group_ids", names, st.just("") | group_ids, st.integers(0, 2)),
    operation("managed_group_ids", names),
    operation("member_ids_behind", group_ids, st.just("") | names, st.integers(0, 2)),
    operation("page_members", group_ids, st.lists(roles, max_size=2), st.sampled_from(("", "m", "n", "a")), windows),
    operation("requests_to_groups", some_groups, results, windows),
    operation("requests_of_user", names, some_groups, results, windows),
    operation("pending_group_requests", some_groups, times),
    operation("member_list_versions", some_groups),
    operation("member_sort_version", group_ids),
    operation("rows_of", chats, some_names),
    operation("waiting_effects", home_keys, st.integers(0, 3)),
    operation("logs_with_effects", st.integers(0, 2)),
)
OPERATIONS = st.one_of(st.one_of(CHANGES), st.one_of(CHANGES), st.one_of(QUESTIONS))
STATE: tuple[Operation, ...] = (
    *(
        one
        for name in NAMES
        for one in (
            ("friends_among", (name, NAMES)),
            ("blacks_among", (name, NAMES)),
            ("received_friend_requests", (name, [], Window(0, 9))),
            ("user_commands", (name, None)),
            ("client_config", (name,)),
            ("joined_groups", (name, Window(0, 9))),
            ("managed_group_ids", (name,)),
            ("friend_list_version", (name,)),
        )
    ),
    *(
        one
        for group_id in GROUPS
        for one in (
            ("page_members", (group_id, [], "", Window(0, 9))),
            ("member_ids", (group_id,)),
            ("member_count", (group_id,)),
            ("staff", (group_id,)),
            ("member_list_version", (group_id,)),
            ("waiting_effects", (group_id, 99)),
        )
    ),
    ("requests_to_groups", (GROUPS, [], Window(0, 9))),
    ("groups", (GROUPS,)),
    ("logs_with_effects", (9,)),
)
"""Questions whose answers make up most of what there is."""


def _plain(answer: object) -> object:
    """Return an answer without the random id of a version list."""
    if isinstance(answer, ListVersion):
        return answer.version
    if isinstance(answer, dict):
        return [(key, _plain(value)) for key, value in answer.items()]
    return answer


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
        self.unseen = True

    @initialize()
    def open(self) -> None:
        """Open both directories, with most accounts registered, so that most calls have an effect."""
        self.model = MemoryDirectoryStore()
        self.store = self.runner.run(open_directory_store(self.places))
        self.fillers = (Filler(self.model, self.places), Filler(self.store, self.places))
        self.register(list(NAMES[:3]), "n", 1)
        self.same("change", lambda transaction: transaction.put_group(Group(group_id=GroupID(GROUPS[0]))))

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
        self.unseen = True
        people = [User(user_id=UserID(name), nickname=nickname, app_manager_level=level) for name in ids]
        self.same("register", people)

    @rule(operations=st.lists(OPERATIONS, min_size=1, max_size=6), fails=st.sampled_from((False, False, False, True)))
    def transaction(self, operations: list[Operation], fails: bool) -> None:
        """Run a use case, which may raise by itself or at its end."""
        self.unseen = True

        def use_case(transaction: Any) -> list[object]:
            results = [_plain(getattr(transaction, name)(*arguments)) for name, arguments in operations]
            if fails:
                raise NoPermission
            return results

        self.same("change", use_case)
        self.same("view", lambda view: [_plain(getattr(view, name)(*arguments)) for name, arguments in STATE])

    @rule(pairs=st.lists(st.tuples(names, names), max_size=3), option=st.integers(0, 2), is_pinned=st.booleans())
    def ensure(self, pairs: list[tuple[str, str]], option: int, is_pinned: bool) -> None:
        """Ensure rows, some of which exist."""
        self.unseen = True
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
        self.unseen = True
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
            for group in GROUPS:
                self.same("group_chat_facts", group, owner)
            for ids, delta in LISTS:
                self.compare_list(owner, ids, delta)
        for group in GROUPS:
            self.compare_list(group, "member_ids", "members_delta")

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
        """Hold both to the same people, lists and versions, after what may have changed them."""
        if not hasattr(self, "store") or not self.unseen:
            return
        self.unseen = False
        self.same("users", list(NAMES))
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


async def _await(call: Awaitable[object]) -> object:
    return await call


def check(lend: Callable[[], AbstractContextManager[Places]], examples: int) -> None:
    """Let the machine run over directories at these places."""
    machine = type("Machine", (DirectoryMachine,), {"lend": staticmethod(lend)})
    run_state_machine_as_test(machine, settings=settings(MODEL, max_examples=examples))


@pytest.mark.timeout(600)  # finding a short example of a difference takes minutes
def test_sqlite_answers_as_memory(fresh_files: Path) -> None:
    """Any sequence of calls gives the same answers in both directories."""

    @contextmanager
    def lend() -> Iterator[Places]:
        with tempfile.TemporaryDirectory(prefix="directory-model-", dir=fresh_files.parent) as folder:
            shutil.copytree(fresh_files, folder, dirs_exist_ok=True)
            yield Places(Path(folder))

    check(lend, 10)


@pytest.mark.timeout(600)
def test_postgresql_answers_as_memory(databases: Databases, fresh_database: str, tmp_path: Path) -> None:
    """Any sequence of calls gives the same answers in both directories."""

    @contextmanager
    def lend() -> Iterator[Places]:
        url = databases.make(fresh_database)
        yield Places(tmp_path, directory=url)
        databases.drop(url)

    check(lend, 5)  # a call takes several times as long
