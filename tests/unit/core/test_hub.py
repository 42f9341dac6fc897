"""A gateway's sessions and requests, and what it does when an actor behind it dies."""

from __future__ import annotations

from typing import Any

import pytest

from openim_ray.core import items
from openim_ray.core.gateway import hub as hub_module
from openim_ray.core.gateway.hub import Close, Completed, Device, Hub, KickOut, Push, ReadRun
from openim_ray.core.gateway.session import ClientKind, Run, Session
from openim_ray.core.placement import Placement
from openim_ray.core.repair import REPAIR_MARGIN_MS
from openim_ray.domain import errors

SHARDS = ("inbox-0", "inbox-1")
PLACEMENT = Placement(epoch=1, shards=SHARDS)
START_MS = 1_000_000
CHAT = "si_alice_bob"
LOG_HOME = PLACEMENT.log_of("alice_bob")
ALICE_HOME = PLACEMENT.inbox_of("alice")


class Gateway:
    """
    A hub with connections of alice.
    """

    def __init__(self, repeats_at_once: int = 1_000, pending_max: int = 100, pending_bytes_max: int = 1 << 20) -> None:
        self.hub = Hub(
            PLACEMENT,
            ("persistence-0",),
            "gateway#1",
            pending_max=pending_max,
            pending_bytes_max=pending_bytes_max,
            repeats_at_once=repeats_at_once,
        )

    def connect(self) -> Session:
        """Open a connection and let it be registered."""
        session = Session(self.hub.next_connection(), "alice", ClientKind.GO)
        self.hub.open(session, Device(1, "digest", 0, START_MS), "opened", 10.0)
        (register,) = self.left(items.Register)
        self.hear(items.Reply(register.call, value=b""))
        self.effects()
        return session

    def hear(self, *batch: items.AnyItem, peer: str = ALICE_HOME, wall_ms: int = START_MS) -> None:
        """Let items arrive."""
        self.hub.receive(peer, batch, wall_ms)

    def send(self, session: Session, client_id: str, *, stored: bool = True) -> None:
        """Send a message of a connection."""
        self.hub.send(
            session.connection,
            lambda call: items.Submit(call, CHAT, "alice", "bob", client_id, "s", 101, "", b"", stored),
            client_id,
            8.0,
        )

    def left(self, kind: type[Any] = items.Item) -> list[Any]:
        """Return items of a kind that left since the last time."""
        return [item for _, item in self.hub.take_items() if isinstance(item, kind)]

    def effects(self) -> list[object]:
        """Return what is to be done."""
        return list(self.hub.take_effects())


def delivery(session: Session, seq: int, client_id: str = "x", sender_id: str = "bob") -> items.Delivery:
    """Return a message for one connection."""
    return items.Delivery(CHAT, seq, sender_id, client_id, "op", b"body", [session.connection])


def test_numbers_of_two_incarnations_differ() -> None:
    """An answer or a push that was meant for a process that died must mean nothing to its successor."""
    one, other = Hub(PLACEMENT, (), "gateway#1"), Hub(PLACEMENT, (), "gateway#2")

    assert one.next_connection() != other.next_connection()
    assert 0 < one.next_connection() < 1 << 63


def test_the_answer_is_written_before_its_echo_in_one_batch() -> None:
    """Effects are performed in the order in which they are left behind."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.hear(delivery(session, 1))
    gateway.send(session, "c1")
    (submit,) = gateway.left(items.Submit)

    gateway.hear(items.Accepted(submit.call, 2, "s", 5), delivery(session, 2, "c1", "alice"))

    first, completed, echo = gateway.effects()
    assert isinstance(first, Push)
    assert isinstance(completed, Completed)
    assert completed.context == "c1"
    assert isinstance(echo, Push)


def test_an_echo_that_is_too_early_is_read_after_the_answer() -> None:
    """It came another way than the answer."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.hear(delivery(session, 1))
    gateway.send(session, "c1")
    (submit,) = gateway.left(items.Submit)
    gateway.effects()

    gateway.hear(delivery(session, 2, "c1", "alice"))
    assert gateway.effects() == []
    gateway.hear(items.Accepted(submit.call, 2, "s", 5))

    completed, read = gateway.effects()
    assert isinstance(completed, Completed)
    assert read == ReadRun(Run(CHAT, 2, 2))


