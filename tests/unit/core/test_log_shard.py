"""The conversation logs of a shard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openim_ray.core import items
from openim_ray.core.logs import log_shard as log_shard_module
from openim_ray.core.logs.log_shard import LogShard
from openim_ray.core.logs.passing_on import ToInboxes
from openim_ray.core.shard_loads import EnsureRows, LoadFacts, LoadLog
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain import errors
from openim_ray.domain.conversation import ReceiveOption
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import LogState, StreamHead
from openim_ray.domain.people import SingleChatFacts
from openim_ray.domain.sequence import ConversationSeq

CHAT, STREAM = ConversationID("si_alice_bob"), ConversationID("n_alice_bob")
BLOCKED = SingleChatFacts(
    receiver_exists=True,
    blocked_by_receiver=True,
    receiver_global_option=0,
    receiver_conversation_option=0,
    sender_is_system=False,
)
ALLOWED = replace(BLOCKED, blocked_by_receiver=False)
WALL_MS = 1_800_000_000_000


class Shard:
    """
    A log shard whose stores are played by the test.
    """

    def __init__(self, settings: ShardSettings | None = None) -> None:
        self.outbox = Outbox(0)
        self.passed_on: list[ToInboxes] = []
        self.logs = LogShard(self.outbox, {}, ("persistence-0",), settings or ShardSettings(), self.passed_on.append)

    def use(self, *receiver_ids: str) -> None:
        """Let alice try to write to each of them, in order."""
        for receiver_id in receiver_ids:
            submit = items.Submit(1, f"si_alice_{receiver_id}", "alice", receiver_id, "m", "s", 101, "op", b"")
            self.logs.submit("gateway-0", submit, 0.0, WALL_MS)

    def loads(self) -> list[str]:
        """Return the keys of the logs that are to be read."""
        return [load.home_key for load in self.outbox.take_loads() if isinstance(load, LoadLog)]

    def load(self, max_seq: int) -> None:
        """Let the chat of alice and bob, and its notifications, be there with so many messages."""
        heads = {key: StreamHead(key, ConversationSeq(max_seq), WALL_MS, {"alice": max_seq}) for key in (CHAT, STREAM)}
        self.logs.log_loaded("alice_bob", LogState(("alice", "bob"), heads, {}, ()), 0.0, WALL_MS)

    def answers(self) -> list[items.AnyItem]:
        """Return what was sent to the gateway."""
        return [item for peer, item in self.outbox.take_items() if peer == "gateway-0"]


def mark(conversation_id: str, has_read_seq: int, *seqs: int) -> items.MarkRead:
    """Return what bob says he has read."""
    return items.MarkRead(7, "bob", conversation_id, has_read_seq, list(seqs), "op", "command")


def test_notifications_can_not_be_marked_as_read() -> None:
    """Their seqs would be taken for seqs of the chat: what is not even written yet would count as read."""
    shard = Shard()
    shard.logs.mark_read("gateway-0", mark(STREAM, 3), 0.0, WALL_MS)
    shard.load(3)
    assert [(item.call, item.code) for item in shard.answers() if isinstance(item, items.Reply)] == [
        (7, errors.RecordNotFound.code)
    ]


def test_the_least_recently_used_logs_are_given_back() -> None:
    """Beyond the limit, and only those that nothing waits for; they are read again when they are used."""
    shard = Shard(ShardSettings(logs_max=2))
    names = ("bob", "carol", "dave")
    shard.use(*names)
    for key in shard.loads():
        shard.logs.log_loaded(key, None, 0.0, WALL_MS)
    for name in names:
        shard.logs.facts_loaded("alice", name, BLOCKED, 0.0, WALL_MS)
    shard.use("bob")

    shard.logs.tick(0.0)
    shard.use(*names)

    assert shard.loads() == ["alice_carol"]


def test_requests_with_too_many_bytes_do_not_wait_for_the_stores() -> None:
    """They are refused as temporary; what went on makes room again."""
    shard = Shard(ShardSettings(waiting_bytes_max=5_000))
    marks = [items.MarkRead(call, "bob", CHAT, 1, list(range(200)), "op", f"command {call}") for call in range(4)]
    for one in marks:
        shard.logs.mark_read("gateway-0", one, 0.0, WALL_MS)
    assert [(item.call, item.code) for item in shard.answers() if isinstance(item, items.Reply)] == [
        (2, errors.Overloaded.code),
        (3, errors.Overloaded.code),
    ]

    shard.load(0)
    shard.answers()
    submits = [items.Submit(call, CHAT, "alice", "bob", f"c{call}", "s", 101, "op", b"x" * 2_000) for call in range(4)]
    for submit in submits:
        shard.logs.submit("gateway-0", submit, 0.0, WALL_MS)

    assert [item.call for item in shard.answers() if isinstance(item, items.Reply)] == [2, 3]


def test_large_writes_are_said_again_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once they would fill the queue of the link, which would begin anew, for ever."""
    monkeypatch.setattr(log_shard_module, "REPEAT_BYTES_AT_ONCE", 3_000)
    shard = Shard()
    names = ("bob", "carol", "dave")
    for name in names:
        submit = items.Submit(1, f"si_alice_{name}", "alice", name, "m", "s", 101, "op", b"x" * 1_000)
        shard.logs.submit("gateway-0", submit, 0.0, WALL_MS)
    for key in shard.loads():
        shard.logs.log_loaded(key, None, 0.0, WALL_MS)
    for name in names:
        shard.logs.facts_loaded("alice", name, ALLOWED, 0.0, WALL_MS)
    shard.logs.flush(WALL_MS)
    for name in names:
        shard.logs.rows_ensured(EnsureRows(f"alice_{name}", ("alice", name)))
    shard.logs.flush(WALL_MS)
    assert len(shard.outbox.take_items()) == 3

    shard.logs.repeat_writes("persistence-0")

    shard.logs.tick(0.0)
    assert [type(item) for _, item in shard.outbox.take_items()] == [items.StoreLog] * 2
    shard.logs.tick(0.1)
    assert [type(item) for _, item in shard.outbox.take_items()] == [items.StoreLog]


