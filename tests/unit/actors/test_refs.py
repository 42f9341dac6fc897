"""Links between processes, over calls that the test plays: each peer is called in this process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from ray.exceptions import RayTaskError
from structlog.testing import capture_logs

from openim_ray.actors import refs, wires
from openim_ray.actors.refs import Links, LinkSettings
from openim_ray.core import items
from openim_ray.domain.errors import OpenIMError, Overloaded, RecordNotFound

SETTINGS = LinkSettings(window_seconds=0.0, bytes_max=90_000, queue_max=1000, queue_bytes_max=1 << 20, hole_seconds=0.5)


class Method:
    """
    A method of an actor that can be called from elsewhere.
    """

    def __init__(self, method: Callable[..., Awaitable[Any]]) -> None:
        self._method = method

    async def remote(self, *arguments: Any) -> Any:
        """Call it."""
        return await self._method(*arguments)


class Peer:
    """
    A process with links; it answers states at once.
    """

    def __init__(self, name: str) -> None:
        self.links = Links(name, uuid.uuid4().hex, "test", SETTINGS, self)
        self.called = 0
        self.receive, self.incarnation = Method(self._receive), Method(self._incarnation)
        self.taken: asyncio.Queue[items.AnyItem] = asyncio.Queue()
        self.resets: asyncio.Queue[str] = asyncio.Queue()
        self.faults = 0

    async def _receive(self, data: bytes) -> str | bytes:
        self.called += 1
        return await self.links.receive(data)

    async def _incarnation(self) -> str:
        return self.links.incarnation

    def on_items(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """See `actors.refs.LinkUser`; fails as often as the test wants."""
        for item in batch:
            if isinstance(item, items.AskStates):
                self.links.send(peer, items.Reply(item.call))
            elif isinstance(item, items.Reply) and self.faults:
                self.faults -= 1
                raise ValueError("a fault of ours")
            self.taken.put_nowait(item)
        self.links.flush()

    def on_link_reset(self, peer: str) -> None:
        """See `actors.refs.LinkUser`."""
        self.resets.put_nowait(peer)

    def ask(self, call: int) -> None:
        """Ask the other one something."""
        self.links.send("shard", items.AskStates(call, "bob"))
        self.links.flush()

    async def answer_to(self, call: int) -> None:
        """Return when a call is answered."""
        while await self.taken.get() != items.Reply(call):
            pass


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Peer]:
    """The processes that are there, by name."""
    peers: dict[str, Peer] = {}

    def get_actor(name: str, _namespace: str) -> Peer:
        if name not in peers:
            raise ValueError(name)
        return peers[name]

    monkeypatch.setattr(refs.ray, "get_actor", get_actor)
    monkeypatch.setattr(refs, "RECONNECT_SECONDS", (0.001,))
    monkeypatch.setattr(refs, "HOLD_SECONDS", 0.001)
    return peers


async def test_items_arrive_and_answers_come_back(peers: dict[str, Peer]) -> None:
    """Whether they ride back or are sent."""
    gateway, _ = peers.setdefault("gateway", Peer("gateway")), peers.setdefault("shard", Peer("shard"))
    for call in range(5):
        gateway.ask(call)
        await gateway.answer_to(call)


async def test_a_fault_while_an_answer_is_taken_breaks_the_link(peers: dict[str, Peer]) -> None:
    """However often: a link whose batches stay in flight for ever would be silent, and nobody would notice."""
    gateway, _ = peers.setdefault("gateway", Peer("gateway")), peers.setdefault("shard", Peer("shard"))
    with capture_logs() as logs:
        for call in range(5):
            gateway.faults = 1
            gateway.ask(call)
            await gateway.resets.get()
    assert [line["event"] for line in logs].count("link failed") == 5
    gateway.ask(5)
    await gateway.answer_to(5)


async def test_a_peer_that_is_gone_for_good_is_not_looked_for_for_ever(
    peers: dict[str, Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for it is dropped, and who needs it is told; something new to say makes it be looked for again."""
    monkeypatch.setattr(refs, "CONNECT_SECONDS_MAX", 0.0)
    gateway = peers.setdefault("gateway", Peer("gateway"))
    gateway.ask(1)
    assert await gateway.resets.get() == "shard"

    peers["shard"] = Peer("shard")
    monkeypatch.setattr(refs, "CONNECT_SECONDS_MAX", 60.0)
    gateway.ask(2)
    await gateway.answer_to(2)
    assert items.AskStates(1, "bob") not in [await peers["shard"].taken.get() for _ in range(2)]


