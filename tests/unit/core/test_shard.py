"""A shard among its peers."""

from __future__ import annotations

import pytest

from openim_ray.core import items
from openim_ray.core.inboxes import inbox_shard as inbox_shard_module
from openim_ray.core.inboxes.inbox_shard import InboxShard
from openim_ray.core.placement import Placement
from openim_ray.core.shard import Shard
from openim_ray.core.shard_loads import LoadInbox
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import StreamHead
from openim_ray.domain.sequence import ConversationSeq

PLACEMENT = Placement(epoch=2, shards=("inbox-0", "inbox-1"), dedicated={"carol": "inbox-carol", "dave": "inbox-dave"})
WALL_MS = 1_800_000_000_000


def make_shard(name: str) -> Shard:
    """Return a shard that was just started."""
    epochs = dict.fromkeys(PLACEMENT.partitions_of(name), 1)
    return Shard(name, PLACEMENT, epochs, ("persistence-0",), ShardSettings(), 0.0, incarnation="first")


def beaten(shard: Shard) -> list[str]:
    """Return to whom it says that it lives."""
    shard.tick(0.0, WALL_MS)
    return sorted(peer for peer, item in shard.outbox.take_items() if isinstance(item, items.Heartbeat))


def test_a_shard_with_logs_beats_to_everybody() -> None:
    """Whom it delivers to must notice when it dies with deliveries unsent."""
    assert beaten(make_shard("inbox-0")) == ["inbox-1", "inbox-carol", "inbox-dave", "persistence-0"]


def test_a_dedicated_shard_beats_to_the_stores_only() -> None:
    """It delivers to nobody; with an actor for each active user, everybody would beat to everybody."""
    assert beaten(make_shard("inbox-carol")) == ["persistence-0"]


def test_inboxes_look_at_the_stores_again_after_a_break_with_who_delivers() -> None:
    """A break with a dedicated actor, which owns no logs, can't have lost a delivery."""
    shard = make_shard("inbox-0")
    user_id = next(name for name in ("alice", "bob", "eve", "frank") if PLACEMENT.inbox_of(name) == "inbox-0")
    shard.receive("gateway-0", [items.AskStates(1, user_id)], 0.0, WALL_MS)
    shard.inboxes.inbox_loaded(user_id, [], {}, {}, 0.0, WALL_MS)
    shard.receive("gateway-0", [items.Register(2, user_id, 1, 1, "digest", 1 << 40, "go", WALL_MS, 1)], 0.0, WALL_MS)
    shard.outbox.take_loads()

    shard.link_reset("inbox-carol", 1.0, WALL_MS)
    assert shard.outbox.take_loads() == []
    shard.link_reset("inbox-1", 1.0, WALL_MS)
    assert shard.outbox.take_loads() == [LoadInbox(user_id)]


def test_sessions_of_an_inbox_that_moves_are_told() -> None:
    """A gateway that misses the move and the move back would find nothing changed, and they would be silent."""
    shard = make_shard("inbox-0")
    user_id = next(name for name in ("alice", "bob", "eve", "frank") if PLACEMENT.inbox_of(name) == "inbox-0")
    register = items.Register(1, user_id, 7, 1, "digest", 0, "go", WALL_MS, 1)
    shard.receive("gateway-0", [register, items.AskStates(2, user_id)], 1.0, WALL_MS)
    shard.outbox.take_items()

    away = Placement(epoch=3, shards=PLACEMENT.shards, dedicated={**PLACEMENT.dedicated, user_id: "inbox-own"})
    shard.place(away, {})

    assert shard.outbox.take_items() == [
        ("gateway-0", items.Expired(WALL_MS, [7], 3)),
        ("gateway-0", items.Moved(1, 3)),
        ("gateway-0", items.Moved(2, 3)),
    ]


LOCAL = next(name for name in ("alice", "bob", "eve", "frank") if PLACEMENT.inbox_of(name) == "inbox-0")


