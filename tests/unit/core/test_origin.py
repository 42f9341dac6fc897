"""Conversations after a restore: numbers go on later, and what was skipped counts nowhere as a message."""

from __future__ import annotations

from openim_ray.core.gateway.session import ClientKind, Session, Verdict
from openim_ray.core.inboxes.inbox import Inbox
from openim_ray.core.items import Fanout
from openim_ray.core.logs.conversation_log import ConversationLog, Waiter
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import Draft, LogState, StreamHead
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq, SeqRange, given, is_skipped, skipped_above

CHAT = ConversationID("si_alice_bob")
ORIGIN = 10_000


def test_skipped_seqs_are_counted_above_a_seq() -> None:
    """Both ends belong to a range."""
    skipped = (SeqRange(4, 6), SeqRange(9, 10))
    assert [skipped_above(seq, skipped) for seq in (0, 3, 4, 5, 6, 8, 9, 10)] == [5, 5, 4, 3, 2, 2, 1, 0]
    assert [seq for seq in range(12) if is_skipped(seq, skipped)] == [4, 5, 6, 9, 10]


def test_the_other_seqs_are_told_from_them() -> None:
    """Whatever part is asked for, in as few pieces as can be."""
    skipped = (SeqRange(4, 6), SeqRange(9, 10))
    for first in range(1, 13):
        for last in range(first - 1, 13):
            pieces = list(given(first, last, skipped))
            seqs = [seq for piece in pieces for seq in range(piece.first, piece.last + 1)]
            assert seqs == [seq for seq in range(first, last + 1) if not is_skipped(seq, skipped)]
    assert list(given(1, 12, skipped)) == [(1, 3), (7, 8), (11, 12)]


def draft(client: str) -> Draft:
    """Return a message on its way into the log."""
    return Draft(CHAT, UserID("alice"), ClientMessageID(client), ServerMessageID(client), 101, True, "", b"")


def numbered(log: ConversationLog) -> list[int]:
    """Return the seqs that the next write gives."""
    log.claim_participants(("alice", "bob"))
    log.rows_ensured = True
    assert log.stage(draft("one"), Waiter("gateway", 1, is_submit=True))
    assert log.stage(draft("two"), Waiter("gateway", 2, is_submit=True))
    write = log.take_write(1, 0)
    assert write is not None
    return [row.seq for row in write.rows]


def test_a_new_stream_begins_behind_the_origin() -> None:
    """In a log that was never written as in one that has another stream."""
    log = ConversationLog("alice_bob", "p", origin=ORIGIN)
    log.load(None)
    assert numbered(log) == [ORIGIN + 1, ORIGIN + 2]
    stream = ConversationID("n_alice_bob")
    log = ConversationLog("alice_bob", "p", origin=ORIGIN)
    log.load(LogState((), {stream: StreamHead(stream, ConversationSeq(7), 0, {})}, {}, ()))
    assert numbered(log) == [ORIGIN + 1, ORIGIN + 2]


def inbox_with(head: StreamHead | None, position: ReadPosition | None = None) -> Inbox:
    """Return a loaded inbox."""
    inbox = Inbox("bob", 1, 0)
    positions = {CHAT: position} if position is not None else {}
    inbox.load([CHAT], positions, {CHAT: head} if head else {}, 0)
    return inbox


def unread(inbox: Inbox) -> int:
    """Return what clients count."""
    return inbox.states()[CHAT].unread


def deliver(inbox: Inbox, seq: int) -> None:
    """Let a message of somebody else arrive."""
    inbox.deliver(Fanout(["bob"], CHAT, seq, "alice", f"c{seq}", "", 0, b""), 0)


def test_skipped_seqs_are_never_unread() -> None:
    """Wherever the position stands: only messages above it count."""
    head = StreamHead(CHAT, ConversationSeq(10 + ORIGIN), 0, {}, (), skipped=(SeqRange(11, 10 + ORIGIN),))
    for read, expected in ((0, 10), (4, 6), (10, 0), (500, 0), (10 + ORIGIN, 0)):
        inbox = inbox_with(head, ReadPosition(read))
        assert unread(inbox) == expected
        deliver(inbox, 11 + ORIGIN)
        deliver(inbox, 12 + ORIGIN)
        assert unread(inbox) == expected + 2


def test_the_first_message_behind_the_origin_counts_once() -> None:
    """Also before the store has told what lies below it, and if it tells of a stream that it does not know yet."""
    inbox = inbox_with(None)
    deliver(inbox, ORIGIN + 1)
    assert unread(inbox) == 1
    inbox.load([CHAT], {}, {}, 0)
    assert unread(inbox) == 1
    head = StreamHead(CHAT, ConversationSeq(ORIGIN + 1), 0, {}, (), skipped=(SeqRange(1, ORIGIN),))
    inbox.load([CHAT], {}, {CHAT: head}, 0)
    assert unread(inbox) == 1


def test_messages_that_were_missed_count_as_soon_as_the_store_tells() -> None:
    """Of a conversation whose first deliveries were lost, not restored, everything is unread."""
    inbox = inbox_with(None)
    deliver(inbox, 5)
    inbox.load([CHAT], {}, {CHAT: StreamHead(CHAT, ConversationSeq(5), 0, {})}, 0)
    assert unread(inbox) == 5


def session_after_sync(origin: int, maxima: dict[str, int]) -> Session:
    """Return a session of a client that synced first."""
    session = Session(1, "bob", ClientKind.JS, origin)
    session.registered()
    session.states_asked()
    session.synced(maxima)
    while session.holding:
        session.release()
    return session


def test_a_new_conversation_begins_on_the_wire_behind_the_origin() -> None:
    """For a client whose sync did not name it, or named it as empty: no gap is read, which would be too long."""
    for maxima in ({}, {CHAT: 0}):
        session = session_after_sync(ORIGIN, maxima)
        assert session.deliver(CHAT, ORIGIN + 1, "alice", "c") is Verdict.WRITE
        assert session.deliver(CHAT, ORIGIN + 2, "alice", "d") is Verdict.WRITE
    assert session_after_sync(0, {}).deliver(CHAT, 2, "alice", "c") is Verdict.READ
