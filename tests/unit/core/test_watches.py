"""Whose presence a gateway's clients watch, and what they are told (OpenIM wire, §3.9)."""

from __future__ import annotations

from typing import Any

import pytest

from openim_ray.core import items
from openim_ray.core.gateway import watches as watches_module
from openim_ray.core.gateway.hub import Device, Hub
from openim_ray.core.gateway.session import ClientKind, Session
from openim_ray.core.gateway.watches import RETRY_SECONDS, Known, ShowPresence, StatusChanged
from openim_ray.core.placement import Placement
from openim_ray.core.repair import REPAIR_MARGIN_MS
from openim_ray.domain import errors

PLACEMENT = Placement(epoch=1, shards=("inbox-0", "inbox-1"))
START_MS = 1_000_000
WEB, IOS = 5, 1
ANN, BEN = "ann", "ben"
HOME = PLACEMENT.inbox_of(ANN)
OTHER_HOME = next(one for one in PLACEMENT.shards if one != HOME)
NEIGHBOUR = next(name for name in "abcdefgh" if PLACEMENT.inbox_of(name) == HOME)
FAR = next(name for name in "abcdefgh" if PLACEMENT.inbox_of(name) != HOME)


class Bench:
    """
    A hub with connections, whose shards are played by the test.
    """

    def __init__(self, repeats_at_once: int = 1_000) -> None:
        self.hub = Hub(PLACEMENT, ("persistence-0",), "gateway#1", repeats_at_once=repeats_at_once)

    def connect(self, platform_id: int = WEB, *, background: bool = False) -> int:
        """Open a connection and let it be registered."""
        session = Session(self.hub.next_connection(), "me", ClientKind.GO)
        self.hub.open(session, Device(platform_id, "digest", 0, START_MS, background), "opened", 10.0)
        (register,) = [item for _, item in self.hub.take_items() if isinstance(item, items.Register)]
        self.hear(items.Reply(register.call, value=b""), PLACEMENT.inbox_of("me"))
        self.hub.take_effects()
        return session.connection

    def hear(self, item: items.AnyItem, peer: str = HOME) -> None:
        """Let an item arrive."""
        self.hub.receive(peer, [item], START_MS)

    def tell(self, user_id: str, *platforms: int, peer: str = "") -> None:
        """Let a user's home say where she is."""
        self.hear(items.Presences([(user_id, list(platforms))]), peer or PLACEMENT.inbox_of(user_id))

    def sent(self, kind: type[Any] = items.Item) -> list[tuple[str, Any]]:
        """Return what left since the last time."""
        return [(peer, item) for peer, item in self.hub.take_items() if isinstance(item, kind)]

    def shown(self) -> list[tuple[dict[str, list[int]], list[int]]]:
        """Return what is to be pushed, and to whom."""
        effects = [one for one in self.hub.take_effects() if isinstance(one, ShowPresence)]
        return [({key: list(there) for key, there in one.states}, sorted(one.connections)) for one in effects]

    def known(self) -> list[object]:
        """Return the contexts of who waits no more."""
        return [one.context for one in self.hub.take_effects() if isinstance(one, Known)]


def test_a_user_is_watched_once_for_all_connections() -> None:
    """The second one is answered from what the first was told, and costs the inbox nothing."""
    bench = Bench()
    first, second = bench.connect(), bench.connect()

    bench.hub.watch(first, [ANN], [])
    assert bench.sent() == [(HOME, items.Watch([(ANN, None)]))]
    assert bench.hub.watches.states([ANN]) == ()
    bench.tell(ANN, WEB)
    bench.hub.watch(second, [ANN], [])

    assert bench.sent() == []
    assert bench.hub.watches.states([ANN]) == ((ANN, (WEB,)),)


def test_changes_go_to_all_who_watch_and_to_nobody_else() -> None:
    """One frame with what changed, whoever is told the same."""
    bench = Bench()
    first, second, third = bench.connect(), bench.connect(), bench.connect()
    bench.hub.watch(first, [ANN, NEIGHBOUR], [])
    bench.hub.watch(second, [ANN, NEIGHBOUR], [])
    bench.hub.watch(third, [ANN], [])
    bench.tell(ANN)
    bench.tell(NEIGHBOUR)
    assert bench.shown() == []

    bench.hear(items.Presences([(ANN, [WEB]), (NEIGHBOUR, [IOS])]))
    assert bench.shown() == [({ANN: [WEB], NEIGHBOUR: [IOS]}, [first, second]), ({ANN: [WEB]}, [third])]

    bench.hear(items.Presences([(ANN, [WEB]), (NEIGHBOUR, [])]))
    assert bench.shown() == [({NEIGHBOUR: []}, [first, second])]


