"""What counts as a fault of stored conversations, judged from rows and heads alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from openim_ray.domain.conversation import Conversation, single_chat_rows
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import DamagedRow, StoredMessage, StreamHead
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.sequence import ConversationSeq, SeqRange
from openim_ray.services import audit
from openim_ray.services.audit import Fault, Part, Span, StreamAudit

CHAT = ConversationID("si_alice_bob")
Row = StoredMessage | DamagedRow


def row(seq: int, client: str = "", **changes: object) -> StoredMessage:
    """Return a row of alice's."""
    client = client or f"c{seq}"
    made = StoredMessage(
        CHAT,
        ConversationSeq(seq),
        UserID("alice"),
        ClientMessageID(client),
        ServerMessageID(f"s{client}"),
        1000 + seq,
        101,
        sender_sync=True,
        operation_id="",
        body=b"hi",
    )
    return made._replace(**changes)  # type: ignore[arg-type]


def damaged(seq: int) -> DamagedRow:
    """Return what stands for a row that is not what was written."""
    return DamagedRow(ConversationSeq(seq))


def rows(first: int, last: int) -> list[Row]:
    """Return rows without a hole."""
    return [row(seq) for seq in range(first, last + 1)]


def without(held: Sequence[Row], *seqs: int) -> list[Row]:
    """Return rows with holes."""
    return [one for one in held if one.seq not in seqs]


def head(max_seq: int, floor: int = 1, **changes: object) -> StreamHead:
    """Return the head that so many rows of alice's make."""
    made = StreamHead(
        CHAT,
        ConversationSeq(max_seq),
        1000 + max_seq,
        {"alice": max_seq},
        ("alice", "bob"),
        ConversationSeq(floor),
    )
    return made._replace(**changes)  # type: ignore[arg-type]


def judge(
    of: StreamHead, messages: Sequence[Row], history: Sequence[Row] | None = None, confirmed: int = 0, size: int = 10
) -> list[str]:
    """Return what an audit says, given span by span."""
    stream = StreamAudit(of, confirmed, has_history=history is not None)
    for first in range(1, of.max_seq + 1, size):
        last = min(first + size - 1, of.max_seq)
        held, copies = ([one for one in side if first <= one.seq <= last] for side in (messages, history or ()))
        stream.add(Span(first, last, held, copies, of.floor, confirmed))
    return [str(fault) for fault in stream.finish()]


def test_whole_streams_have_no_fault() -> None:
    """Without a history, with one that is behind, with old rows in the history only, and with a changed row not copied yet."""
    assert judge(head(25), rows(1, 25)) == []
    assert judge(head(25), rows(1, 25), rows(1, 12), confirmed=12) == []
    assert judge(head(25, floor=21), rows(21, 25), rows(1, 22), confirmed=22) == []
    changed = [*rows(1, 4), row(5, rev=1, body=b"changed")]
    assert judge(head(5), changed, rows(1, 5), confirmed=5) == []


def test_a_head_without_its_last_row_is_a_hole() -> None:
    """The newest message is one as every other."""
    assert judge(head(3), rows(1, 2)) == [f"hole {CHAT}: no row at seq 3, head is 3"]


def test_holes_are_runs_across_spans() -> None:
    """One line for neighbours, wherever a read ended."""
    assert judge(head(25), without(rows(1, 25), 4, 10, 11, 12)) == [
        f"hole {CHAT}: no row at seq 4, head is 25",
        f"hole {CHAT}: no row at seq 10..12, head is 25",
    ]


def test_a_hole_below_the_floor_is_one_of_the_history() -> None:
    """What the history confirms and doesn't have is nowhere."""
    held = judge(head(25, floor=21), rows(21, 25), without(rows(1, 25), 7, 8), confirmed=25)
    assert held == [f"hole {CHAT}: no row in the history at seq 7..8, the message store begins at 21"]


def test_the_first_row_that_must_be_there_is_missed() -> None:
    """The floor itself is no longer the history's."""
    assert judge(head(25, floor=21), rows(22, 25), rows(1, 20), confirmed=20) == [
        f"hole {CHAT}: no row at seq 21, head is 25"
    ]