def test_messages_go_on_while_who_may_write_to_whom_can_not_be_read() -> None:
    """
    What was known decides: at first when reading it anew has failed, then at once. What was never known is waited for.

    The order of a sender's messages stays; as soon as it can be read again, what is read decides.
    """
    shard = Shard()

    def submit(call: int, receiver: str, now: float) -> None:
        one = items.Submit(call, f"si_alice_{receiver}", "alice", receiver, f"m{call}", "s", 101, "op", b"")
        shard.logs.submit("gateway-0", one, now, WALL_MS)

    def stored() -> list[str]:
        shard.logs.flush(WALL_MS)
        shard.logs.rows_ensured(EnsureRows("alice_bob", ("alice", "bob")))
        shard.logs.flush(WALL_MS)
        written = [item for _, item in shard.outbox.take_items() if isinstance(item, items.StoreLog)]
        for item in written:
            shard.logs.stored(items.StoredLog(item.call, "stored", {}), 0.0)
        return [row.client_id for item in written for row in item.rows]

    submit(1, "bob", 0.0)
    submit(3, "carol", 0.0)
    for key in shard.loads():
        shard.logs.log_loaded(key, None, 0.0, WALL_MS)
    shard.logs.facts_loaded("alice", "bob", ALLOWED, 0.0, WALL_MS)
    assert stored() == ["m1"]

    submit(2, "bob", 20.0)
    assert stored() == []
    for receiver in ("bob", "carol"):
        shard.logs.load_failed(LoadFacts("alice", receiver), 20.0)
    submit(4, "bob", 20.0)
    assert stored() == ["m2", "m4"]
    shard.outbox.take_loads()
    submit(5, "bob", 40.0)
    assert stored() == ["m5"]
    assert [load for load in shard.outbox.take_loads() if isinstance(load, LoadFacts)] == [LoadFacts("alice", "bob")]

    shard.logs.facts_loaded("alice", "bob", BLOCKED, 41.0, WALL_MS)
    submit(6, "bob", 41.0)
    assert stored() == []


