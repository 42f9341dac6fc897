"""Who is online, as a shard tells the gateways that watch (OpenIM wire, §1.7, §3.9)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from openim_ray.core import items
from openim_ray.core.inboxes import presence as presence_module
from openim_ray.core.inboxes.presence import LINGER_SECONDS, SETTLE_SECONDS
from openim_ray.core.placement import Placement
from openim_ray.core.shard import Shard
from openim_ray.core.shard_loads import LoadInbox
from openim_ray.core.shard_settings import ShardSettings

PLACEMENT = Placement(epoch=2, shards=("inbox-0", "inbox-1"))
NAMES = [f"user{number}" for number in range(20)]
HERE = [name for name in NAMES if PLACEMENT.inbox_of(name) == "inbox-0"]
ELSEWHERE = [name for name in NAMES if PLACEMENT.inbox_of(name) != "inbox-0"]
ALICE, BOB = HERE[:2]
WALL_MS = 1_800_000_000_000
WEB, IOS = 5, 1


class Bench:
    """
    A shard whose connections have had time to come, and its gateways.
    """

    def __init__(self, *, young: bool = False) -> None:
        epochs = dict.fromkeys(PLACEMENT.partitions_of("inbox-0"), 1)
        self.shard = Shard("inbox-0", PLACEMENT, epochs, ("persistence-0",), ShardSettings(), 0.0, incarnation="first")
        self.now = 0.0
        self._call = 0
        if not young:
            self.later(SETTLE_SECONDS)

    def later(self, seconds: float = 0.1) -> None:
        """Let time pass, and the shard do what is due; its gateways live."""
        self.now += seconds
        for gateway in ("gateway-0", "gateway-1"):
            self.hear(items.Heartbeat(), gateway)
        self.shard.tick(self.now, WALL_MS)

    def hear(self, item: items.AnyItem, gateway: str = "gateway-0") -> None:
        """Let an item of a gateway arrive."""
        self.shard.receive(gateway, [item], self.now, WALL_MS)

    def login(
        self, user_id: str, connection: int, platform_id: int = WEB, gateway: str = "gateway-0", **more: Any
    ) -> None:
        """Register a connection; the inbox is in memory."""
        self._call += 1
        token = f"token {connection}"
        self.hear(
            items.Register(self._call, user_id, connection, platform_id, token, 1 << 40, "go", WALL_MS, 1, **more),
            gateway,
        )
        inbox = self.shard.inboxes.find(user_id)
        assert inbox is not None
        if not inbox.loaded:
            self.shard.inboxes.inbox_loaded(user_id, [], {}, {}, self.now, WALL_MS)

    def logout(self, user_id: str, connection: int, gateway: str = "gateway-0") -> None:
        """Let a connection be gone."""
        self.hear(items.Unregister(user_id, connection), gateway)

    def watch(self, *user_ids: str, gateway: str = "gateway-1", shown: list[int] | None = None) -> None:
        """Let a gateway watch users."""
        self.hear(items.Watch([(user_id, shown) for user_id in user_ids]), gateway)

    def told(self) -> list[tuple[str, list[tuple[str, list[int]]]]]:
        """Return what gateways were told since the last time."""
        sent = self.shard.outbox.take_items()
        return [(gateway, item.states) for gateway, item in sent if isinstance(item, items.Presences)]

    def sent(self, kind: type[Any]) -> list[Any]:
        """Return the items of a kind that left since the last time."""
        return [item for _, item in self.shard.outbox.take_items() if isinstance(item, kind)]


def test_a_watcher_is_answered_and_told_each_change() -> None:
    """Where a user is at once, and then whenever that becomes something else."""
    bench = Bench()
    bench.login(ALICE, 1)
    bench.watch(ALICE, BOB)
    assert bench.told() == [("gateway-1", [(ALICE, [WEB]), (BOB, [])])]

    bench.login(ALICE, 2, IOS)
    bench.login(BOB, 3)
    bench.later()
    assert bench.told() == [("gateway-1", [(ALICE, [IOS, WEB]), (BOB, [WEB])])]

    bench.logout(ALICE, 1)
    bench.later(0.1)
    bench.later(LINGER_SECONDS)
    assert bench.told() == [("gateway-1", [(ALICE, [IOS])])]


def test_who_comes_back_at_once_was_never_gone() -> None:
    """A client that changes networks costs those who watch it nothing."""
    bench = Bench()
    bench.login(ALICE, 1)
    bench.watch(ALICE)
    bench.told()

    bench.logout(ALICE, 1)
    bench.later(LINGER_SECONDS / 2)
    bench.login(ALICE, 2)
    bench.later(LINGER_SECONDS)
    bench.later(LINGER_SECONDS)

    assert bench.told() == []


def test_a_second_connection_on_a_platform_changes_nothing() -> None:
    """It is the set of platforms that is watched; the last connection ends it."""
    bench = Bench()
    bench.shard.inboxes._settings = ShardSettings(multi_login_policy=0)
    bench.login(ALICE, 1)
    bench.login(ALICE, 2)
    bench.watch(ALICE)
    bench.told()

    bench.logout(ALICE, 1)
    bench.later(2 * LINGER_SECONDS)
    bench.later(2 * LINGER_SECONDS)
    assert bench.told() == []

    bench.logout(ALICE, 2)
    bench.later()
    bench.later(LINGER_SECONDS)
    assert bench.told() == [("gateway-1", [(ALICE, [])])]


def test_who_begins_to_watch_hears_what_the_others_were_told() -> None:
    """A user who leaves is shown to all of them or to none: who was told that she is gone must hear that she is back."""
    bench = Bench()
    bench.login(ALICE, 1)
    bench.watch(ALICE)
    bench.logout(ALICE, 1)
    bench.told()

    bench.watch(ALICE, gateway="gateway-0")
    assert bench.told() == [("gateway-0", [(ALICE, [WEB])])]
    bench.later(LINGER_SECONDS)

    assert sorted(bench.told()) == [("gateway-0", [(ALICE, [])]), ("gateway-1", [(ALICE, [])])]


def test_a_change_that_one_is_answered_with_is_told_to_the_others() -> None:
    """Who asks at that moment must not take it away from them."""
    bench = Bench()
    bench.watch(ALICE)
    bench.login(ALICE, 1)
    bench.told()
    bench.watch(ALICE, gateway="gateway-0")
    assert bench.told() == [("gateway-0", [(ALICE, [WEB])])]
    bench.later()
    assert bench.told() == [("gateway-1", [(ALICE, [WEB])])]


def test_watching_loads_no_inbox() -> None:
    """People who are not there cost an entry, so that a list of ids can't fill the memory with inboxes."""
    bench = Bench()
    bench.watch(*HERE)
    assert [load for load in bench.shard.outbox.take_loads() if isinstance(load, LoadInbox)] == []
    assert list(bench.shard.inboxes.active()) == []
    assert len(bench.shard.inboxes.presence) == len(HERE)

    bench.hear(items.Unwatch(HERE), "gateway-1")
    assert len(bench.shard.inboxes.presence) == 0