def test_a_row_that_only_the_history_has_is_a_hole_above_the_floor() -> None:
    """Readers look into the history only below it."""
    held = judge(head(5), without(rows(1, 5), 2), rows(1, 5), confirmed=5)
    assert held == [f"hole {CHAT}: no row in the message store at seq 2, but in the history, head is 5"]


def test_skipped_seqs_are_no_holes() -> None:
    """A restored backup has none there; beside them a hole is one."""
    of = head(9, skipped=(SeqRange(3, 5),))
    assert judge(of, without(rows(1, 9), 3, 4, 5)) == []
    assert judge(of, without(rows(1, 9), 2, 3, 4, 5)) == [f"hole {CHAT}: no row at seq 2, head is 9"]
    assert judge(of, [], without(rows(1, 9), 3, 4, 5)) != []


def test_damaged_rows_are_no_holes() -> None:
    """They are named by the store; the copy of one that was damaged before it was copied is not missed."""
    held = [*rows(1, 2), damaged(3), *rows(4, 5)]
    assert judge(head(5), held) == [f"damaged {CHAT}: damaged row in the message store at seq 3"]
    assert judge(head(5), held, without(rows(1, 5), 3), confirmed=5) == judge(head(5), held)
    copies = [*rows(1, 3), damaged(4), row(5)]
    assert judge(head(5), rows(1, 5), copies, confirmed=5) == [
        f"damaged {CHAT}: damaged row in the history at seq 4",
    ]


def test_a_history_that_differs_or_lacks_a_row_is_found() -> None:
    """At the same rev; above what it confirms nothing is missed."""
    copies = [row(1), row(2, body=b"another"), row(4)]
    assert judge(head(6), rows(1, 6), copies, confirmed=4) == [
        f"history {CHAT}: another row in the history than in the message store at seq 2",
        f"history {CHAT}: no row in the history at seq 3, it is confirmed up to 4",
    ]


@pytest.mark.parametrize(
    ("history", "known"), [(rows(1, 5), "the history confirms 5"), (None, "there is no history")], ids=["some", "none"]
)
def test_a_floor_above_what_is_confirmed_is_found(history: list[Row] | None, known: str) -> None:
    """The rows between are said once, as what may have been deleted."""
    confirmed = 5 if history else 0
    said = judge(head(12, floor=10), rows(10, 12), history, confirmed=confirmed)
    assert said == [f"history {CHAT}: rows up to seq 9 may have been deleted, {known}"]


def test_a_floor_one_above_what_is_confirmed_is_right() -> None:
    """All that was deleted is in the history."""
    assert judge(head(12, floor=10), rows(10, 12), rows(1, 9), confirmed=9) == []


def test_keys_that_stand_twice_are_found_in_every_part() -> None:
    """In one store and across both; each only in the part that its key falls into."""
    held = [*rows(6, 9), row(10, "c7", server_id="s10"), row(11, server_id="sc2")]
    copies, of = rows(1, 5), head(11, floor=6)
    expected = [
        f"duplicate {CHAT}: clientMsgID 'c7' of alice stands at seq 7 and 10",
        f"duplicate {CHAT}: serverMsgID 'sc2' stands at seq 2 and 11",
    ]
    assert judge(of, held, copies, confirmed=5) == expected
    said = []
    for part in (Part(0, 3), Part(1, 3), Part(2, 3)):
        stream = StreamAudit(of, 5, has_history=True, part=part)
        stream.add(Span(1, 11, held, copies, 6, 5))
        said += [str(fault) for fault in stream.finish()]
    assert sorted(said) == sorted(expected)


def test_the_same_client_id_of_two_senders_is_no_duplicate() -> None:
    """It is chosen by each of them."""
    of = head(2, sent={"alice": 1, "bob": 2})
    assert judge(of, [row(1), row(2, "c1", sender_id="bob", server_id="s2")]) == []


def test_long_streams_are_compared_in_parts() -> None:
    """So that memory has a bound."""
    assert Part.all_of(audit.KEYS_MAX) == [Part(0, 1)]
    assert Part.all_of(audit.KEYS_MAX + 1) == [Part(0, 2), Part(1, 2)]


def test_a_head_that_knows_too_little_is_found() -> None:
    """Its time, and the newest seq of a sender, whom it may not know at all."""
    of = head(3, max_time=1002, sent={"alice": 1})
    assert judge(of, [*rows(1, 2), row(3, sender_id="bob")]) == [
        f"head {CHAT}: max_time is 1002, seq 3 was sent at 1003",
        f"head {CHAT}: newest seq of alice is noted as 1, but is 2",
        f"head {CHAT}: newest seq of bob is noted as 0, but is 3",
    ]


