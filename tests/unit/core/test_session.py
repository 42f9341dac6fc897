"""What one connection was written decides what may be written to it next."""

from __future__ import annotations

import pytest

from openim_ray.core.gateway.session import RUN_MAX, ClientKind, Run, Session, Verdict
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import StoredMessage
from openim_ray.domain.sequence import ConversationSeq

CHAT = "si_alice_bob"
STREAM = "n_alice_bob"


def make_session(kind: ClientKind = ClientKind.GO) -> Session:
    """Return a registered session of alice."""
    session = Session(1, "alice", kind)
    session.registered()
    return session


def push(session: Session, seq: int, sender_id: str = "bob", client_id: str = "c") -> Verdict:
    """Let a push of the chat arrive."""
    return session.deliver(CHAT, seq, sender_id, client_id)


def rows(begin: int, end: int, sender_id: str = "bob", *, sender_sync: bool = True) -> list[StoredMessage]:
    """Return stored messages of the chat; the clientMsgID is the seq."""
    return [
        StoredMessage(
            ConversationID(CHAT),
            ConversationSeq(seq),
            UserID(sender_id),
            ClientMessageID(f"c{seq}"),
            ServerMessageID(f"s{seq}"),
            1_000 + seq,
            101,
            sender_sync,
            "",
            b"",
        )
        for seq in range(begin, end + 1)
    ]


def synced(kind: ClientKind, maxima: dict[str, int]) -> Session:
    """Return a session whose client has these messages."""
    session = make_session(kind)
    session.synced(maxima)
    wait(session, 20)
    for conversation_id, seq in maxima.items():
        session.deliver(conversation_id, seq, "bob", f"c{seq}")
    return session


def wait(session: Session, checks: int) -> list[Run]:
    """Let so many checks pass."""
    return [run for _ in range(checks) for run in session.release()]


def test_pushes_that_continue_are_written_once() -> None:
    """The first push of a Go session is its start; what is at or below it is skipped."""
    session = make_session()

    assert [push(session, seq) for seq in (5, 6, 6, 5, 7)] == [
        Verdict.WRITE,
        Verdict.WRITE,
        Verdict.SKIP,
        Verdict.SKIP,
        Verdict.WRITE,
    ]


def test_messages_that_are_not_stored_pass_by() -> None:
    """Seq 0 is no place in the order, also while everything else is held."""
    assert push(make_session(ClientKind.JS), 0) is Verdict.WRITE


def test_a_gap_is_read_and_written_in_order() -> None:
    """A push beyond a gap is held until the missing run was read."""
    session = make_session()
    push(session, 1)

    assert push(session, 4) is Verdict.READ
    run = session.next_run(CHAT)
    assert run == Run(CHAT, 2, 4)
    assert push(session, 5) is Verdict.HOLD
    assert [row.seq for row in session.fill(run, rows(2, 4))] == [2, 3, 4]
    assert session.next_run(CHAT) == Run(CHAT, 5, 5)


def test_rows_that_are_gone_leave_no_hole_to_wait_for() -> None:
    """What is absent from a run that was read is absent for good."""
    session = make_session()
    push(session, 1)
    push(session, 4)
    run = session.next_run(CHAT)
    assert run is not None

    assert [row.seq for row in session.fill(run, rows(4, 4))] == [4]
    assert session.next_run(CHAT) is None
    assert push(session, 5) is Verdict.WRITE


def test_own_messages_without_echo_are_not_written() -> None:
    """The option senderSync=false hides a message from its sender's devices, also in a run."""
    session = make_session()
    push(session, 1)
    push(session, 4)

    written = session.fill(Run(CHAT, 2, 4), rows(2, 3, "alice", sender_sync=False) + rows(4, 4))

    assert [row.seq for row in written] == [4]


def test_a_run_that_is_too_long_is_told() -> None:
    """Beyond the limit the client's own sync is cheaper."""
    assert Run(CHAT, 1, RUN_MAX + 1).too_long
    assert not Run(CHAT, 1, RUN_MAX).too_long