def test_who_came_to_a_group_is_repaired_from_the_message_that_says_so() -> None:
    """A Go client that has nothing of a group pulls ten at most by itself."""
    gateway = Gateway()
    session = gateway.connect()

    gateway.hear(items.Repair(session.connection, {"sg_g": 25}, {}, {"sg_g": 3}))

    assert gateway.effects() == [ReadRun(Run("sg_g", 3, 25))]


def test_who_came_to_a_group_begins_with_the_message_that_says_so_and_not_with_the_first_push() -> None:
    """The pushes between were lost, or went to the inbox while it was read again."""
    gateway = Gateway()
    session = gateway.connect()

    gateway.hear(items.Delivery("sg_g", 5, "bob", "c5", "op", b"body", [session.connection], 3))

    assert gateway.effects() == [ReadRun(Run("sg_g", 3, 5))]


def test_a_run_is_read_once_for_all_sessions_that_lack_it() -> None:
    """One read per gateway and run."""
    gateway = Gateway()
    one, other = gateway.connect(), gateway.connect()
    for session in (one, other):
        gateway.hear(delivery(session, 1), delivery(session, 3))

    assert [effect for effect in gateway.effects() if isinstance(effect, ReadRun)] == [ReadRun(Run(CHAT, 2, 3))]
    gateway.hub.run_failed(Run(CHAT, 2, 3))
    assert [effect.connection for effect in gateway.effects() if isinstance(effect, Close)] == [
        one.connection,
        other.connection,
    ]


def test_after_a_break_sessions_register_again_until_it_is_confirmed() -> None:
    """With the time of the last word from there; a second break does not make it later."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.hear(items.Heartbeat(), wall_ms=START_MS + 500)

    gateway.hub.link_reset(ALICE_HOME, START_MS + 900)
    (first,) = gateway.left(items.Register)
    gateway.hear(items.Heartbeat(), wall_ms=START_MS + 1_000)
    gateway.hub.link_reset(ALICE_HOME, START_MS + 2_000)
    (second,) = gateway.left(items.Register)

    assert (first.connection, first.again, first.since_ms) == (
        session.connection,
        True,
        START_MS + 500 - REPAIR_MARGIN_MS,
    )
    assert second.since_ms == first.since_ms
    gateway.hear(items.Reply(second.call), wall_ms=START_MS + 3_000)
    gateway.hub.link_reset(ALICE_HOME, START_MS + 4_000)
    (third,) = gateway.left(items.Register)
    assert third.since_ms == START_MS + 3_000 - REPAIR_MARGIN_MS


def test_a_first_registration_is_confirmed_after_a_break_too() -> None:
    """Its answer may come from before the break, and the inbox has forgotten it since."""
    gateway = Gateway()
    session = Session(gateway.hub.next_connection(), "alice", ClientKind.GO)
    gateway.hub.open(session, Device(1, "digest", 0, START_MS), "opened", 10.0)
    (first,) = gateway.left(items.Register)

    gateway.hub.link_reset(ALICE_HOME, START_MS)
    gateway.hear(items.Reply(first.call))
    gateway.hub.tick(1.0)

    assert any(item.again and item.connection == session.connection for item in gateway.left(items.Register))


def test_a_refused_registration_is_tried_again() -> None:
    """A session that nobody knows of would be silent for ever."""
    gateway = Gateway()
    gateway.connect()
    gateway.hub.link_reset(ALICE_HOME, START_MS)
    (again,) = gateway.left(items.Register)

    gateway.hear(items.Reply(again.call, errors.Overloaded.code))

    gateway.hub.tick(1.0)
    assert gateway.left(items.Register) == []
    gateway.hub.tick(1.1)
    (retried,) = gateway.left(items.Register)
    assert retried.connection == again.connection


def test_a_lease_that_ran_out_makes_sessions_register_again() -> None:
    """A gateway that stalled learns that it was taken for dead."""
    gateway = Gateway()
    gateway.connect()
    gateway.left()

    gateway.hear(items.Expired(START_MS - 5), wall_ms=START_MS + 9)
    gateway.hub.tick(1.0)

    (again,) = gateway.left(items.Register)
    assert again.since_ms == START_MS - 5 - REPAIR_MARGIN_MS


def test_unanswered_requests_are_said_again_in_order_and_paced() -> None:
    """New ones wait behind them: the messages of a sender stay in order."""
    gateway = Gateway(repeats_at_once=2)
    session = gateway.connect()
    for client_id in ("c1", "c2", "c3"):
        gateway.send(session, client_id)
    gateway.left()

    gateway.hub.link_reset(LOG_HOME, START_MS)
    gateway.send(session, "c4")
    assert [item.client_id for item in gateway.left(items.Submit)] == ["c1", "c2"]
    gateway.hub.link_reset(LOG_HOME, START_MS)
    gateway.hub.tick(0.1)
    gateway.hub.tick(0.2)

    assert [item.client_id for item in gateway.left(items.Submit)] == ["c1", "c2", "c3", "c4"]


def test_requests_whose_time_is_over_take_nobodys_turn() -> None:
    """Many that wait to be said again and end meanwhile must not keep back those that somebody still waits for."""
    gateway = Gateway(repeats_at_once=1)
    session = gateway.connect()
    for number in range(10):
        gateway.send(session, f"old{number}")
    gateway.left()
    gateway.hub.link_reset(LOG_HOME, START_MS)
    gateway.hub.tick(100.0)  # all of them have waited too long
    gateway.left()

    gateway.send(session, "new")
    gateway.hub.tick(100.05)

    assert [item.client_id for item in gateway.left(items.Submit)] == ["new"]


def test_a_message_that_is_not_stored_is_not_repeated() -> None:
    """Nobody remembers it, so it could be seen twice; unless it surely was not handled."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.send(session, "typing", stored=False)
    gateway.left()

    gateway.hub.link_reset(LOG_HOME, START_MS)

    (completed,) = gateway.effects()
    assert isinstance(completed, Completed)
    assert isinstance(completed.error, errors.Unavailable)
    assert gateway.left(items.Submit) == []