def test_the_last_one_who_leaves_ends_the_watch() -> None:
    """By a request, or with the connection."""
    bench = Bench()
    first, second = bench.connect(), bench.connect()
    for connection in (first, second):
        bench.hub.watch(connection, [ANN], [])
    bench.tell(ANN, WEB)
    bench.sent()

    bench.hub.watch(first, [], [ANN])
    assert bench.sent() == []
    bench.hub.close(second)
    assert bench.sent(items.Unwatch) == [(HOME, items.Unwatch([ANN]))]
    assert len(bench.hub.watches) == 0

    bench.tell(ANN)
    assert bench.shown() == []


def test_who_waits_is_told_when_all_are_known() -> None:
    """And needs no push of what its answer says."""
    bench = Bench()
    me = bench.connect()
    bench.hub.watch(me, [ANN, FAR], [])
    asking = bench.hub.watches.wait([ANN, FAR], "answer")
    assert asking is not None
    bench.tell(ANN, WEB)
    assert bench.known() == []
    bench.tell(FAR)
    assert bench.hub.take_effects() == [Known("answer")]
    assert bench.hub.watches.wait([ANN, FAR], "again") is None
    assert bench.hub.watches.states([FAR, ANN, FAR]) == ((FAR, ()), (ANN, (WEB,)))


def test_who_was_answered_in_part_is_pushed_the_rest() -> None:
    """An inbox that does not answer leaves nobody in the dark for longer than it does."""
    bench = Bench()
    me, other = bench.connect(), bench.connect()
    bench.hub.watch(me, [ANN], [])
    asking = bench.hub.watches.wait([ANN], "mine")
    bench.hub.watch(other, [ANN], [])
    bench.hub.watches.wait([ANN], "another")
    assert asking is not None
    bench.hub.watches.give_up(asking, me)

    bench.tell(ANN)

    assert bench.hub.take_effects() == [Known("another"), ShowPresence(((ANN, ()),), [me])]


def test_a_wait_ends_when_what_it_waits_for_is_watched_no_more() -> None:
    """A client may take back what it asked for before it is answered."""
    bench = Bench()
    me = bench.connect()
    bench.hub.watch(me, [ANN], [])
    bench.hub.watches.wait([ANN], "answer")
    bench.hub.watch(me, [], [ANN])
    assert bench.known() == ["answer"]


def test_repetitions_and_strangers_change_nothing() -> None:
    """A user named twice, watched already, or not watched at all; and who is named in both lists is watched."""
    bench = Bench()
    me = bench.connect()
    bench.hub.watch(me, [ANN, ANN], [BEN])
    bench.hub.watch(me, [ANN], [ANN])
    assert len(bench.hub.watches) == 1
    assert bench.sent(items.Unwatch) == []
    bench.hub.watch(99, [ANN], [])
    assert len(bench.hub.watches) == 1


def test_the_older_form_is_told_platform_by_platform() -> None:
    """Each platform that came or went, besides the state as a whole; not what is known at first, and no more after the end."""
    bench = Bench()
    me, other = bench.connect(), bench.connect()
    bench.hub.watch(other, [ANN], [])
    bench.hear(items.Subscribed([me, 99], [ANN], []))
    bench.tell(ANN, WEB)
    assert bench.hub.take_effects() == []

    bench.tell(ANN, IOS)
    notified = [one for one in bench.hub.take_effects() if isinstance(one, StatusChanged)]
    assert notified == [StatusChanged(ANN, IOS, True, [me]), StatusChanged(ANN, WEB, False, [me])]
    assert list(bench.hub.watches.watched_by(me)) == [ANN]

    bench.hear(items.Subscribed([me], [], [ANN]))
    bench.tell(ANN)
    assert bench.hub.take_effects() == [ShowPresence(((ANN, ()),), [other])]
    bench.hear(items.Subscribed([me], ["a:b"], []))
    assert list(bench.hub.watches.watched_by(me)) == []


# --- limits


