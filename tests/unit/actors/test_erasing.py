"""The job that erases accounts, on stores in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from openim_ray.actors import erasing as module
from openim_ray.actors.clock import wall_ms
from openim_ray.actors.erasing import Eraser, settle_ms
from openim_ray.config import Config, GatewaySection
from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain.erasure import Erasure, ErasurePhase
from openim_ray.domain.errors import Unavailable
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User, UserStatus
from openim_ray.protocol.identifiers import MessageStatus
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.storage.memory import MemoryDirectoryStore, MemoryMessageStore
from openim_ray.storage.open import open_directory_store, open_message_store
from openim_ray.storage.places import Places
from tests.contract.rows import CHAT, message, write

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """
    Stores of a server in memory in which accounts are erased.
    """

    def __init__(self, directory: MemoryDirectoryStore, messages: MemoryMessageStore, places: Places) -> None:
        self.directory = directory
        self.messages = messages
        self.places = places
        self.logged_out: list[str] = []
        self.unreachable: set[str] = set()

    async def end_logins(self, user_id: str) -> None:
        """End them as a gateway does."""
        if user_id in self.unreachable:
            raise Unavailable("her inbox is away")
        self.logged_out.append(user_id)

    async def begin(self, user_id: str, *, seconds_ago: float = 3600.0, **fields: Any) -> None:
        """Mark an account as a service does that could end its tokens."""
        fields = {"phase": ErasurePhase.MESSAGES, **fields}
        begun = Erasure(user_id=user_id, created_ms=wall_ms() - int(seconds_ago * 1000), **fields)
        await self.directory.register([User(user_id=UserID(user_id), nickname=user_id)])
        await self.directory.change(lambda tx: tx.put_erasure(begun))

    async def phases(self) -> dict[str, int]:
        """Return how far each erasure has come."""
        ids = ("alice", "bob", "carol")
        found = await self.directory.view(lambda view: [view.erasure(one) for one in ids])
        return {one.user_id: one.phase for one in found if one is not None}

    def job(self, *mine: str) -> Eraser:
        """Return the job of who erases some accounts, all without any named."""
        eraser = Eraser(Config(), self.messages, lambda user_id: not mine or user_id in mine, self.end_logins)
        eraser._places = self.places
        return eraser


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """A server that forgets, with a chat of four messages."""
    places = Places.in_memory(tmp_path)
    directory, messages = await open_directory_store(places), await open_message_store(places)
    assert isinstance(directory, MemoryDirectoryStore)
    assert isinstance(messages, MemoryMessageStore)
    await messages.write([write(*(message(seq, sender="alice" if seq % 2 else "bob") for seq in range(1, 5)))])
    return World(directory, messages, places)


async def test_an_account_is_erased_phase_by_phase(world: World) -> None:
    """Its messages are tombstones, its profile is empty; how many there were is counted, and nothing is left to do."""
    await world.begin("alice")
    job = world.job()
    await job._look(world.directory)
    rows = world.messages.tables.read_range(CHAT, 1, 9, 9)
    deleted = [MsgData.FromString(row.body).status == MessageStatus.DELETED for row in rows if row.sender_id == "alice"]
    assert deleted == [True, True]
    assert [row.body for row in rows if row.sender_id == "bob"] == [b"hi", b"hi"]
    done = await world.directory.view(lambda view: view.erasure("alice"))
    assert done is not None
    assert (done.phase, done.messages, done.conversation_id, done.seq) == (ErasurePhase.DONE, 2, "", 0)
    assert done.finished_ms > done.created_ms
    (user,) = (await world.directory.users(["alice"])).values()
    assert (user.nickname, user.status) == ("", UserStatus.ERASED)
    assert job.health() == {"erasures_unfinished": 1, "messages_erased": 2}
    await job._look(world.directory)
    assert job.health() == {"erasures_unfinished": 0, "messages_erased": 2}


async def test_it_waits_for_what_is_under_way(world: World) -> None:
    """A message that is accepted after all were erased would stay."""
    settle = settle_ms(Config()) / 1000
    assert settle > max(Config().persistence.append_deadline_seconds, Config().api.request_seconds)
    await world.begin("alice", seconds_ago=settle - 1)
    await world.begin("bob", seconds_ago=settle + 1)
    await world.job()._look(world.directory)
    assert await world.phases() == {"alice": ErasurePhase.MESSAGES, "bob": ErasurePhase.DONE}


async def test_each_account_has_one_who_erases_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of others don't hide its own, however many there are."""
    monkeypatch.setattr(module, "FOUND_MAX", 1)
    for user_id in ("alice", "bob", "carol"):
        await world.begin(user_id)
    await world.job("carol")._look(world.directory)
    assert await world.phases() == {"alice": 1, "bob": 1, "carol": ErasurePhase.DONE}