def test_what_was_refused_as_moved_is_said_again() -> None:
    """Also what is not stored: it was not handled. A newer placement is asked for."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.send(session, "typing", stored=False)
    (submit,) = gateway.left(items.Submit)

    gateway.hear(items.Moved(submit.call, 7), peer=LOG_HOME)
    gateway.hub.tick(1.0)
    gateway.hub.tick(1.1)

    assert gateway.hub.placement_wanted == 7
    assert gateway.left(items.Submit) == [submit]


def test_a_move_registers_and_asks_at_the_new_home() -> None:
    """What is unanswered and whose session it is."""
    gateway = Gateway()
    gateway.connect()
    gateway.hub.ask_inbox("alice", lambda call: items.AskStates(call, "alice"), "states", 8.0)
    gateway.hub.take_items()

    gateway.hub.place(Placement(epoch=2, shards=SHARDS, dedicated={"alice": "inbox-alice"}), START_MS)

    sent = [(peer, type(item)) for peer, item in gateway.hub.take_items()]
    assert sorted(sent, key=str) == sorted([("inbox-alice", items.Register), ("inbox-alice", items.AskStates)], key=str)


def test_requests_end_in_time() -> None:
    """With an error that says: try again. A late answer is ignored."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.send(session, "c1")
    (submit,) = gateway.left(items.Submit)

    gateway.hub.tick(8.0)
    (completed,) = gateway.effects()
    gateway.hear(items.Accepted(submit.call, 1, "s", 5))

    assert isinstance(completed, Completed)
    assert completed.error is not None
    assert completed.error.temporary
    assert gateway.effects() == []


