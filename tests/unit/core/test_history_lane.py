"""What is copied to the history, in which order, and what becomes of it when the history fails."""

from __future__ import annotations

import pytest

from openim_ray.core.persistence.history_lane import CopyJob, FillJob, HistoryLane
from openim_ray.domain.ids import ConversationID
from tests.contract.rows import CHAT, STREAM, message

OTHER = ConversationID("si_alice_carol")


@pytest.fixture
def lane() -> HistoryLane:
    """A lane with small limits, after the first comparison."""
    lane = HistoryLane(rows_max=3, bytes_max=10_000, waiting_rows_max=5, waiting_bytes_max=100_000, conversations_max=2)
    lane.compare_begins()
    return lane


def seqs(job: CopyJob | FillJob | None) -> list[tuple[str, int]]:
    """Return conversations and seqs of a job of rows."""
    assert isinstance(job, CopyJob)
    return [(row.conversation_id, row.seq) for row in job.rows]


def test_new_rows_are_copied_in_order_one_job_at_a_time(lane: HistoryLane) -> None:
    """A job holds as much as it may; the next one comes when it is done."""
    lane.stored([message(1), message(2), message(1, conversation=STREAM), message(3)])

    assert seqs(lane.take()) == [(CHAT, 1), (CHAT, 2), (STREAM, 1)]
    assert lane.take() is None
    lane.done({CHAT: 2, STREAM: 1})
    assert seqs(lane.take()) == [(CHAT, 3)]
    lane.done({CHAT: 3})
    assert (lane.take(), lane.rows_waiting, lane.conversations_behind) == (None, 0, 0)


def test_a_job_is_bounded_by_bytes_but_one_row_always_goes(lane: HistoryLane) -> None:
    """A row that is larger than a job may be goes alone."""
    lane.stored([message(1, body=b"x" * 20_000), message(2), message(3, body=b"x" * 9_900)])

    assert seqs(lane.take()) == [(CHAT, 1)]
    lane.done({CHAT: 1})
    assert seqs(lane.take()) == [(CHAT, 2)]


def test_what_does_not_fit_is_read_later(lane: HistoryLane) -> None:
    """Beyond the limit a conversation is only remembered; what follows in it is, too, so that nothing overtakes."""
    lane.stored([message(seq) for seq in range(1, 8)])
    assert (lane.rows_waiting, lane.conversations_behind) == (5, 1)
    assert seqs(lane.take()) == [(CHAT, 1), (CHAT, 2), (CHAT, 3)]
    lane.stored([message(8)])
    lane.done({CHAT: 3})
    assert seqs(lane.take()) == [(CHAT, 4), (CHAT, 5)]
    lane.done({CHAT: 5})

    assert lane.take() == FillJob(CHAT, 8)
    lane.done({CHAT: 7})
    assert lane.take() == FillJob(CHAT, 8)
    lane.done({CHAT: 8})
    assert lane.take() is None


def test_a_hole_below_new_rows_is_filled(lane: HistoryLane) -> None:
    """The history says how far it is complete: if that is less than what was copied, the rest is read from the message store."""
    lane.stored([message(5)])
    lane.take()
    lane.done({CHAT: 2})

    assert lane.take() == FillJob(CHAT, 5)


def test_while_the_history_is_down_nothing_is_kept(lane: HistoryLane) -> None:
    """Only conversations are remembered, until a job succeeds again."""
    lane.stored([message(1), message(1, conversation=STREAM)])
    lane.take()
    lane.stored([message(2)])
    lane.failed()
    lane.stored([message(3)])
    assert (lane.rows_waiting, lane.conversations_behind) == (0, 2)

    assert lane.take() == FillJob(CHAT, 3)
    lane.failed()
    assert lane.take() == FillJob(STREAM, 1)
    lane.done({STREAM: 1})
    lane.stored([message(2, conversation=STREAM), message(4)])
    assert seqs(lane.take()) == [(STREAM, 2)]
    lane.done({STREAM: 2})
    assert lane.take() == FillJob(CHAT, 4)


def test_a_conversation_that_is_set_aside_waits_for_the_next_comparison(lane: HistoryLane) -> None:
    """What it lacks can't be had: trying again at once would keep the others waiting."""
    lane.behind(CHAT, 5)
    lane.take()
    lane.set_aside()
    assert (lane.take(), lane.conversations_behind) == (None, 0)
    lane.stored([message(6)])
    assert seqs(lane.take()) == [(CHAT, 6)]


def test_more_conversations_than_are_remembered_are_compared_anew(lane: HistoryLane) -> None:
    """After those that are remembered are done."""
    for conversation in (CHAT, STREAM, OTHER):
        lane.behind(conversation, 1)
    assert lane.conversations_behind == 2

    for conversation in (CHAT, STREAM):
        assert not lane.must_compare
        assert lane.take() == FillJob(conversation, 1)
        lane.done({conversation: 1})
    assert lane.must_compare
    lane.compare_begins()
    assert not lane.must_compare
    lane.compare_failed()
    assert lane.must_compare


def test_a_new_process_compares_first() -> None:
    """What an earlier one had left to do, nobody knows."""
    assert HistoryLane(rows_max=1, bytes_max=1).must_compare