def fail(*_arguments: object, **_more: object) -> None:
    """Play a fault of ours."""
    raise ValueError("a secret")


def loaded(shard: Shard) -> None:
    """Let the inbox of a local user be active, with a device."""
    shard.receive("gateway-0", [items.Register(1, LOCAL, 7, 1, "digest", 0, "go", WALL_MS, 1)], 0.0, WALL_MS)
    shard.inboxes.inbox_loaded(LOCAL, [], {}, {}, 0.0, WALL_MS)
    shard.outbox.take_items()
    shard.outbox.take_loads()


def test_a_fault_in_a_request_leaves_its_neighbours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked hears of an internal error at once, and what came with it is handled."""
    shard = make_shard("inbox-0")
    loaded(shard)
    monkeypatch.setattr(shard.inboxes, "_tell_states", fail)

    shard.receive("gateway-0", [items.AskStates(1, LOCAL), items.ForceLogout(2, LOCAL, 9)], 0.0, WALL_MS)

    replies = [item for _, item in shard.outbox.take_items() if isinstance(item, items.Reply)]
    assert [(one.call, one.code, one.detail) for one in replies] == [(1, 500, "internal error"), (2, 0, "")]
    assert [(one.what, one.error) for one in shard.outbox.failures.take()] == [("AskStates", "ValueError")]


def test_a_fault_in_a_request_that_waited_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They waited for the same load."""
    shard = make_shard("inbox-0")
    monkeypatch.setattr(shard.inboxes, "_tell_states", fail)
    shard.receive("gateway-0", [items.AskStates(1, LOCAL), items.ForceLogout(2, LOCAL, 9)], 0.0, WALL_MS)

    shard.inboxes.inbox_loaded(LOCAL, [], {}, {}, 0.0, WALL_MS)

    replies = [item for _, item in shard.outbox.take_items() if isinstance(item, items.Reply)]
    assert [(one.call, one.code) for one in replies] == [(1, 500), (2, 0)]


def test_a_delivery_that_failed_is_looked_for_in_the_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the user would hear of the message only with the next one."""
    shard = make_shard("inbox-0")
    loaded(shard)
    monkeypatch.setattr(shard.inboxes, "deliver", fail)

    shard.receive("inbox-1", [items.Fanout([LOCAL], "si_a_b", 1, "a", "c", "op", WALL_MS, b"")], 0.0, WALL_MS)
    shard.tick(0.1, WALL_MS)

    assert LoadInbox(LOCAL) in shard.outbox.take_loads()


def test_a_fault_after_a_break_does_not_keep_the_rest_from_being_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose outcome nobody asks for again would block its conversation for ever."""
    shard = make_shard("inbox-0")
    repeated: list[str] = []
    monkeypatch.setattr(shard.inboxes, "drop_sessions_of", fail)
    monkeypatch.setattr(shard.logs, "repeat_writes", repeated.append)

    shard.link_reset("persistence-0", 0.0, WALL_MS)

    assert repeated == ["persistence-0"]
    assert [one.what for one in shard.outbox.failures.take()] == ["sessions after a link reset"]


def test_an_inbox_that_comes_back_is_not_read_before_its_position_is_saved() -> None:
    """Its move was given up: what was read earlier would take the position back, although it is answered."""
    chat = ConversationID("si_a_b")
    shard = make_shard("inbox-0")
    shard.receive("gateway-0", [items.AskStates(1, LOCAL)], 0.0, WALL_MS)
    head = StreamHead(chat, ConversationSeq(9), WALL_MS, {})
    shard.inboxes.inbox_loaded(LOCAL, [chat], {}, {chat: head}, 0.0, WALL_MS)
    mark = items.SetPosition(2, LOCAL, chat, 7, exact=False, operation_id="op", notify=False)
    shard.receive("gateway-0", [mark], 0.0, WALL_MS)
    (save,) = [item for _, item in shard.outbox.take_items() if isinstance(item, items.SavePositions)]
    shard.outbox.take_loads()

    away = Placement(epoch=3, shards=PLACEMENT.shards, dedicated={**PLACEMENT.dedicated, LOCAL: "inbox-own"})
    shard.place(away, {})
    assert shard.saves_for_others
    shard.place(Placement(epoch=4, shards=PLACEMENT.shards, dedicated=PLACEMENT.dedicated), {f"user:{LOCAL}": 2})
    shard.receive("gateway-0", [items.AskStates(3, LOCAL)], 0.0, WALL_MS)
    assert shard.outbox.take_loads() == []

    shard.receive("persistence-0", [items.Reply(save.call)], 0.0, WALL_MS)

    assert LoadInbox(LOCAL) in shard.outbox.take_loads()