def test_who_is_kicked_or_logged_out_is_offline() -> None:
    """Every way in which a connection ends counts."""
    bench = Bench()
    bench.login(ALICE, 1)
    bench.watch(ALICE)
    bench.told()

    bench.hear(items.ForceLogout(9, ALICE, WEB))
    bench.later()
    bench.later(LINGER_SECONDS)

    assert bench.told() == [("gateway-1", [(ALICE, [])])]


def test_a_login_that_waits_for_its_inbox_counts() -> None:
    """She is there before her conversations are read."""
    bench = Bench()
    bench.watch(ALICE)
    bench.told()

    bench.hear(items.Register(1, ALICE, 1, WEB, "token", 1 << 40, "go", WALL_MS, 1))
    bench.later()

    assert bench.told() == [("gateway-1", [(ALICE, [WEB])])]


# --- crashes


def test_after_a_start_nobody_is_called_offline_too_early() -> None:
    """Gateways take a moment to register their connections again; what they were shown before holds until then."""
    bench = Bench(young=True)
    bench.watch(ALICE, BOB, shown=[WEB])
    assert bench.told() == [("gateway-1", [(ALICE, [WEB]), (BOB, [WEB])])]

    bench.login(ALICE, 1, again=True)
    bench.later(SETTLE_SECONDS / 2)
    assert bench.told() == []

    bench.later(SETTLE_SECONDS / 2)
    assert bench.told() == [("gateway-1", [(BOB, [])])]