def test_what_goes_beyond_a_limit_is_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users of a connection, connections of a user, and both of the gateway; leaving makes room."""
    monkeypatch.setattr(watches_module, "WATCHED_MAX", 2)
    bench = Bench()
    me = bench.connect()
    bench.hub.watch(me, [ANN], [])
    with pytest.raises(errors.ArgsError, match="at most 2 users"):
        bench.hub.watch(me, ["x", "y"], [])
    assert bench.hub.watches.states(["x"]) == ()
    assert len(bench.hub.watches) == 1
    bench.hub.watch(me, ["x", "y"], [ANN])

    monkeypatch.setattr(watches_module, "WATCHERS_MAX", 1)
    with pytest.raises(errors.ArgsError, match="x is watched by as many as may"):
        bench.hub.watch(bench.connect(), ["z", "x"], [])
    monkeypatch.setattr(watches_module, "WATCHES_MAX", 2)
    with pytest.raises(errors.Overloaded):
        bench.hub.watch(bench.connect(), ["z"], [])
    assert len(bench.hub.watches) == 2


def test_an_id_that_nobody_can_have_is_refused() -> None:
    """The refusal names the rule."""
    bench = Bench()
    with pytest.raises(errors.ArgsError, match="contains ':'"):
        bench.hub.watch(bench.connect(), [ANN, "a:b"], [])
    assert len(bench.hub.watches) == 0


def test_after_a_break_they_are_said_again_in_parts() -> None:
    """A bounded part at once, so that the link's queue can take it."""
    bench = Bench(repeats_at_once=2)
    me = bench.connect()
    names = [name for name in map(str, range(20)) if PLACEMENT.inbox_of(name) == HOME][:5]
    bench.hub.watch(me, names, [])
    bench.hub.tick(0.0)
    bench.hub.tick(0.1)
    assert [len(item.users) for _, item in bench.sent(items.Watch)] == [2, 2, 1]


# --- crashes


def test_after_a_break_the_inbox_hears_what_was_shown() -> None:
    """So that it tells only what is different now."""
    bench = Bench()
    me = bench.connect()
    bench.hub.watch(me, [ANN, FAR], [])
    bench.tell(ANN, WEB)
    bench.tell(FAR)
    bench.sent()

    bench.hub.link_reset(HOME, START_MS)
    assert bench.sent(items.Watch) == [(HOME, items.Watch([(ANN, [WEB])]))]
    bench.tell(ANN, WEB)
    assert bench.shown() == []
    bench.tell(ANN)
    assert bench.shown() == [({ANN: []}, [me])]


def test_a_lease_that_ended_is_renewed() -> None:
    """The shard has dropped all that this gateway watched there."""
    bench = Bench()
    bench.hub.watch(bench.connect(), [ANN, FAR], [])
    bench.tell(ANN, WEB)
    bench.sent()
    bench.hear(items.Expired(START_MS))
    bench.hub.tick(0.0)
    assert bench.sent(items.Watch) == [(HOME, items.Watch([(ANN, [WEB])]))]


def test_who_moves_is_watched_at_the_new_home() -> None:
    """The gateway hears of the move from whoever knows of it first; what an old home still says counts no more."""
    bench = Bench()
    me = bench.connect()
    bench.hub.watch(me, [ANN, FAR], [])
    bench.tell(ANN, WEB)
    bench.sent()

    bench.hear(items.WatchEnded([ANN], 2))
    assert bench.hub.placement_wanted == 2
    bench.hub.place(Placement(epoch=2, shards=PLACEMENT.shards, dedicated={ANN: "inbox-own"}), START_MS)
    bench.hub.tick(0.0)
    assert bench.sent(items.Watch) == [("inbox-own", items.Watch([(ANN, [WEB])]))]

    bench.shown()
    bench.tell(ANN, peer=HOME)
    assert bench.shown() == []
    bench.tell(ANN, peer="inbox-own")
    assert bench.shown() == [({ANN: []}, [me])]


def test_who_was_refused_is_asked_for_until_somebody_has_her() -> None:
    """The other side may know an older placement than this one."""
    bench = Bench()
    bench.hub.watch(bench.connect(), [ANN], [])
    for second in range(3):
        assert bench.sent(items.Watch) == [(HOME, items.Watch([(ANN, None)]))]
        bench.hear(items.WatchEnded([ANN], 1))
        bench.hub.tick(float(second))
        bench.hub.tick(second + 0.1)