def test_a_change_of_what_she_receives_counts_from_the_next_message_on() -> None:
    """Also for a message that waits for facts which were read before the change."""
    shard = Shard()

    def write(call: int) -> list[LoadFacts]:
        text = items.Submit(call, CHAT, "alice", "bob", f"c{call}", "s", 101, "op", b"", False)
        shard.logs.submit("gateway-0", text, 0.0, WALL_MS)
        return [load for load in shard.outbox.take_loads() if isinstance(load, LoadFacts)]

    def learn(option: ReceiveOption) -> list[int]:
        facts = replace(ALLOWED, receiver_global_option=option)
        shard.logs.facts_loaded("alice", "bob", facts, 0.0, WALL_MS)
        return [item.code for item in shard.answers() if isinstance(item, items.Reply)]

    write(1)
    shard.load(0)
    shard.outbox.take_loads()
    assert learn(ReceiveOption.RECEIVE) == []
    assert write(2) == [], "what was read is remembered"

    shard.logs.forget_receiver("bob")
    assert write(3) == [LoadFacts("alice", "bob")]
    shard.logs.forget_receiver("bob")
    assert learn(ReceiveOption.RECEIVE) == [], "these may be older than the change"
    assert [load for load in shard.outbox.take_loads() if isinstance(load, LoadFacts)] == [LoadFacts("alice", "bob")]
    assert learn(ReceiveOption.REFUSE) == [errors.ArgsError("").code]


def test_what_a_notification_account_writes_goes_to_the_receiver_only() -> None:
    """Stored or for who is online: to nobody else, and not before her row is there. A receiver who has blocked the account gets it."""
    shard = Shard()
    stored, online = [
        items.Submit(call, "sn_bob_news", "news", "bob", f"m{call}", "s", 1400, "op", b"", is_stored)
        for call, is_stored in ((1, True), (2, False))
    ]
    for submit in (stored, online):
        shard.logs.submit("gateway-0", submit, 0.0, WALL_MS)
    (key,) = shard.loads()
    shard.logs.log_loaded(key, None, 0.0, WALL_MS)
    shard.logs.facts_loaded("news", "bob", replace(BLOCKED, sender_is_system=True), 0.0, WALL_MS)
    shard.logs.flush(WALL_MS)
    (ensured,) = [load for load in shard.outbox.take_loads() if isinstance(load, EnsureRows)]
    assert (ensured.is_chat, ensured.notified) == (False, ("bob",))
    shard.logs.rows_ensured(ensured)
    shard.logs.flush(WALL_MS)
    (write,) = [item for _, item in shard.outbox.take_items() if isinstance(item, items.StoreLog)]
    shard.logs.stored(items.StoredLog(write.call, "stored", {}), 0.0)

    assert [(one.user_ids, one.seq) for one in shard.passed_on if isinstance(one, items.Fanout)] == [
        (["bob"], 0),
        (["bob"], 1),
    ]


def fail(*_arguments: object) -> None:
    """Play a fault of ours."""
    raise ValueError("a secret")


def test_a_fault_in_a_request_that_waited_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """They waited for the same log, or for the same facts."""
    shard = Shard()
    submits = [items.Submit(call, CHAT, "alice", "bob", f"c{call}", "s", 101, "op", b"", False) for call in range(2)]
    shard.logs.mark_read("gateway-0", mark(CHAT, 3), 0.0, WALL_MS)
    for item in submits:
        shard.logs.submit("gateway-0", item, 0.0, WALL_MS)
    monkeypatch.setattr(shard.logs, "mark_read", fail)
    shard.load(3)
    monkeypatch.setattr(shard.logs, "_pass_on", fail)

    shard.logs.facts_loaded("alice", "bob", ALLOWED, 0.0, WALL_MS)

    assert [(item.call, item.code) for item in shard.answers() if isinstance(item, items.Reply)] == [
        (7, 500),
        (0, 500),
        (1, 500),
    ]
    assert [one.what for one in shard.outbox.failures.take()] == ["MarkRead", "Submit", "Submit"]