def test_a_first_question_to_a_shard_that_has_just_started_is_answered_when_it_knows() -> None:
    """At once of those who have come already, of the others when their time to come is over."""
    bench = Bench(young=True)
    bench.login(ALICE, 1)
    bench.watch(ALICE, BOB)
    assert bench.told() == [("gateway-1", [(ALICE, [WEB])])]

    bench.later(SETTLE_SECONDS / 2)
    assert bench.told() == []
    bench.later(SETTLE_SECONDS / 2)
    assert bench.told() == [("gateway-1", [(BOB, [])])]


def test_gateways_that_were_shown_different_things_agree_in_the_end() -> None:
    """One of them may have missed a change in the crash."""
    bench = Bench(young=True)
    bench.watch(ALICE, shown=[])
    bench.watch(ALICE, shown=[WEB], gateway="gateway-0")
    bench.later()
    bench.told()

    bench.later(SETTLE_SECONDS)

    assert sorted(bench.told()) == [("gateway-0", [(ALICE, [])]), ("gateway-1", [(ALICE, [])])]


def test_a_gateway_that_is_silent_watches_no_more_and_is_told_so() -> None:
    """Its lease ends its watches as it ends its sessions; if it lives it asks anew."""
    bench = Bench()
    bench.watch(ALICE)
    bench.told()

    bench.shard.tick(bench.now + ShardSettings().lease_seconds + 1.0, WALL_MS)

    assert [item.connections for item in bench.sent(items.Expired)] == [None]
    assert len(bench.shard.inboxes.presence) == 0


def test_users_of_a_gateway_that_dies_have_time_to_come_back() -> None:
    """They all connect again; who doesn't is shown as gone after that."""
    bench = Bench()
    bench.login(ALICE, 1)
    bench.login(BOB, 2)
    bench.watch(ALICE, BOB)
    bench.told()

    bench.shard.link_reset("gateway-0", bench.now, WALL_MS)
    bench.later()
    bench.login(ALICE, 3)
    bench.later(SETTLE_SECONDS / 2)
    assert bench.told() == []

    bench.later(SETTLE_SECONDS)
    assert bench.told() == [("gateway-1", [(BOB, [])])]


def test_users_who_live_elsewhere_are_named() -> None:
    """The gateway asks there; the others are answered."""
    bench = Bench()
    bench.watch(ALICE, ELSEWHERE[0])
    sent = bench.shard.outbox.take_items()
    assert ("gateway-1", items.WatchEnded([ELSEWHERE[0]], 2)) in sent
    assert ("gateway-1", items.Presences([(ALICE, [])])) in sent


def test_watches_of_an_inbox_that_moves_end() -> None:
    """Who misses the move and the move back would watch nobody."""
    bench = Bench()
    bench.watch(ALICE, BOB)
    bench.told()

    bench.shard.place(Placement(epoch=3, shards=PLACEMENT.shards, dedicated={ALICE: "inbox-own"}), {})

    assert bench.sent(items.WatchEnded) == [items.WatchEnded([ALICE], 3)]
    assert len(bench.shard.inboxes.presence) == 1


def test_who_moves_here_has_time_to_come_and_the_others_are_not_concerned() -> None:
    """Her connections are registered again in a moment; inboxes come and go all the time where each active one has an actor of its own."""
    bench = Bench()
    bench.login(BOB, 2)
    bench.watch(BOB)
    bench.shard.place(Placement(epoch=3, shards=PLACEMENT.shards), {f"user:{ALICE}": 5})
    bench.watch(ALICE, shown=[WEB])
    bench.logout(BOB, 2)
    bench.told()

    bench.later()
    bench.later(LINGER_SECONDS)
    assert bench.told() == [("gateway-1", [(BOB, [])])]
    bench.hear(items.AskPresence(7, [ALICE, BOB]))
    (reply,) = bench.sent(items.Reply)
    assert list(msgspec.msgpack.decode(reply.value, type=items.PresenceAnswer).devices) == [BOB]

    bench.later(SETTLE_SECONDS)
    assert bench.told() == [("gateway-1", [(ALICE, [])])]
    assert bench.shard.inboxes.presence._settling == {}


# --- questions


def test_devices_are_told_to_who_asks() -> None:
    """All connections of all users who live here; of who lives elsewhere nothing, so that it is asked again."""
    bench = Bench()
    bench.login(ALICE, 1, IOS, background=True)
    bench.login(ALICE, 2)
    bench.shard.outbox.take_items()
    bench.hear(items.AskPresence(7, [ALICE, BOB, ELSEWHERE[0]]))

    (reply,) = bench.sent(items.Reply)
    assert reply.call == 7
    assert msgspec.msgpack.decode(reply.value, type=items.PresenceAnswer) == items.PresenceAnswer(
        2,
        {
            ALICE: [
                items.PresentDevice(IOS, "gateway-0", 1, True, "token 1"),
                items.PresentDevice(WEB, "gateway-0", 2, False, "token 2"),
            ],
            BOB: [],
        },
    )