def test_an_echo_waits_for_its_answer_and_holds_what_follows() -> None:
    """The answer to a send is written first (OpenIM wire, §7.4)."""
    session = make_session()
    push(session, 1)
    session.sending("c2")

    assert push(session, 2, "alice", "c2") is Verdict.HOLD
    assert push(session, 3) is Verdict.HOLD
    assert session.next_run(CHAT) is None
    assert session.answered(CHAT, "c2") == Run(CHAT, 2, 3)


def test_an_echo_in_a_run_waits_for_its_answer() -> None:
    """Also if the message was stored by an earlier attempt, on another connection."""
    session = make_session()
    push(session, 1)
    push(session, 4)
    run = session.next_run(CHAT)
    assert run is not None
    session.sending("c3")

    found = rows(2, 2) + rows(3, 3, "alice") + rows(4, 4)

    assert [row.seq for row in session.fill(run, found)] == [2]
    assert session.next_run(CHAT) is None
    assert session.answered(CHAT, "c3") == Run(CHAT, 3, 4)


def test_a_receipt_waits_for_the_messages_it_names() -> None:
    """A client drops what is said about a seq that it does not have."""
    session = make_session()
    push(session, 1)
    session.deliver(STREAM, 1, "bob", "r1")
    session.sending("c2")

    assert push(session, 2, "alice", "c2") is Verdict.HOLD
    assert session.deliver(STREAM, 2, "bob", "r2") is Verdict.HOLD
    assert session.next_run(STREAM) is None

    chat_run = session.answered(CHAT, "c2")
    assert chat_run == Run(CHAT, 2, 2)
    assert session.next_run(STREAM) is None
    session.fill(chat_run, rows(2, 2, "alice"))
    assert session.next_run(CHAT) == Run(STREAM, 2, 2)


@pytest.mark.parametrize("first", [CHAT, STREAM])
def test_after_a_sync_the_chat_is_read_before_its_stream(first: str) -> None:
    """Also if the stream was heard of first; and a chat that lacks nothing does not hold its stream."""
    second = STREAM if first == CHAT else CHAT
    for chat_start, expected in ((0, [Run(CHAT, 1, 1)]), (1, [Run(STREAM, 1, 1)])):
        session = make_session(ClientKind.JS)
        session.states_asked()
        session.deliver(first, 1, "bob", "x")
        session.deliver(second, 1, "bob", "x")
        session.synced({CHAT: chat_start, STREAM: 0})
        assert wait(session, 10) == expected


@pytest.mark.parametrize("maxima", [{CHAT: 4, STREAM: 2}, {STREAM: 2, CHAT: 4}])
def test_a_repair_reads_a_chat_before_its_stream(maxima: dict[str, int]) -> None:
    """In whatever order they are named."""
    session = make_session()
    push(session, 1)
    session.deliver(STREAM, 1, "bob", "r1")

    assert session.repair(maxima) == [Run(CHAT, 2, 4)]
    session.fill(Run(CHAT, 2, 4), rows(2, 4))
    assert session.next_run(CHAT) == Run(STREAM, 2, 2)


def test_many_unanswered_sends_do_not_hold_the_pushes_of_others() -> None:
    """A client that always has a message under way still hears its peer."""
    session = make_session()
    push(session, 1)
    session.sending("own")

    assert push(session, 2) is Verdict.WRITE


@pytest.mark.parametrize("kind", [ClientKind.JS, ClientKind.PYPI])
def test_pushes_are_held_until_the_client_has_synced(kind: ClientKind) -> None:
    """JS counts a repeat twice, PyPI takes a pushed seq as its position: both hear nothing before their first answer."""
    session = make_session(kind)
    session.states_asked()
    session.newest_asked()

    assert push(session, 3) is Verdict.HOLD
    assert wait(session, 100) == []
    session.synced({CHAT: 2})
    assert wait(session, 10) == [Run(CHAT, 3, 3)]
    assert not session.holding


def test_pushes_are_held_while_pulls_are_under_way() -> None:
    """A pull sets the position of JS and PyPI: a push must not come before its answer."""
    session = make_session(ClientKind.JS)
    session.states_asked()
    session.synced({CHAT: 2})
    session.pull_started()
    push(session, 3)

    assert wait(session, 100) == []
    session.pull_finished()
    assert wait(session, 10) == [Run(CHAT, 3, 3)]


