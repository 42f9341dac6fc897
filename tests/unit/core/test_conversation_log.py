"""Tests of the conversation log: numbering, de-duplication, unknown outcomes, conflicts."""

from __future__ import annotations

from openim_ray.core.logs.conversation_log import Committed, ConversationLog, Repeated, Waiter
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import Draft, LogState, LogWrite, MessageRef, Outcome, StreamHead, WriteResult
from openim_ray.domain.sequence import ConversationSeq

CHAT = ConversationID("si_a_b")
STORED = WriteResult(Outcome.STORED, {})


def draft(client_id: str, sender: str = "a") -> Draft:
    """A text of the chat."""
    return Draft(
        CHAT, UserID(sender), ClientMessageID(client_id), ServerMessageID(f"server {client_id}"), 101, True, "op", b""
    )


def waiter(call: int) -> Waiter:
    """A client that waits for the answer to a send."""
    return Waiter("gateway-0", call, is_submit=True)


def ready_log() -> ConversationLog:
    """A log that was never written, and may be."""
    log = ConversationLog("a_b", "7")
    log.load(None)
    log.claim_participants(("a", "b"))
    log.rows_ensured = True
    return log


def write_of(log: ConversationLog, wall_ms: int = 1_000) -> LogWrite:
    """The next write, which must be due."""
    write = log.take_write(3, wall_ms)
    assert write is not None
    return write


def test_what_arrives_during_a_write_forms_the_next_one() -> None:
    """One write is in flight at a time, and seqs go on densely."""
    log = ready_log()
    log.stage(draft("1"), waiter(1))
    first = write_of(log)
    log.stage(draft("2"), waiter(2))
    log.stage(draft("3"), waiter(3))

    assert log.take_write(3, 1_000) is None
    log.written(STORED)
    assert [row.seq for row in first.rows] == [1]
    assert [row.seq for row in write_of(log).rows] == [2, 3]


def test_nothing_is_committed_before_the_store_said_so() -> None:
    """A message is announced with its waiters only when its write is durable."""
    log = ready_log()
    log.stage(draft("1"), waiter(1))
    write_of(log)

    assert log.max_seq(CHAT) == 0
    done = log.written(STORED)
    assert [(one.message.seq, one.waiters) for one in done if isinstance(one, Committed)] == [(1, [waiter(1)])]
    assert log.max_seq(CHAT) == 1


def test_an_unknown_outcome_is_the_same_write_again() -> None:
    """Until the store answers, the write in flight keeps its rows and seqs."""
    log = ready_log()
    log.stage(draft("1"), waiter(1))
    write = write_of(log)
    log.stage(draft("2"), waiter(2))

    assert log.in_flight_write() == write
    assert log.take_write(3, 9_000) is None


def test_a_repetition_in_flight_shares_the_outcome() -> None:
    """The same clientMsgID sent twice gets one seq, and both senders hear of it."""
    log = ready_log()
    log.stage(draft("1"), waiter(1))
    write_of(log)
    log.stage(draft("1"), waiter(2))

    done = log.written(STORED)
    assert [one.waiters for one in done if isinstance(one, Committed)] == [[waiter(1), waiter(2)]]
    assert log.idle
    assert log.known(draft("1")) == MessageRef(ConversationSeq(1), ServerMessageID("server 1"), 1_000)


def test_a_duplicate_found_by_the_store_renumbers_the_rest() -> None:
    """Rows that stand in the log already are answered from it; the others get the seqs that follow."""
    log = ready_log()
    log.stage(draft("old"), waiter(1))
    log.stage(draft("new"), waiter(2))
    write_of(log)
    first = MessageRef(ConversationSeq(1), ServerMessageID("first"), 500)

    done = log.written(WriteResult(Outcome.DUPLICATE, {0: first}))
    assert done == [Repeated(first, [waiter(1)])]
    assert [(row.client_id, row.seq) for row in write_of(log).rows] == [("new", 1)]


def test_the_time_of_a_message_never_falls_below_that_of_an_earlier_one() -> None:
    """A wall clock that is set back does not reorder a conversation."""
    log = ready_log()
    log.stage(draft("1"), waiter(1))
    write_of(log, 2_000)
    log.written(STORED)
    log.stage(draft("2"), waiter(2))

    assert [row.send_time for row in write_of(log, 1_500).rows] == [2_000]


def test_after_a_conflict_what_was_in_flight_is_numbered_after_the_store() -> None:
    """A reload keeps the drafts, in order, and goes on above what another owner wrote."""
    log = ready_log()
    log.stage(draft("1"), waiter(1))
    write_of(log)
    log.stage(draft("2"), waiter(2))
    log.unload()
    head = StreamHead(CHAT, ConversationSeq(5), 3_000, {})
    log.load(LogState(("a", "b"), {CHAT: head}, {}, ()))

    assert [(row.client_id, row.seq) for row in write_of(log).rows] == [("1", 6), ("2", 7)]


