"""Who cleared a conversation: what her inbox shows, and what her devices are written, from then on."""

from __future__ import annotations

import random

import pytest

from openim_ray.core import items
from openim_ray.core.effects import Effect
from openim_ray.core.gateway.session import ClientKind, Session, Verdict
from openim_ray.core.inboxes.inbox import RowCut
from openim_ray.core.inboxes.inbox_shard import InboxShard
from openim_ray.core.shard_loads import LoadInbox
from openim_ray.core.shard_outbox import Outbox
from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import StreamHead
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq
from tests.unit.core.test_effects import Owner

CHAT, WALL_MS = ConversationID("si_ann_bob"), 1_800_000_000_000
PAIR = ("ann", "bob")


class Bob:
    """
    The inbox of bob, who has a device; ann writes to him.
    """

    def __init__(self, max_seq: int, read: ReadPosition | None = None) -> None:
        self.outbox = Outbox(0)
        self.shard = InboxShard("inbox-0", self.outbox, {}, ("persistence-0",), ShardSettings(), 0.0)
        self.max_seq = max_seq
        self._read = read or ReadPosition()
        register = items.Register(1, "bob", 7, 1, "token", 0, "go", WALL_MS, 1)
        self.shard.request("gateway-0", register, "0", 0.0, WALL_MS)

    def load(self, first: int = 0) -> None:
        """Answer what the stores know."""
        heads = {CHAT: StreamHead(CHAT, ConversationSeq(self.max_seq), WALL_MS, {"ann": self.max_seq}, PAIR)}
        cuts = {CHAT: RowCut(first, 0)} if first else {}
        self.shard.inbox_loaded("bob", [CHAT], {CHAT: self._read}, heads, 0.0, WALL_MS, cuts)

    def clear(self, first: int) -> list[items.AnyItem]:
        """Let the log say that bob has cleared the chat; returns what his gateway hears."""
        self.take()
        self.shard.tell_rows_changed(items.RowsChanged(["bob"], CHAT, "op", "command", first), WALL_MS)
        return self.take()

    def say(self, seq: int, sender_id: str = "ann") -> list[items.AnyItem]:
        """Let the log pass a message on."""
        self.max_seq = max(seq, self.max_seq)
        fanout = items.Fanout([*PAIR], CHAT, seq, sender_id, f"m{seq}", "op", WALL_MS, b"")
        self.shard.deliver(fanout, ["bob"], 0.0, WALL_MS)
        return self.take()

    def take(self) -> list[items.AnyItem]:
        """Return and forget what was sent to the gateway."""
        return [item for peer, item in self.outbox.take_items() if peer == "gateway-0"]

    @property
    def state(self) -> tuple[int, int, int]:
        """Return first and newest seq that he may see, and what is unread."""
        inbox = self.shard.find("bob")
        assert inbox is not None
        state = inbox.states()[CHAT]
        return (state.min_seq, state.max_seq, state.unread)


def test_after_a_clear_nothing_is_unread_and_then_one_more_per_message() -> None:
    """The newest seq stays what it is; the same after a new start, with what the row says."""
    bob = Bob(4)
    bob.load()
    assert bob.state == (1, 4, 4)
    repair, told = bob.clear(5)
    assert repair == items.Repair(7, {CHAT: 4}, {CHAT: 5}, {CHAT: 5})
    assert isinstance(told, items.Delivery)
    assert (bob.state, told.conversation_id) == ((5, 4, 0), "n_bob_bob")
    for seq, unread in ((5, 1), (6, 2)):
        assert len(bob.say(seq)) == 1
        assert bob.state == (5, seq, unread)

    again = Bob(6)
    again.load(first=5)
    assert again.state == (5, 6, 2)


def test_what_was_on_its_way_when_it_was_cleared_is_not_pushed() -> None:
    """It counts, for what follows it is no loss then."""
    bob = Bob(4)
    bob.load()
    bob.max_seq = 6
    bob.clear(7)
    assert bob.say(6) == []
    assert bob.state == (7, 6, 0)
    assert len(bob.say(7)) == 1
    assert bob.state == (7, 7, 1)
    assert [load for load in bob.outbox.take_loads() if isinstance(load, LoadInbox)] == [LoadInbox("bob")], "at first"