def test_an_inbox_that_comes_back_takes_nothing_that_was_read_before() -> None:
    """A read that was under way when it left says nothing of the position that was saved since."""
    chat = ConversationID("si_a_b")
    shard = make_shard("inbox-0")
    shard.receive("gateway-0", [items.AskStates(1, LOCAL)], 0.0, WALL_MS)
    head = StreamHead(chat, ConversationSeq(9), WALL_MS, {})
    shard.inboxes.inbox_loaded(LOCAL, [chat], {}, {chat: head}, 0.0, WALL_MS)
    shard.link_reset("inbox-1", 0.0, WALL_MS)
    mark = items.SetPosition(2, LOCAL, chat, 7, exact=False, operation_id="op", notify=False)
    shard.receive("gateway-0", [mark], 0.0, WALL_MS)
    (save,) = [item for _, item in shard.outbox.take_items() if isinstance(item, items.SavePositions)]
    away = Placement(epoch=3, shards=PLACEMENT.shards, dedicated={**PLACEMENT.dedicated, LOCAL: "inbox-own"})
    shard.place(away, {})
    shard.place(Placement(epoch=4, shards=PLACEMENT.shards, dedicated=PLACEMENT.dedicated), {f"user:{LOCAL}": 2})
    shard.receive("gateway-0", [items.AskStates(3, LOCAL)], 0.0, WALL_MS)
    shard.outbox.take_loads()

    shard.inboxes.inbox_loaded(LOCAL, [chat], {}, {chat: head}, 0.0, WALL_MS)
    assert shard.outbox.take_loads() == []
    shard.receive("persistence-0", [items.Reply(save.call)], 0.0, WALL_MS)

    assert LoadInbox(LOCAL) in shard.outbox.take_loads()


def test_idle_inboxes_are_given_back_though_only_some_are_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """In turn: those with a device, which stay, must not hide the others."""
    monkeypatch.setattr(inbox_shard_module, "LOOKED_AT_ONCE", 2)
    shard = InboxShard("inbox-0", Outbox(0), {}, ("persistence-0",), ShardSettings(), 0.0)
    for number in range(6):
        user_id = f"user-{number}"
        shard.activate(user_id, "7", 0.0)
        shard.inbox_loaded(user_id, [], {}, {}, 0.0, WALL_MS)
        if number < 4:
            shard.request(
                "gateway-0", items.Register(number, user_id, number, 1, "d", 0, "go", 0, 1), "7", 0.0, WALL_MS
            )

    left = []
    for _ in range(3):
        shard.give_back_idle(1_000.0)
        left.append(len(list(shard.active())))

    assert left == [6, 6, 4]


def test_a_silent_gateway_is_told_once_that_its_sessions_are_over() -> None:
    """Not every second; one that had none is told nothing."""
    shard = make_shard("inbox-0")
    loaded(shard)
    shard.receive("gateway-1", [items.Heartbeat()], 0.0, WALL_MS)
    told: list[tuple[str, items.AnyItem]] = []
    for now in (16.0, 18.0):
        shard.tick(now, WALL_MS)
        told += [one for one in shard.outbox.take_items() if isinstance(one[1], items.Expired)]

    assert told == [("gateway-0", items.Expired(WALL_MS))]