def test_drafts_of_another_pair_do_not_enter_a_log_that_belongs_to_others() -> None:
    """`a` with `b_c` and `a_b` with `c` name one conversation id; who wrote first keeps it."""
    log = ConversationLog("a_b_c", "7")
    log.load(None)
    log.claim_participants(("a", "b_c"))
    log.rows_ensured = True
    log.stage(draft("1"), waiter(1))
    write_of(log)
    log.unload()
    log.load(LogState(("a_b", "c"), {}, {}, ()))

    assert log.take_write(3, 1_000) is None
    assert not log.claim_participants(("a", "b_c"))


NOTICES = ConversationID("sn_a_b")


def notice(client_id: str, sender: str = "a") -> Draft:
    """What a notification account writes."""
    return draft(client_id, sender)._replace(conversation_id=NOTICES, content_type=1400)


def test_who_is_written_to_by_a_notification_account_has_a_row_first() -> None:
    """Only she: the account itself has no such conversation. Each receiver once, whatever else is ensured meanwhile."""
    log = ConversationLog("a_b", "7")
    log.load(None)
    log.claim_participants(("a", "b"))
    log.stage(notice("1"), waiter(1))
    ensured = log.rows_to_ensure()
    assert [(row.owner_user_id, row.conversation_id, row.conversation_type, row.user_id) for row in ensured.rows()] == [
        ("b", "sn_a_b", 4, "a")
    ]
    log.stage(draft("2"), waiter(2))
    assert log.take_write(3, 1_000) is None

    log.note_rows(ensured)
    assert log.take_write(3, 1_000) is None  # the chat's rows are not there
    ensured = log.rows_to_ensure()
    assert [(row.owner_user_id, row.conversation_id) for row in ensured.rows()] == [("a", "si_a_b"), ("b", "si_a_b")]
    log.note_rows(ensured)
    assert [(row.conversation_id, row.seq) for row in write_of(log).rows] == [("sn_a_b", 1), ("si_a_b", 1)]
    log.written(STORED)
    log.stage(notice("3"), waiter(3))
    assert [row.seq for row in write_of(log).rows] == [2]
    log.written(STORED)
    log.stage(notice("4", "b"), waiter(4))
    assert log.rows_to_ensure().notified == ("a",)


def test_who_was_written_to_before_has_her_row() -> None:
    """The log says so after a restart: nothing is asked of the directory."""
    log = ConversationLog("a_b", "7")
    log.load(LogState(("a", "b"), {NOTICES: StreamHead(NOTICES, ConversationSeq(3), 1_000, {"a": 3})}, {}, ()))
    log.stage(notice("new"), waiter(1))
    assert [row.seq for row in write_of(log).rows] == [4]


def test_a_full_queue_refuses() -> None:
    """Beyond its limit a log takes no more, and says so."""
    log = ConversationLog("a_b", "7", queue_max=1)

    assert log.stage(draft("1"), waiter(1))
    assert not log.stage(draft("2"), waiter(2))


def test_the_newest_message_of_each_sender_is_known() -> None:
    """From what was stored before, and from what is stored now."""
    head = StreamHead(CHAT, ConversationSeq(4), 1_000, {"a": 4, "b": 2})
    log = ConversationLog("a_b", "7")
    log.load(LogState(("a", "b"), {CHAT: head}, {}, ()))
    assert (log.sent_seq(CHAT, "a"), log.sent_seq(CHAT, "b")) == (4, 2)

    log.stage(draft("new", "b"), waiter(1))
    write_of(log)
    log.written(STORED)

    assert (log.sent_seq(CHAT, "a"), log.sent_seq(CHAT, "b")) == (4, 5)
    assert log.sent_seq("n_a_b", "a") == 0


def test_repetitions_that_the_store_found_do_not_pile_up() -> None:
    """A sender who says all her old messages again must not make the log remember all of them."""
    log = ConversationLog("a_b", "7", recent_max=8)
    log.load(None)
    for number in range(20):
        log.stage(draft(f"old {number}"), waiter(number))
        write_of(log)
        first = MessageRef(ConversationSeq(number + 1), ServerMessageID("first"), 500)
        assert log.written(WriteResult(Outcome.DUPLICATE, {0: first})) == [Repeated(first, [waiter(number)])]

    remembered = [number for number in range(20) if log.known(draft(f"old {number}")) is not None]
    assert remembered == list(range(12, 20))


def test_a_queue_with_too_many_bytes_refuses() -> None:
    """What goes back into it after a conflict counts as well."""
    log = ConversationLog("a_b", "7", queue_bytes_max=2_500)
    log.load(None)
    log.claim_participants(("a", "b"))
    log.rows_ensured = True
    large = [draft(str(number))._replace(body=b"x" * 1_000) for number in range(4)]

    assert [log.stage(one, waiter(0)) for one in large[:3]] == [True, True, False]
    write_of(log)
    assert log.stage(large[2], waiter(0))
    log.unload()
    assert not log.stage(large[3], waiter(0))