def test_an_inbox_that_is_read_while_he_clears_is_read_again() -> None:
    """Its row may have been read before the commit."""
    bob = Bob(4)
    bob.clear(5)
    bob.outbox.take_loads()
    bob.load()
    assert bob.outbox.take_loads() == [LoadInbox("bob")]
    bob.load(first=5)
    assert bob.state == (5, 4, 0)


def test_one_that_looks_for_what_it_missed_while_he_clears_is_read_again() -> None:
    """What is being read for it may be older than the clear."""
    bob = Bob(4)
    bob.load()
    bob.outbox.take_loads()
    bob.say(6)
    assert bob.outbox.take_loads() == [LoadInbox("bob")]
    bob.clear(7)
    bob.load()
    assert bob.outbox.take_loads() == [LoadInbox("bob")]
    bob.load(first=7)
    assert bob.state == (7, 6, 0)


def test_a_chat_that_is_not_known_here_yet_is_looked_for() -> None:
    """Its first message is on its way still."""
    bob = Bob(1)
    bob.shard.inbox_loaded("bob", [], {}, {}, 0.0, WALL_MS)
    bob.outbox.take_loads()
    bob.clear(2)
    assert bob.outbox.take_loads() == [LoadInbox("bob")]
    bob.load(first=2)
    assert bob.state == (2, 1, 0)


def test_an_older_clear_that_is_said_late_lowers_nothing() -> None:
    """It was known from the row already."""
    bob = Bob(9)
    bob.load(first=8)
    bob.clear(5)
    assert bob.state == (8, 9, 2)


def test_whoever_read_set_or_wrote_what_0_le_unread_le_what_she_may_see() -> None:
    """Any order of messages, own ones too, marks, exact positions and clears; also after each the inbox is read anew."""
    chance = random.Random(20)
    for _ in range(200):
        bob = Bob(0)
        bob.load()
        inbox = bob.shard.find("bob")
        assert inbox is not None
        first, unread = 1, 0
        for _ in range(12):
            act = chance.choice(("message", "message", "own", "clear", "read", "exact"))
            if act in ("message", "own"):
                bob.say(bob.max_seq + 1, "bob" if act == "own" else "ann")
                unread = unread + 1 if act == "message" else 0
            elif act == "clear":
                first, unread = bob.max_seq + 1, 0
                bob.clear(first)
            elif bob.max_seq:
                seq = chance.randint(0, bob.max_seq)
                position = inbox.stage_position(CHAT, seq, exact=act == "exact")
                if position is not None:
                    inbox.position_stored(CHAT, position)
                most = bob.max_seq - max(seq, first - 1)
                unread = most if act == "exact" else min(unread, most)
            assert bob.state == (first, bob.max_seq, unread)


@pytest.mark.parametrize("kind", [ClientKind.GO, ClientKind.JS])
def test_a_device_is_written_nothing_that_was_held_for_it(kind: ClientKind) -> None:
    """Its app was in the background, or it was about to be given what it missed; from then on it gets what comes."""
    session = Session(7, "bob", kind)
    session.registered()
    session.states_asked()
    session.synced({CHAT: 2})
    while session.holding:
        session.release()
    session.deliver(CHAT, 3, "ann", "m3")
    session.fall_quiet()
    for seq in (4, 5):
        assert session.deliver(CHAT, seq, "ann", f"m{seq}") is Verdict.HOLD
    session.begin(CHAT, 6, hides=True)
    assert session.repair({CHAT: 5}, {CHAT: 6}) == []
    assert session.wake() == []
    assert session.deliver(CHAT, 6, "ann", "m6") is Verdict.WRITE


def test_inboxes_know_before_devices_are_told() -> None:
    """The log's owner passes on who cleared, then the 1703; nothing is appended, and it needs no log for that."""
    owner = Owner()
    owner.poke(7, "ann_bob")
    effect = Effect(
        client_id="c",
        operation_id="op",
        stream="n_bob_bob",
        notification=b"",
        cleared=["bob"],
        clears=CHAT,
        cut_at=5,
    )
    owner.read(effect)
    assert owner.passed_on == [items.RowsChanged(["bob"], CHAT, "op", "c", 5)]
    assert owner.writes == []
    assert owner.delete() == 1
    assert owner.replies == [items.Reply(7)]