def test_what_is_never_answered_is_said_again() -> None:
    """Its handling may have failed there."""
    bench = Bench()
    bench.hub.tick(0.0)
    bench.hub.watch(bench.connect(), [ANN], [])
    bench.sent()
    for second in range(int(RETRY_SECONDS)):
        bench.hub.tick(float(second))
    assert bench.sent(items.Watch) == []
    for second in range(int(RETRY_SECONDS), 3 * int(RETRY_SECONDS)):
        bench.hub.tick(float(second))
    assert next(item for _, item in bench.sent(items.Watch)) == items.Watch([(ANN, None)])


def test_reconnects_leave_nothing_behind() -> None:
    """Memory stays flat however often clients come and go, known users or not."""
    bench = Bench()
    watches = bench.hub.watches
    for round_number in range(20):
        me = bench.connect(IOS, background=bool(round_number % 2))
        bench.hub.watch(me, [ANN, FAR, BEN], [])
        bench.hub.watches.wait([ANN, FAR, BEN], "answer")
        bench.tell(ANN, round_number)
        bench.tell(ANN)
        bench.hear(items.WatchEnded([FAR], 1))
        bench.hub.close(me)
        bench.hub.tick(float(round_number))
    left = [watches._users, watches._watched_by, watches._due, watches._asked, watches._asked_before]
    assert [len(one) for one in [*left, watches._refused, watches._quiet, watches]] == [0] * 8
    assert bench.hub._quiet_since_ms == {}


# --- the background


def test_what_was_missed_in_the_background_is_told_afterwards() -> None:
    """An iOS app hears no changes there, and then where everybody is now whose state has changed."""
    bench = Bench()
    me, other = bench.connect(IOS), bench.connect(IOS)
    for connection in (me, other):
        bench.hub.watch(connection, [ANN, NEIGHBOUR], [])
    bench.tell(ANN)
    bench.tell(NEIGHBOUR)
    bench.hub.set_background(me, START_MS, background=True)
    bench.tell(ANN, WEB)
    bench.tell(ANN, IOS)
    assert bench.shown() == [({ANN: [WEB]}, [other]), ({ANN: [IOS]}, [other])]

    bench.hub.set_background(me, START_MS, background=False)
    assert bench.shown() == [({ANN: [IOS]}, [me])]


def test_the_inbox_learns_of_the_background_and_what_was_missed_there() -> None:
    """By a registration, which no break loses: also if the inbox dies between, it repairs from the moment the app went."""
    bench = Bench()
    me = bench.connect(IOS)
    home = PLACEMENT.inbox_of("me")
    bench.hub.set_background(me, START_MS, background=True)
    ((peer, went),) = bench.sent(items.Register)
    assert (peer, went.background, went.again, went.since_ms > START_MS) == (home, True, True, True)
    bench.hear(items.Reply(went.call), home)

    bench.hub.receive(home, [items.Heartbeat()], START_MS + 600_000)
    bench.hub.set_background(me, START_MS + 600_000, background=False)
    ((_, came),) = bench.sent(items.Register)
    assert (came.background, came.since_ms) == (False, START_MS - REPAIR_MARGIN_MS)
    bench.hub.link_reset(home, START_MS + 600_000)
    ((_, again),) = bench.sent(items.Register)
    assert (again.background, again.since_ms) == (False, START_MS - REPAIR_MARGIN_MS)


def test_on_other_platforms_the_flag_is_told_and_changes_nothing() -> None:
    """Only iOS stops apps in the background."""
    bench = Bench()
    me = bench.connect(WEB)
    bench.hub.watch(me, [ANN], [])
    bench.tell(ANN)
    bench.sent()
    bench.hub.set_background(me, START_MS, background=True)
    bench.hub.set_background(me, START_MS, background=True)
    assert [item.background for _, item in bench.sent(items.Register)] == [True]
    bench.tell(ANN, WEB)
    assert bench.shown() == [({ANN: [WEB]}, [me])]


def test_a_connection_that_begins_in_the_background_is_quiet() -> None:
    """The handshake says so."""
    bench = Bench()
    me = bench.connect(IOS, background=True)
    assert bench.hub.sessions[me].quiet
    assert not bench.hub.sessions[bench.connect(IOS)].quiet