def test_a_sender_above_the_head_is_found() -> None:
    """Her next messages would count as read."""
    assert judge(head(3, sent={"alice": 4}), rows(1, 3)) == [
        f"head {CHAT}: newest seq of alice is noted as 4, head is 3",
    ]


def test_many_faults_of_a_stream_are_not_all_named() -> None:
    """It says that there are more."""
    count = 2 * (audit.FAULTS_MAX + 5)
    said = judge(head(count), without(rows(1, count), *range(1, count, 2)), size=500)
    assert len(said) == audit.FAULTS_MAX + 1
    assert said[-1] == f"note {CHAT}: more than {audit.FAULTS_MAX} faults, the others are not named"


def test_every_user_of_a_chat_has_a_row_of_it() -> None:
    """Chats without fixed users, and streams of notifications, need none."""
    assert audit.orphans(head(1), {"alice", "bob"}) == []
    assert audit.orphans(head(1, conversation_id=ConversationID("n_alice_bob")), ()) == []
    assert audit.orphans(head(1, participants=()), ()) == []
    assert audit.orphans(head(1, participants=("alice", "alice")), ()) == [
        Fault("orphan", CHAT, "alice has no row of this conversation")
    ]


def test_who_is_written_to_by_a_notification_account_has_a_row() -> None:
    """The account itself has none."""
    notices = ConversationID("sn_alice_bob")
    written = head(1, conversation_id=notices)._replace(sent={"alice": 1})
    assert audit.orphans(written, {"bob"}) == []
    assert audit.orphans(written, {"alice"}) == [Fault("orphan", notices, "bob has no row of this conversation")]


def test_positions_reach_up_to_the_newest_seq() -> None:
    """And what may be seen begins behind it at most: then all is cleared."""
    assert audit.positions_above_head("bob", {CHAT: ReadPosition(5, 5, 6)}, {CHAT: 5}) == []
    said = audit.positions_above_head("bob", {CHAT: ReadPosition(6, 6, 7)}, {CHAT: 5})
    assert [fault.what for fault in said] == [
        "bob has read up to 6",
        "own messages of bob are seen up to 6",
        "bob sees only from 7 on",
    ]
    assert audit.positions_above_head("bob", {CHAT: ReadPosition(1)}, {}) != []


def test_a_row_shows_what_comes_next() -> None:
    """It begins behind the newest seq at most, or behind where the first one will be after a restore."""
    (row, *_) = single_chat_rows("alice", "bob")
    chat = row.conversation_id
    for min_seq, is_fault in ((0, False), (6, False), (7, True)):
        faults = audit.cuts_above_head([replace(row, min_seq=min_seq)], {chat: 5}, 0)
        assert [fault.what for fault in faults] == [f"the row of alice shows only from {min_seq} on"] * is_fault
    assert audit.cuts_above_head([replace(row, min_seq=8)], {}, 7) == []
    assert audit.cuts_above_head([replace(row, min_seq=9)], {}, 7) != []


def test_read_marks_reach_up_to_the_newest_seq() -> None:
    """By them a peer sees what was read."""
    assert audit.marks_above_head(CHAT, {"alice": 5, "bob": 6}, 5) == [
        Fault("position", CHAT, "read mark of bob is 6", "newest seq is 5")
    ]


def test_rows_of_single_chats_name_accounts() -> None:
    """Rows of groups name none."""
    mine = Conversation(owner_user_id=UserID("alice"), conversation_id=CHAT, conversation_type=1, user_id="bob")
    group = replace(mine, conversation_type=3, user_id="")
    assert audit.strangers([mine, group], {"bob"}) == []
    assert [fault.kind for fault in audit.strangers([mine, group], set())] == ["note"]


def test_only_what_two_looks_find_lasts() -> None:
    """Whatever stood around it at that moment."""
    once, twice = (
        Fault("hole", CHAT, "no row at seq 1", "head is 1"),
        Fault("hole", CHAT, "no row at seq 2", "head is 2"),
    )
    again = twice._replace(context="head is 3")
    assert audit.lasting([once, twice], [again]) == [again]