def test_a_client_that_never_syncs_is_taken_as_plain() -> None:
    """Its start is its first push; it is not left without messages for ever."""
    session = make_session(ClientKind.JS)
    push(session, 7)

    assert wait(session, 20) == [Run(CHAT, 7, 7)]


def test_the_time_to_sync_begins_with_the_registration() -> None:
    """Before it nothing that the client asks is read."""
    session = Session(1, "alice", ClientKind.JS)
    push(session, 7)

    assert wait(session, 100) == []
    session.registered()
    assert wait(session, 20) == [Run(CHAT, 7, 7)]


def test_later_answers_do_not_move_the_start() -> None:
    """Only the first answer is what the client's position was."""
    session = make_session(ClientKind.JS)
    session.states_asked()
    session.synced({CHAT: 2})
    session.synced({CHAT: 9})
    push(session, 3)

    assert wait(session, 10) == [Run(CHAT, 3, 3)]


def test_a_conversation_that_is_new_since_the_sync_starts_at_its_beginning() -> None:
    """A chat absent from the first answer is known from 0, a notification stream of JS from its first push."""
    session = make_session(ClientKind.JS)
    session.states_asked()
    session.synced({})
    wait(session, 10)

    assert push(session, 2) is Verdict.READ
    assert session.next_run(CHAT) == Run(CHAT, 1, 2)
    assert session.deliver("n_alice_carol", 5, "carol", "c") is Verdict.WRITE


def test_a_repair_reads_what_a_session_lacks_and_nothing_else() -> None:
    """Max seqs that were written already are no loss."""
    session = make_session()
    push(session, 4)
    session.deliver(STREAM, 2, "bob", "c")

    assert session.repair({CHAT: 6, STREAM: 2}) == [Run(CHAT, 5, 6)]


def test_a_go_session_without_a_start_is_given_the_newest_messages() -> None:
    """As many as its client would pull on a gap; it drops what it has."""
    assert make_session().repair({CHAT: 25, "si_alice_carol": 3}) == [Run(CHAT, 16, 25), Run("si_alice_carol", 1, 3)]


def test_a_repair_waits_for_a_client_that_syncs_first() -> None:
    """What it may lack is read once its position is known."""
    session = make_session(ClientKind.PYPI)
    session.newest_asked()

    assert session.repair({CHAT: 6}) == []
    session.synced({CHAT: 6})
    assert wait(session, 10) == []


def test_a_go_client_that_does_not_sync_is_closed_in_time() -> None:
    """Five seconds after its requests began to be read, unless a 1001 came (OpenIM wire, §8.1)."""
    silent, talking = make_session(), make_session()
    silent.must_sync = talking.must_sync = True
    talking.newest_asked()

    assert not silent.sync_overdue(4.9)
    assert silent.sync_overdue(5.0)
    assert not talking.sync_overdue(5.0)


def test_the_age_of_a_session_counts_from_its_registration() -> None:
    """A slow one takes nothing of the time in which its client has to sync."""
    session = Session(1, "alice", ClientKind.GO)
    assert session.age(9.0) == 0.0

    session.registered()

    assert session.age(10.0) == 0.0
    assert session.age(14.0) == 4.0


@pytest.mark.parametrize("kind", list(ClientKind))
def test_who_comes_to_a_group_begins_with_the_message_that_says_so(kind: ClientKind) -> None:
    """The messages from before are read when she looks at them."""
    session = synced(kind, {})

    session.begin("sg_g", 9, hides=False)

    assert session.deliver("sg_g", 9, "bob", "c9") is Verdict.WRITE
    assert session.deliver("sg_g", 10, "bob", "c10") is Verdict.WRITE


def test_who_comes_again_is_given_what_was_said_meanwhile() -> None:
    """Unless it is hidden from her."""
    session, other = synced(ClientKind.JS, {"sg_g": 3}), synced(ClientKind.JS, {"sg_g": 3})

    session.begin("sg_g", 9, hides=False)
    other.begin("sg_g", 9, hides=True)

    assert session.deliver("sg_g", 9, "bob", "c9") is Verdict.READ
    assert session.next_run("sg_g") == Run("sg_g", 4, 9)
    assert other.deliver("sg_g", 9, "bob", "c9") is Verdict.WRITE