async def test_one_that_waits_does_not_keep_others(world: World) -> None:
    """Why it waits is said once; when that is over it goes on."""
    await world.begin("alice")
    await world.begin("bob")
    effect = encode_effect(Effect(sender_id="alice"))
    await world.directory.change(lambda tx: tx.put_effect("alice_bob", effect, 1))
    job = world.job()
    with capture_logs() as logs:
        await job._look(world.directory)
        await job._look(world.directory)
    waits = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["event"], entry["user_id"]) for entry in waits] == [("an erasure waits", "alice")]
    assert await world.phases() == {"alice": ErasurePhase.MESSAGES, "bob": ErasurePhase.DONE}
    await world.directory.change(lambda tx: tx.delete_effects("alice_bob", 1))
    await job._look(world.directory)
    assert (await world.phases())["alice"] == ErasurePhase.DONE


async def test_a_history_that_is_away_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done for good while what it holds can't be erased."""
    await world.begin("alice")
    job = world.job()

    async def away(_places: Places) -> None:
        raise Unavailable("the history is away")

    with monkeypatch.context() as patch:
        patch.setattr(module, "open_history_store", away)
        await job._look(world.directory)
    assert await world.phases() == {"alice": ErasurePhase.MESSAGES}
    await job._look(world.directory)
    assert await world.phases() == {"alice": ErasurePhase.DONE}


async def test_files_that_are_read_are_emptied_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then it is not said to be done."""
    await world.begin("alice")
    job = world.job()

    async def busy() -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(world.messages, "scrub", busy)
        await job._look(world.directory)
        assert await world.phases() == {"alice": ErasurePhase.FILES}
    await job._look(world.directory)
    assert await world.phases() == {"alice": ErasurePhase.DONE}


async def test_nothing_is_erased_before_her_tokens_have_ended(world: World) -> None:
    """What she goes on writing would stay. Then, too, it waits for what was under way; others don't wait for her."""
    for user_id in ("alice", "bob", "carol"):
        await world.begin(user_id, phase=ErasurePhase.TOKENS if user_id != "carol" else ErasurePhase.MESSAGES)
    world.unreachable.add("alice")
    job, before = world.job(), wall_ms()
    with capture_logs() as logs:
        await job._look(world.directory)
        await job._look(world.directory)
    assert [entry["user_id"] for entry in logs if entry["event"] == "an erasure waits"] == ["alice"]
    assert await world.phases() == {
        "alice": ErasurePhase.TOKENS,
        "bob": ErasurePhase.MESSAGES,
        "carol": ErasurePhase.DONE,
    }
    assert world.logged_out == ["bob"]
    rows = world.messages.tables.read_range(CHAT, 1, 9, 9)
    assert [row.body for row in rows] == [b"hi"] * 4
    bob = await world.directory.view(lambda view: view.erasure("bob"))
    assert bob is not None
    assert bob.created_ms >= before

    world.unreachable.clear()
    await job._look(world.directory)
    assert (await world.phases())["alice"] == ErasurePhase.MESSAGES
    assert world.logged_out == ["bob", "alice"]


async def test_tokens_are_ended_without_waiting(world: World) -> None:
    """Whoever has one must not keep it for long."""
    await world.begin("alice", seconds_ago=0, phase=ErasurePhase.TOKENS)
    await world.job()._look(world.directory)
    assert world.logged_out == ["alice"]


async def test_an_erasure_that_is_begun_anew_is_not_said_to_be_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one that was found earlier is worked on, a token is found that was still valid."""
    await world.begin("alice")
    anew = Erasure(user_id="alice", created_ms=wall_ms())

    async def scrub() -> bool:
        await world.directory.change(lambda tx: tx.put_erasure(anew))
        return True

    monkeypatch.setattr(world.messages, "scrub", scrub)
    with capture_logs():
        await world.job()._look(world.directory)
    assert await world.directory.view(lambda view: view.erasure("alice")) == anew


async def test_any_gateway_ends_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that can; without one it is tried again later."""
    asked: list[tuple[str, ...]] = []
    away = {"gateway-0"}

    async def ask(actor: str, _namespace: str, *what: str) -> None:
        asked.append((actor, *what))
        if actor in away:
            raise Unavailable("no such actor")

    monkeypatch.setattr(module, "call", ask)
    config = Config(gateway=GatewaySection(actors=3))
    await module.end_logins(config, "alice")
    assert asked == [(f"gateway-{number}", "end_logins", "alice") for number in (0, 1)]
    away |= {"gateway-1", "gateway-2"}
    with pytest.raises(Unavailable):
        await module.end_logins(config, "alice")
