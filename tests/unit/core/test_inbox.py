"""One user's own view: deliveries, positions, devices."""

from __future__ import annotations

from openim_ray.core import items
from openim_ray.core.inboxes.inbox import DeviceSession, Inbox
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import StreamHead
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq, InboxPosition, InboxSeq
from openim_ray.ports import ConversationState

CHAT = ConversationID("si_alice_bob")


def head(max_seq: int, sent: int = 0) -> dict[ConversationID, StreamHead]:
    """Return what the store knows of the chat."""
    return {CHAT: StreamHead(CHAT, ConversationSeq(max_seq), max_seq, {"alice": sent})}


def fanout(seq: int, sender_id: str = "bob") -> items.Fanout:
    """Return a message of the chat, sent at the time that its seq says."""
    return items.Fanout(["alice"], CHAT, seq, sender_id, f"c{seq}", "", seq, b"")


def make_inbox(max_seq: int = 0, sent: int = 0, position: ReadPosition | None = None) -> Inbox:
    """Return alice's loaded inbox."""
    inbox = Inbox("alice", 3, 10, buffer_max=4)
    inbox.load([CHAT], {CHAT: position} if position else {}, head(max_seq, sent) if max_seq else {}, 0)
    return inbox


def state(inbox: Inbox) -> ConversationState:
    """Return the state of the chat."""
    return inbox.states()[CHAT]


def session(connection: int, platform_id: int, digest: str, accepted_ms: int) -> DeviceSession:
    """Return a device."""
    return DeviceSession("gateway-0", connection, platform_id, digest, 0, "go", accepted_ms, connection)


def test_what_is_delivered_during_a_load_counts() -> None:
    """Both are merged by maximum, whichever is newer."""
    early, late = Inbox("alice", 1, 0), Inbox("alice", 1, 0)
    early.deliver(fanout(3), 0)
    early.load([CHAT], {}, head(2), 0)
    late.deliver(fanout(3), 0)
    late.load([CHAT], {}, head(5), 0)

    assert (state(early).max_seq, state(late).max_seq) == (3, 5)


def test_own_messages_are_read() -> None:
    """From what is delivered and from what was stored before a crash."""
    inbox = make_inbox(4, sent=3)
    assert state(inbox).read_seq == 3

    inbox.deliver(fanout(5, "alice"), 0)

    assert state(inbox).read_seq == 5


def test_a_delivery_that_does_not_continue_shows_a_loss() -> None:
    """Also in a conversation that was not known."""
    inbox = make_inbox(4)

    assert inbox.continues(CHAT, 5)
    assert inbox.continues(CHAT, 4)
    assert not inbox.continues(CHAT, 6)
    assert inbox.continues("si_alice_carol", 1)
    assert not inbox.continues("si_alice_carol", 2)


def test_the_position_goes_on_across_owners() -> None:
    """A higher epoch beats any seq; within an epoch the count starts above what was given out."""
    inbox = make_inbox()
    inbox.deliver(fanout(1), 0)

    assert inbox.position == InboxPosition(3, InboxSeq(11))
    assert inbox.position < Inbox("alice", 4, 0).position


def test_a_read_mark_only_raises_and_counts_when_it_is_durable() -> None:
    """What is on its way is built upon, but not told."""
    inbox = make_inbox(9, position=ReadPosition(4))
    staged = inbox.stage_position(CHAT, 7, exact=False)
    assert staged == ReadPosition(7)
    assert inbox.stage_position(CHAT, 5, exact=False) == ReadPosition(7)
    assert state(inbox).read_seq == 4

    inbox.position_stored(CHAT, ReadPosition(7))

    assert state(inbox).read_seq == 7
    assert inbox.stage_position(CHAT, 6, exact=False) is None


def test_an_exact_position_may_lie_below_own_messages() -> None:
    """Until she writes again."""
    inbox = make_inbox(9, sent=8)
    lowered = inbox.stage_position(CHAT, 2, exact=True)
    assert lowered is not None
    inbox.position_stored(CHAT, lowered)
    assert state(inbox).read_seq == 2

    inbox.deliver(fanout(10, "alice"), 0)

    assert state(inbox).read_seq == 10


