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
from openim_ray.domain.errors import OpenIMError, Unavailable
from openim_ray.storage.memory import MemoryMessageStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class StateStore:
    """
    Fails for some users, each in its way.
    """

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.tried: list[str] = []

    async def save_positions(self, user_id: str, _positions: object) -> None:
        """See `ports.StateStore`."""
        self.tried.append(user_id)
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
    async def open_store(_data_dir: Path) -> object:
        return store

    return open_store


@pytest.fixture
async def actor(answers: Answers, store: StateStore) -> AsyncIterator[PersistenceActor]:
    """A persistence actor that works."""
    actor = PersistenceActor("persistence-0", b"")
    await asyncio.sleep(0)
    assert await actor.incarnation()
    yield actor
    await actor.drain()


def positions_of(*user_ids: str) -> list[items.AnyItem]:
    """Return a save for each of these users."""
    return [items.SavePositions(call, user_id, {"si_a_b": (1, 0, 0)}) for call, user_id in enumerate(user_ids)]


async def test_a_save_that_the_store_can_not_take_fails_alone(
    actor: PersistenceActor, answers: Answers, store: StateStore
) -> None:
    """Its neighbours are saved, whatever went wrong with it, and further ones follow."""
    store.errors["poison"] = ValueError("a fault of ours")
    with capture_logs():
        actor.on_items("inbox-0", positions_of("first", "poison", "alice", "bob"))
        assert await answers.codes(4) == {0: 0, 1: OpenIMError.code, 2: 0, 3: 0}

    actor.on_items("inbox-0", positions_of("carol"))
    assert await answers.codes(1) == {0: 0}


async def test_a_store_that_is_down_is_not_asked_for_each_save(
    actor: PersistenceActor, answers: Answers, store: StateStore
) -> None:
    """Each would wait for as long as a busy store may take."""
    store.errors["alice"] = Unavailable("down")
    actor.on_items("inbox-0", positions_of("alice"))
    assert await answers.codes(1) == {0: Unavailable.code}
    actor.on_items("inbox-0", positions_of("alice", "bob", "carol"))
    assert await answers.codes(3) == dict.fromkeys(range(3), Unavailable.code)
    assert store.tried == ["alice", "alice"]