def test_a_young_shard_says_nothing_of_who_may_be_about_to_come() -> None:
    """The broker asks again."""
    bench = Bench(young=True)
    bench.login(ALICE, 1)
    bench.shard.outbox.take_items()
    bench.hear(items.AskPresence(7, [ALICE, BOB]))
    (reply,) = bench.sent(items.Reply)
    assert list(msgspec.msgpack.decode(reply.value, type=items.PresenceAnswer).devices) == [ALICE]


def test_the_older_subscription_reaches_all_connections_of_the_user() -> None:
    """Wherever they are; who has none is answered all the same."""
    bench = Bench()
    bench.login(ALICE, 1, IOS)
    bench.login(ALICE, 2, gateway="gateway-1")
    bench.shard.outbox.take_items()
    bench.hear(items.Subscribe(7, ALICE, ["x"], []))
    sent = bench.shard.outbox.take_items()
    assert sent == [
        ("gateway-0", items.Subscribed([1], ["x"], [])),
        ("gateway-1", items.Subscribed([2], ["x"], [])),
        ("gateway-0", items.Reply(7)),
    ]


# --- cost


def test_what_happens_between_two_ticks_is_one_item_per_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many users and however often; only very many make more than one."""
    bench = Bench()
    bench.watch(*HERE)
    bench.told()
    for user_id in HERE:
        bench.login(user_id, 1)
        bench.logout(user_id, 1)
        bench.login(user_id, 1)
    bench.later()
    ((gateway, states),) = bench.told()
    assert (gateway, len(states)) == ("gateway-1", len(HERE))

    monkeypatch.setattr(presence_module, "STATES_PER_ITEM", 2)
    bench.watch(*HERE[:5])
    assert [len(states) for _, states in bench.told()] == [2, 2, 1]


def test_reconnects_leave_nothing_behind() -> None:
    """Memory stays flat however often clients come and go."""
    bench = Bench()
    bench.watch(ALICE)
    presence = bench.shard.inboxes.presence
    for connection in range(1, 200):
        bench.login(ALICE, connection)
        bench.later()
        bench.logout(ALICE, connection)
        bench.later()
    bench.later(2 * LINGER_SECONDS)
    assert (len(presence), len(presence._due), len(presence._changed)) == (1, 0, 0)
    assert presence._watched[ALICE].leaving == {}


# --- the background


def test_an_ios_app_in_the_background_is_pushed_nothing() -> None:
    """Nothing is sent its way at all; the user's other devices get it, and it still counts as there."""
    bench = Bench()
    bench.login(ALICE, 1, IOS, background=True)
    bench.login(ALICE, 2, WEB, background=True)
    bench.shard.outbox.take_items()
    fanout = items.Fanout([ALICE], "si_x", 1, "bob", "c1", "op", WALL_MS, b"body")

    bench.hear(fanout, "inbox-1")
    (delivery,) = bench.sent(items.Delivery)
    assert delivery.connections == [2]

    bench.watch(ALICE)
    assert bench.told() == [("gateway-1", [(ALICE, [IOS, WEB])])]


def test_who_comes_back_from_the_background_is_repaired_before_anything_else() -> None:
    """The max seqs of what it may have missed leave before the next delivery."""
    bench = Bench()
    bench.login(ALICE, 1, IOS, background=True)
    for seq in (1, 2):
        bench.hear(items.Fanout([ALICE], "si_x", seq, "bob", f"c{seq}", "op", WALL_MS, b"body"), "inbox-1")
    bench.shard.outbox.take_items()

    bench.login(ALICE, 1, IOS, again=True, since_ms=WALL_MS)
    bench.hear(items.Fanout([ALICE], "si_x", 3, "bob", "c3", "op", WALL_MS, b"body"), "inbox-1")

    sent = [item for _, item in bench.shard.outbox.take_items() if isinstance(item, items.Repair | items.Delivery)]
    assert [type(item) for item in sent] == [items.Repair, items.Delivery]
    assert sent[0].maxima == {"si_x": 2}