def test_clients_of_a_gateway_that_stood_still_come_back() -> None:
    """They may have given up what they had asked, and would not ask again."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.hub.tick(0.0)
    gateway.hub.tick(8.0)
    assert gateway.effects() == []

    gateway.hub.tick(17.0)

    assert gateway.effects() == [Close(session.connection, "gateway stood still")]


def test_too_many_requests_are_refused() -> None:
    """At once, as temporary."""
    gateway = Gateway(pending_max=1)
    session = gateway.connect()
    gateway.send(session, "c1")
    gateway.send(session, "c2")

    (completed,) = gateway.effects()
    assert isinstance(completed, Completed)
    assert isinstance(completed.error, errors.Overloaded)


def test_a_registration_that_succeeds_too_late_is_undone() -> None:
    """Its connection is gone; nobody would ever end it."""
    gateway = Gateway()
    session = Session(gateway.hub.next_connection(), "alice", ClientKind.GO)
    gateway.hub.open(session, Device(1, "digest", 0, START_MS), "opened", 10.0)
    gateway.hub.close(session.connection)
    register, _ = gateway.left()

    gateway.hear(items.Reply(register.call))

    assert gateway.left() == [items.Unregister("alice", session.connection)]


def test_a_kick_and_a_delivery_to_a_connection_that_is_gone() -> None:
    """The one is passed on, the other dropped."""
    gateway = Gateway()
    session = gateway.connect()
    gateway.hub.close(session.connection)

    gateway.hear(delivery(session, 1), items.Kick([session.connection]))

    assert gateway.effects() == [KickOut(session.connection)]


def test_everybody_behind_it_is_beaten() -> None:
    """A link that is never used does not show that its other end has died."""
    gateway = Gateway()
    gateway.hub.tick(0.0)

    beats = [peer for peer, item in gateway.hub.take_items() if isinstance(item, items.Heartbeat)]

    assert beats == ["inbox-0", "inbox-1", "persistence-0"]


def test_requests_with_too_many_bytes_are_refused() -> None:
    """As temporary, until some are answered."""
    gateway = Gateway(pending_bytes_max=3_000)
    for call in range(4):
        gateway.hub.ask_inbox("alice", lambda number: items.AskStates(number, "alice", ["c" * 1_000]), call, 8.0)
    refused = gateway.effects()
    assert [(one.context, type(one.error)) for one in refused if isinstance(one, Completed)] == [
        (2, errors.Overloaded),
        (3, errors.Overloaded),
    ]

    first, _ = gateway.left(items.AskStates)
    gateway.hear(items.Reply(first.call))
    gateway.effects()
    gateway.hub.ask_inbox("alice", lambda number: items.AskStates(number, "alice", ["c" * 1_000]), 4, 8.0)

    assert gateway.effects() == []


def test_large_requests_are_said_again_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once they would fill the queue of the link, which would begin anew, for ever."""
    monkeypatch.setattr(hub_module, "REPEAT_BYTES_AT_ONCE", 3_000)
    gateway = Gateway()
    for call in range(3):
        gateway.hub.ask_inbox("alice", lambda number: items.AskStates(number, "alice", ["c" * 1_000]), call, 8.0)
    asked = gateway.left(items.AskStates)

    gateway.hub.link_reset(ALICE_HOME, START_MS)

    assert gateway.left(items.AskStates) == asked[:2]
    gateway.hub.tick(0.0)
    assert gateway.left(items.AskStates) == asked[2:]


def fail(*_arguments: object) -> None:
    """Play a fault of ours."""
    raise ValueError("a secret")


def test_a_fault_in_an_item_leaves_its_neighbours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who misses a push is closed, and syncs; what came with it is handled."""
    gateway = Gateway()
    broken, healthy = gateway.connect(), gateway.connect()
    monkeypatch.setattr(broken, "deliver", fail)

    gateway.hear(delivery(broken, 1), delivery(healthy, 1))

    closed, pushed = gateway.effects()
    assert closed == Close(broken.connection, "internal error")
    assert isinstance(pushed, Push)
    assert [one.what for one in gateway.hub.failures.take()] == ["Delivery"]


def test_who_waits_for_an_answer_whose_handling_failed_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when the deadline is over."""
    gateway = Gateway()
    gateway.hub.ask_inbox("alice", lambda number: items.AskStates(number, "alice"), "states", 8.0)
    (asked,) = gateway.left(items.AskStates)
    monkeypatch.setattr(gateway.hub, "_complete", fail)

    gateway.hear(items.Reply(asked.call))

    (completed,) = gateway.effects()
    assert isinstance(completed, Completed)
    assert (completed.context, str(completed.error)) == ("states", "500 ServerInternalError: internal error")


def test_a_fault_after_a_break_does_not_keep_requests_from_being_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their deadline would be what ends them."""
    gateway = Gateway()
    gateway.hub.ask_inbox("alice", lambda number: items.AskStates(number, "alice"), "states", 8.0)
    asked = gateway.left(items.AskStates)
    monkeypatch.setattr(gateway.hub, "_register_all", fail)

    gateway.hub.link_reset(ALICE_HOME, START_MS)

    assert gateway.left(items.AskStates) == asked
