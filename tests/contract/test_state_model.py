"""
A Hypothesis state machine: whatever is done to a state store, it answers as the memory store does.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from openim_ray.domain.errors import ArgsError
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import TokenRecord
from openim_ray.storage.memory import MemoryStateStore
from openim_ray.storage.open import open_state_reader, open_state_store
from openim_ray.storage.places import Places
from tests.contract.conftest import NOW, WRITER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from openim_ray.storage.stores import OpenStateReader
    from tests.servers.postgres import Databases

USERS = ("a", "A", "ü\U0001f600")
PLATFORMS = (1, 5)
DIGESTS = ("d0", "d1", "d2", "d3")
CHATS = ("si_a_b", "sg_1", "n_a_b")
EXPIRED, LATER = int(NOW) - 1, int(NOW) + 1000

MODEL = settings(
    max_examples=5,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

tokens = st.builds(
    TokenRecord,
    st.sampled_from((*DIGESTS, "\0")),
    # A digest belongs to one user and platform, as it is made of them.
    st.just(""),
    st.just(0),
    st.sampled_from((0, 0, 2)),
    st.sampled_from((LATER, LATER, LATER, EXPIRED)),
)
numbers = st.sampled_from((0, 1, 7, (1 << 53) + 1))
positions = st.dictionaries(
    st.sampled_from(CHATS), st.builds(ReadPosition, numbers, numbers, st.sampled_from((0, 4))), max_size=3
)


class StateMachine(RuleBasedStateMachine):
    """
    Drives a store, a reader beside it, and the model with the same calls.
    """

    lend: Callable[[], AbstractContextManager[Places]]
    """Gives the places of a fresh store."""

    def __init__(self) -> None:
        super().__init__()
        self.lent = ExitStack()
        self.places = self.lent.enter_context(type(self).lend())
        self.runner = asyncio.Runner()
        self.checks = 0

    @initialize()
    def open(self) -> None:
        """Open all."""
        self.model = MemoryStateStore(clock=lambda: NOW)
        self.store = self.runner.run(open_state_store(self.places, lambda: NOW, writer=WRITER))
        self.reader = self.runner.run(open_state_reader(self.places, [WRITER]))

    def teardown(self) -> None:
        """Close all."""
        if hasattr(self, "reader"):
            self.runner.run(self.reader.aclose())
            self.runner.run(self.store.aclose())
        self.runner.close()
        self.lent.close()

    @rule(records=st.lists(tokens, max_size=3), of_users=st.dictionaries(st.sampled_from(USERS), positions, max_size=2))
    def save(self, records: list[TokenRecord], of_users: dict[str, dict[str, ReadPosition]]) -> None:
        """Save a batch in both; what the one refuses the other refuses."""
        records = [
            record._replace(user_id=USERS[len(record.digest) % 2], platform_id=PLATFORMS[ord(record.digest[-1]) % 2])
            for record in records
        ]
        batch = [
            (UserID(user), {ConversationID(chat): position for chat, position in found.items()})
            for user, found in of_users.items()
        ]
        outcomes = []
        for store in (self.model, self.store):
            try:
                self.runner.run(store.save(records, batch))
                outcomes.append("saved")
            except ArgsError:
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]

    @rule()
    def lose_copies(self) -> None:
        """Empty the Redis, if there is one."""
        if self.places.tokens:
            with Redis.from_url(self.places.tokens) as client:
                client.flushall()

    @rule()
    def wait(self) -> None:
        """Let what happens by itself happen."""
        self.runner.run(asyncio.sleep(0.01))

    @invariant()
    def answers_are_the_same(self) -> None:
        """Every look-up gives what the model says, by the store and by the reader, which take turns."""
        if not hasattr(self, "reader"):
            return
        one = (self.store, self.reader)[self.checks % 2]
        self.checks += 1
        for user in USERS:
            expected = self.runner.run(self.model.read_positions(UserID(user)))
            assert self.runner.run(one.read_positions(UserID(user))) == expected
        for user in USERS[:2]:
            for platform in PLATFORMS:
                self.compare_tokens(one, user, platform)

    def compare_tokens(self, one: OpenStateReader, user: str, platform: int) -> None:
        """Compare what is said of a user's tokens."""
        expected = self.runner.run(self.model.tokens(user, platform))
        assert self.runner.run(one.tokens(user, platform)) == expected
        for digest in DIGESTS:
            state = self.runner.run(self.model.token_state(user, platform, digest))
            assert self.runner.run(one.token_state(user, platform, digest)) == state


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def lending(request: pytest.FixtureRequest, fresh_files: Path) -> Callable[[], AbstractContextManager[Places]]:
    """Return what lends fresh places of a backend."""

    @contextmanager
    def folder() -> Iterator[Places]:
        path = Path(tempfile.mkdtemp(prefix="state-model-", dir=fresh_files.parent))
        shutil.copytree(fresh_files, path / "data")
        yield Places(path / "data")
        shutil.rmtree(path)

    if request.param == "sqlite":
        return folder
    if request.param == "redis":
        return _with_redis(folder, request.getfixturevalue("redis_url"))
    databases: Databases = request.getfixturevalue("databases")
    template: str = request.getfixturevalue("fresh_database")

    @contextmanager
    def database() -> Iterator[Places]:
        url = databases.make(template)
        yield Places(Path(tempfile.gettempdir()), directory=url)
        databases.drop(url)

    return database


def _with_redis(
    folder: Callable[[], AbstractContextManager[Places]], url: str
) -> Callable[[], AbstractContextManager[Places]]:
    @contextmanager
    def both() -> Iterator[Places]:
        with folder() as places:
            yield places._replace(tokens=url)

    return both


def test_the_store_answers_as_the_model(lending: Callable[[], AbstractContextManager[Places]]) -> None:
    """Of whatever Hypothesis does to it."""

    class Machine(StateMachine):
        lend = staticmethod(lending)

    run_state_machine_as_test(Machine, settings=MODEL)
