"""The shell around a writer: what becomes of saves that fail. The store and the links are played by the test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from openim_ray.actors import persistence as persistence_module
from openim_ray.actors.persistence import PersistenceActor
from openim_ray.config import Config
from openim_ray.core import items
from openim_ray.domain.errors import ArgsError, OpenIMError, Unavailable
from openim_ray.ports import TokenRecord
from openim_ray.storage.memory import MemoryMessageStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from openim_ray.domain.ids import UserID


class StateStore:
    """
    Fails for some users, each in its way.
    """

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.tried: list[list[str]] = []
        self.tokens: list[TokenRecord] = []

    async def save(self, tokens: Sequence[TokenRecord], positions: Sequence[tuple[UserID, object]]) -> None:
        """See `ports.StateStore`."""
        user_ids = [*(record.user_id for record in tokens), *(user_id for user_id, _ in positions)]
        self.tried.append(user_ids)
        self.tokens += tokens
        for user_id in user_ids:
            if (error := self.errors.get(user_id)) is not None:
                raise error

    async def aclose(self) -> None:
        """Nothing to close."""


class Answers:
    """
    What the actor answers.
    """

    def __init__(self) -> None:
        self._sent: asyncio.Queue[items.Reply] = asyncio.Queue()

    def take(self, item: items.Reply) -> None:
        """Take an answer."""
        self._sent.put_nowait(item)

    async def codes(self, count: int) -> dict[int, int]:
        """Return the error codes of so many answers, by call."""
        replies = [await self._sent.get() for _ in range(count)]
        return {reply.call: reply.code for reply in replies}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """What the actor answers."""
    answers = Answers()
    monkeypatch.setattr(persistence_module.Links, "send", lambda _links, _peer, item: answers.take(item))
    return answers


@pytest.fixture
async def store(monkeypatch: pytest.MonkeyPatch) -> StateStore:
    """Where it saves."""
    store = StateStore()
    monkeypatch.setattr(persistence_module, "open_state_store", _opening(store))
    monkeypatch.setattr(persistence_module, "open_message_store", _opening(MemoryMessageStore()))
    monkeypatch.setattr(persistence_module, "load_actor_config", lambda _payload, _name: Config())
    return store


def _opening(store: object) -> Any:
    async def open_store(_places: object, **_options: str) -> object:
        return store

    return open_store


@pytest.fixture
async def actor(answers: Answers, store: StateStore) -> AsyncIterator[PersistenceActor]:
    """A persistence actor that works."""
    actor = PersistenceActor("persistence-0", b"")
    while not await actor.incarnation():  # noqa: ASYNC110 - it starts by itself, nothing wakes us
        await asyncio.sleep(0)
    yield actor
    await actor.drain()


def positions_of(*user_ids: str) -> list[items.AnyItem]:
    """Return a save for each of these users."""
    return [items.SavePositions(call, user_id, {"si_a_b": (1, 0, 0)}) for call, user_id in enumerate(user_ids)]


async def test_a_save_that_the_store_can_not_take_fails_alone(
    actor: PersistenceActor, answers: Answers, store: StateStore
) -> None:
    """Its neighbours are saved one by one, whatever went wrong with it, and further ones follow."""
    store.errors["poison"] = ValueError("a fault of ours")
    with capture_logs():
        actor.on_items("inbox-0", positions_of("first", "poison", "alice", "bob"))
        assert await answers.codes(4) == {0: 0, 1: OpenIMError.code, 2: 0, 3: 0}
    everybody = ["first", "poison", "alice", "bob"]
    assert store.tried == [everybody, *([user_id] for user_id in everybody)]

    actor.on_items("inbox-0", positions_of("carol"))
    assert await answers.codes(1) == {0: 0}


async def test_a_store_that_is_down_is_not_asked_for_each_save(
    actor: PersistenceActor, answers: Answers, store: StateStore
) -> None:
    """Each would wait for as long as a busy store may take, also after one that the store couldn't take."""
    store.errors["alice"] = Unavailable("down")
    actor.on_items("inbox-0", positions_of("alice"))
    assert await answers.codes(1) == {0: Unavailable.code}
    actor.on_items("inbox-0", positions_of("alice", "bob", "carol"))
    assert await answers.codes(3) == dict.fromkeys(range(3), Unavailable.code)
    assert store.tried == [["alice"], ["alice", "bob", "carol"]]

    store.tried.clear()
    store.errors["poison"] = ArgsError("what can't be kept")
    actor.on_items("inbox-0", positions_of("poison", "alice", "bob", "carol"))
    assert await answers.codes(4) == {0: ArgsError.code, 1: Unavailable.code, 2: Unavailable.code, 3: Unavailable.code}
    assert store.tried == [["poison", "alice", "bob", "carol"], ["poison"], ["alice"]]


async def test_what_waits_is_saved_in_one_commit(actor: PersistenceActor, answers: Answers, store: StateStore) -> None:
    """Tokens and positions of everybody are one batch, in the order in which they came."""
    records = [("d1", "alice", 5, 0, 9), ("d2", "alice", 5, 2, 9)]
    tokens = [items.SaveTokens(10 + call, [record]) for call, record in enumerate(records)]
    actor.on_items("gateway-0", [tokens[0], *positions_of("bob", "carol"), tokens[1]])
    assert await answers.codes(4) == {0: 0, 1: 0, 10: 0, 11: 0}
    assert store.tried == [["alice", "alice", "bob", "carol"]]
    assert store.tokens == [TokenRecord(*record) for record in records]