@pytest.fixture
async def wired(peers: dict[str, Peer]) -> AsyncIterator[dict[str, Peer]]:
    """A gateway and a shard that listen."""
    for name in ("gateway", "shard"):
        peers[name] = Peer(name)
        await peers[name].links.listen()
    yield peers
    for peer in peers.values():
        await peer.links.close()


async def test_processes_of_one_machine_are_not_called(wired: dict[str, Peer]) -> None:
    """Neither for requests nor for answers, which go back by the same wire."""
    gateway, shard = wired["gateway"], wired["shard"]
    for call in range(5):
        gateway.ask(call)
        await gateway.answer_to(call)
    assert (gateway.called, shard.called) == (0, 0)
    assert shard.links.wires_to("gateway") == gateway.links.wires_to("shard") == 1


async def test_batches_larger_than_a_read_arrive_whole(wired: dict[str, Peer]) -> None:
    """A wire is a stream: what it brings at once is a part of a batch, or several."""
    gateway, shard = wired["gateway"], wired["shard"]
    texts = [f"{number}" * 300_000 for number in range(3)]
    for text in texts:
        gateway.links.send("shard", items.Unwatch([text]))
    gateway.ask(1)
    await gateway.answer_to(1)
    arrived = [shard.taken.get_nowait() for _ in range(shard.taken.qsize())]
    assert [one.user_ids for one in arrived if isinstance(one, items.Unwatch)] == [[text] for text in texts]


async def test_the_death_of_a_peer_resets_the_link_at_once(wired: dict[str, Peer]) -> None:
    """Also when nothing is under way; its next incarnation is reached by a new wire, and what the old one said late is refused."""
    gateway, shard = wired["gateway"], wired["shard"]
    gateway.ask(1)
    await gateway.answer_to(1)
    resets = gateway.resets.qsize()
    await shard.links.close()
    wired["shard"] = Peer("shard")
    await wired["shard"].links.listen()
    assert [await gateway.resets.get() for _ in range(resets + 1)][-1] == "shard"

    gateway.ask(2)
    await gateway.answer_to(2)
    assert (wired["shard"].called, gateway.links.wires_to("shard")) == (0, 1)


async def test_a_fault_of_the_receiver_breaks_the_link(wired: dict[str, Peer]) -> None:
    """The sender hears no receipt, and repeats what it still needs on a new channel."""
    gateway, shard = wired["gateway"], wired["shard"]
    gateway.ask(1)
    await gateway.answer_to(1)
    resets = gateway.resets.qsize()
    gateway.faults = 1
    with capture_logs() as logs:
        gateway.ask(2)
        await shard.resets.get()
        assert [await gateway.resets.get() for _ in range(resets + 1)]
    assert "link failed" in [line["event"] for line in logs]
    gateway.ask(3)
    await gateway.answer_to(3)


async def test_a_silent_peer_is_given_up(wired: dict[str, Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stands still keeps its sockets; batches without receipt count as failed after a time."""
    gateway = wired["gateway"]
    gateway.ask(1)
    await gateway.answer_to(1)
    resets = gateway.resets.qsize()
    gateway.ask(2)  # written, not heard: nothing else has run meanwhile
    with monkeypatch.context() as patch:
        patch.setattr(refs, "CALL_SECONDS_MAX", -1.0)
        gateway.links.tick()
    assert gateway.resets.qsize() == resets + 1


async def test_a_process_of_another_user_is_hung_up_on(wired: dict[str, Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever it is; the links of our own then go by calls."""
    gateway, shard = wired["gateway"], wired["shard"]
    monkeypatch.setattr(wires.os, "geteuid", lambda: -1)
    with capture_logs() as logs:
        gateway.ask(1)
        await gateway.answer_to(1)
    assert "wire to a process of another user refused" in [line["event"] for line in logs]
    assert shard.called > 0
    assert gateway.links.wires_to("shard") == 0


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RecordNotFound("no user 'nobody'"), "1004 RecordNotFoundError: no user 'nobody'"),
        (Overloaded("later"), "90004 NetworkError: later"),
        (KeyError("a secret"), "90002 DatabaseError: shard.fail: RayTaskError(KeyError)"),
    ],
)
async def test_an_error_of_the_domain_crosses_a_call(peers: dict[str, Peer], raised: Exception, expected: str) -> None:
    """Whoever asked for what does not exist must not be told to try again; a fault of the other one is its own affair."""

    async def fail() -> None:
        raise RayTaskError("fail", "", raised, "", 1, "").as_instanceof_cause()

    peers["shard"] = shard = Peer("shard")
    shard.fail = Method(fail)  # type: ignore[attr-defined]

    with pytest.raises(OpenIMError) as caught:
        await refs.call("shard", "test", "fail")

    assert str(caught.value) == expected
    assert not isinstance(caught.value, RayTaskError)
