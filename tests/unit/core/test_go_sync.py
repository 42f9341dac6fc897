"""
A Go SDK that reconnects soon after its last sync does not sync (OpenIM wire, §8.1): it is closed, and its next connect does.
"""

from __future__ import annotations

import msgspec

from openim_ray.core import items
from openim_ray.core.gateway.hub import Close, Device, Hub
from openim_ray.core.gateway.session import CHECK_SECONDS, ClientKind, Session
from openim_ray.core.placement import Placement
from openim_ray.core.shard import Shard
from openim_ray.core.shard_settings import ShardSettings

PLACEMENT = Placement(epoch=1, shards=("inbox-0",))
GATEWAY, SHARD, PHONE = "gateway-0", "inbox-0", 1
START_MS = 1_800_000_000_000


class Waiting:
    """
    Who waits for a request.
    """


class World:
    """
    A gateway's hub and a shard that has run for a while, joined by the test.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.hub = Hub(PLACEMENT, ("persistence-0",), "first")
        epochs = dict.fromkeys(PLACEMENT.partitions_of(SHARD), 1)
        self.shard = Shard(SHARD, PLACEMENT, epochs, ("persistence-0",), ShardSettings(), 0.0, incarnation="first")
        self.wait(60.0)

    @property
    def wall_ms(self) -> int:
        """Return the wall clock."""
        return START_MS + int(self.now * 1000)

    def connect(self) -> Session:
        """Let a client connect; the answer to its registration says whether it must sync."""
        session = Session(self.hub.next_connection(), "bob", ClientKind.GO)
        self.hub.open(session, Device(PHONE, "digest", 1 << 40, self.wall_ms), Waiting(), self.now + 8.0)
        for item in self.carry():
            if isinstance(item, items.Reply):
                session.must_sync = msgspec.msgpack.decode(item.value, type=items.Registered).sync_due
        return session

    def asks_newest(self, session: Session) -> None:
        """Let a client send a 1001."""
        session.newest_asked()
        self.hub.ask_inbox("bob", lambda call: items.AskStates(call, "bob", [], PHONE), Waiting(), self.now + 8.0)
        self.carry()

    def disconnect(self, session: Session) -> None:
        """Let a connection end."""
        self.hub.close(session.connection)
        self.carry()

    def wait(self, seconds: float) -> list[int]:
        """Let time pass; returns the connections that are to be closed."""
        end, closed = self.now + seconds, list[int]()
        while self.now < end:
            self.now = min(end, self.now + CHECK_SECONDS)
            self.hub.tick(self.now)
            self.carry()
            closed += [effect.connection for effect in self.hub.take_effects() if isinstance(effect, Close)]
        return closed

    def carry(self) -> list[items.AnyItem]:
        """Carry items there and back; returns what came back."""
        there = [item for peer, item in self.hub.take_items() if peer == SHARD]
        self.shard.receive(GATEWAY, there, self.now, self.wall_ms)
        for _ in self.shard.outbox.take_loads():
            self.shard.inboxes.inbox_loaded("bob", [], {}, {}, self.now, self.wall_ms)
        back = [item for peer, item in self.shard.outbox.take_items() if peer == GATEWAY]
        self.hub.receive(SHARD, back, self.wall_ms)
        return back


def test_who_reconnects_soon_and_does_not_sync_is_closed() -> None:
    """Not before the pause is over, or the next connect would not sync either."""
    world = World()
    world.disconnect(world.connect())
    world.wait(2.0)
    session = world.connect()
    assert world.wait(4.5) == []
    assert world.wait(1.0) == [session.connection]


def test_who_syncs_or_was_away_for_long_stays() -> None:
    """Nobody is closed who misses nothing."""
    world = World()
    first = world.connect()
    world.disconnect(first)
    second = world.connect()
    world.asks_newest(second)
    assert world.wait(6.0) == []
    world.disconnect(second)
    world.wait(20.0)
    world.connect()
    assert world.wait(6.0) == []


def test_a_client_that_never_syncs_is_not_closed_again_and_again() -> None:
    """Official clients sync after the first close; a program that only sends would never be left in peace."""
    world = World()
    world.disconnect(world.connect())
    for _ in range(2):
        session = world.connect()
        assert world.wait(5.5) == [session.connection]
        world.disconnect(session)
    world.connect()
    assert world.wait(5.5) == []