@pytest.mark.parametrize("hides", [False, True])
def test_who_comes_to_a_group_while_she_syncs_begins_there(hides: bool) -> None:
    """The answer that sets her position may not know of it yet; what it knows is filled, unless it is hidden."""
    session = Session(1, "alice", ClientKind.JS)
    session.registered()
    session.states_asked()
    session.begin("sg_g", 9, hides=hides)
    session.begin("sg_h", 9, hides=hides)
    assert session.deliver("sg_g", 9, "bob", "c9") is Verdict.HOLD
    assert session.deliver("sg_h", 9, "bob", "c9") is Verdict.HOLD

    session.synced({"sg_h": 3})

    assert wait(session, 20) == [Run("sg_g", 9, 9), Run("sg_h", 9 if hides else 4, 9)]


@pytest.mark.parametrize("hides", [False, True])
def test_who_comes_twice_while_she_syncs_begins_where_she_came_first(hides: bool) -> None:
    """The second coming let the session forget what was said at the first one."""
    session = Session(1, "alice", ClientKind.JS)
    session.registered()
    session.states_asked()
    for first_seq in (2, 7):
        session.begin("sg_g", first_seq, hides=hides)
        session.deliver("sg_g", first_seq, "bob", f"c{first_seq}")

    session.synced({})

    assert wait(session, 20) == [Run("sg_g", 7 if hides else 2, 7)]


def test_a_repair_reads_nothing_that_the_user_may_not_see() -> None:
    """She left and came again without history: what was said meanwhile is not hers."""
    session = synced(ClientKind.JS, {"sg_g": 3})

    assert session.repair({"sg_g": 12}, {"sg_g": 9}) == [Run("sg_g", 9, 12)]


def test_a_repair_of_a_session_without_position_begins_where_the_user_may_see() -> None:
    """Go is given what it would pull on a gap, and no more than is hers."""
    session = Session(1, "alice", ClientKind.GO)

    assert session.repair({"sg_g": 12}, {"sg_g": 9}) == [Run("sg_g", 9, 12)]


# --- the background


def test_nothing_is_written_to_an_app_in_the_background_and_all_of_it_afterwards() -> None:
    """Stored pushes come as one run; what is not stored is lost to it, as to who is offline."""
    session = make_session()
    assert push(session, 1) is Verdict.WRITE
    session.fall_quiet()
    assert [push(session, seq) for seq in (0, 2, 3)] == [Verdict.SKIP, Verdict.HOLD, Verdict.HOLD]
    assert session.repair({CHAT: 4}) == []

    (run,) = session.wake()
    assert run == Run(CHAT, 2, 4)
    assert push(session, 5) is Verdict.HOLD
    assert [row.seq for row in session.fill(run, rows(2, 4))] == [2, 3, 4]
    assert session.next_run(CHAT) == Run(CHAT, 5, 5)


def test_a_run_that_arrives_in_the_background_is_read_again_afterwards() -> None:
    """It was asked for before."""
    session = make_session()
    push(session, 1)
    assert push(session, 3) is Verdict.READ
    run = session.next_run(CHAT)
    assert run == Run(CHAT, 2, 3)
    session.fall_quiet()
    assert session.fill(run, rows(2, 3)) == []
    assert session.next_run(CHAT) is None
    assert session.wake() == [Run(CHAT, 2, 3)]


def test_a_client_that_begins_in_the_background_syncs_as_any_other() -> None:
    """Its position is that of its answer, and what came after it is written when it is back."""
    session = make_session(ClientKind.JS)
    session.fall_quiet()
    session.states_asked()
    session.synced({CHAT: 5})
    assert wait(session, 20) == []
    assert not session.holding
    assert [push(session, seq) for seq in (5, 6)] == [Verdict.SKIP, Verdict.HOLD]
    assert session.wake() == [Run(CHAT, 6, 6)]