def test_a_later_load_does_not_take_positions_back() -> None:
    """It may be older than what was saved since."""
    inbox = make_inbox(9, position=ReadPosition(4))
    inbox.stage_position(CHAT, 7, exact=False)
    inbox.position_stored(CHAT, ReadPosition(7))

    inbox.load([CHAT], {CHAT: ReadPosition(4)}, head(9), 0)

    assert state(inbox).read_seq == 7


def test_a_position_above_what_is_known_is_cut_until_it_is() -> None:
    """A mark may come before the message that it is about."""
    inbox = make_inbox(3)
    inbox.position_stored(CHAT, ReadPosition(5))
    assert state(inbox).read_seq == 3

    inbox.deliver(fanout(4), 0)
    inbox.deliver(fanout(5), 0)

    assert state(inbox).read_seq == 5


def test_a_loss_is_as_old_as_the_delivery_not_as_the_message() -> None:
    """A store that was slow makes a message older than its delivery."""
    inbox = make_inbox(3)
    inbox.deliver(fanout(4), 900)

    assert inbox.maxima_since(800) == {CHAT: 4}
    assert inbox.maxima_since(901) == {}


def test_what_a_reload_finds_is_young() -> None:
    """It was missed just now, however old the message is."""
    inbox = make_inbox(3)
    assert inbox.maxima_since(100) == {}

    inbox.load([CHAT], {}, head(4), 900)

    assert inbox.maxima_since(800) == {CHAT: 4}


def test_a_later_login_ends_an_earlier_one_on_its_platform() -> None:
    """Whichever is registered first: after a restart they come in any order. The same token is no rival."""
    for order in ((0, 1), (1, 0)):
        inbox = make_inbox()
        logins = [session(1, 5, "old", 100), session(2, 5, "new", 200)]
        inbox.register(session(3, 1, "phone", 50), 1)
        kicked = [one.connection for index in order for one in inbox.register(logins[index], 1)]
        assert kicked == [1]
        assert [one.connection for one in inbox.sessions.values()] == [3, 2]

    inbox = make_inbox()
    inbox.register(session(1, 5, "same", 100), 1)
    assert inbox.register(session(2, 5, "same", 200), 1) == []


def test_only_conversations_that_are_asked_for_are_told() -> None:
    """Those that she has no part in are left out."""
    inbox = make_inbox(3)

    assert list(inbox.states([CHAT, "si_bob_carol"])) == [CHAT]


def test_description_counts_unread_and_names_devices() -> None:
    """What a script is shown."""
    inbox = make_inbox(5, sent=2)
    inbox.register(session(7, 5, "digest", 100), 1)

    described = inbox.describe()

    assert described["position"] == {"epoch": 3, "seq": 10}
    assert described["buffer"] == {"deliveries": 0, "limit": 4, "newest": []}
    assert described["conversations"] == [
        {"conversation_id": CHAT, "max_seq": 5, "read_seq": 2, "unread": 3, "newest_at_ms": 5}
    ]
    assert "digest" not in str(described)


def test_description_names_the_newest_deliveries() -> None:
    """As many as the buffer holds, each with its place in the inbox and in its conversation."""
    inbox = make_inbox()
    for seq in range(1, 7):
        inbox.deliver(fanout(seq), 0)

    buffer = inbox.describe()["buffer"]

    assert isinstance(buffer, dict)
    assert buffer["deliveries"] == 4
    assert buffer["newest"][0] == {"seq": 13, "conversation_id": CHAT, "conversation_seq": 3}
    assert buffer["newest"][-1] == {"seq": 16, "conversation_id": CHAT, "conversation_seq": 6}


def test_a_conversation_of_another_pair_is_none_of_hers() -> None:
    """A row of it may be left from a first message that was never stored: (a, b_c) and (a_b, c) make one id."""
    foreign = ConversationID("si_a_b_c")
    stream = ConversationID("n_a_b_c")
    heads = {one: StreamHead(one, ConversationSeq(3), 3, {}, ("a_b", "c")) for one in (foreign, stream)}
    hers, others = Inbox("b_c", 1, 0), Inbox("c", 1, 0)

    hers.load([foreign, stream], {}, heads, 0)
    others.load([foreign, stream], {}, heads, 0)

    assert hers.states() == {}
    assert {one: state.max_seq for one, state in others.states().items()} == {foreign: 3, stream: 3}
