"""Which messages a read receipt names."""

from __future__ import annotations

from openim_ray.core import receipts
from openim_ray.core.items import MarkRead
from openim_ray.core.receipts import RECEIPT_SEQS_MAX, receipt_seqs

CHAT = "si_alice_bob"


def mark(has_read_seq: int, *seqs: int) -> MarkRead:
    """Return what bob says he has read."""
    return MarkRead(1, "bob", CHAT, has_read_seq, list(seqs), "op", "command")


def test_the_newly_read_range_is_named() -> None:
    """Also if the reader lists only the last of it."""
    assert receipt_seqs(mark(5, 5), read_before=2, sent_seq=0) == [3, 4, 5]


def test_own_messages_of_the_reader_are_not_named() -> None:
    """Her peer's SDK would take them for read by the peer, and never say that he has read them."""
    assert receipt_seqs(mark(3, 1), read_before=0, sent_seq=3) == [1]


def test_what_the_reader_lists_is_named_below_her_own_messages() -> None:
    """There the range is empty, because she has read what she wrote."""
    assert receipt_seqs(mark(7, 2, 4), read_before=0, sent_seq=6) == [2, 4, 7]


def test_a_receipt_names_the_newest_of_too_many() -> None:
    """One notification has a bounded size."""
    named = receipt_seqs(mark(3 * RECEIPT_SEQS_MAX), read_before=0, sent_seq=0)
    assert (len(named), named[-1]) == (receipts.RECEIPT_SEQS_MAX, 3 * RECEIPT_SEQS_MAX)
