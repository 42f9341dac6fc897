"""How answers are cut to what a frame may hold."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.protocol.compression import compress
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.limits import TARGET_RESPONSE_FRAME_BYTES
from openim_ray.protocol.pb.sdkws_pb2 import PullMessageBySeqsResp
from openim_ray.services.pull_answers import Answer, Chat, Stream, cut, encode_within_frame, superseded

REVOKED, RECEIPT, BUSINESS = ContentType.MESSAGE_REVOKED, ContentType.HAS_READ_RECEIPT, ContentType.BUSINESS


def chat(name: str, *sizes: int, first: int = 1) -> Chat:
    """Return a chat with a row of each size that says it is the beginning."""
    rows = [(seq, b"x" * size) for seq, size in enumerate(sizes, first)]
    return Chat(name, rows, is_end=True, end_seq=1)


def notification(seq: int, content_type: int, sender: str = "bob", size: int = 1000) -> StoredMessage:
    """Return a notification; a higher seq is later."""
    return StoredMessage(
        ConversationID("n_a_b"),
        ConversationSeq(seq),
        UserID(sender),
        ClientMessageID(str(seq)),
        ServerMessageID(str(seq)),
        seq,
        content_type,
        sender_sync=True,
        operation_id="",
        body=b"y" * size,
    )


def stream(*rows: StoredMessage) -> Stream:
    """Return a stream of rows."""
    return Stream("n_a_b", list(rows))


def seqs(answer: Answer) -> list[list[int]]:
    """Return which seqs are left in each chat."""
    return [[seq for seq, _ in one.rows] for one in answer.chats]


def test_the_largest_chat_gives_first() -> None:
    """Older rows of the largest chat go until it is no larger than the next; each chat keeps its newest row."""
    answer = Answer([chat("a", 1000, 1000, 1000, 1000), chat("b", 1000, 1000)])
    cut(answer, answer.size() - 1500)
    assert seqs(answer) == [[3, 4], [1, 2]]
    cut(answer, 1)
    assert seqs(answer) == [[], []]


def test_a_chat_with_fewer_rows_is_not_the_beginning() -> None:
    """The end that was there is taken back with the rows; an untouched chat keeps it."""
    answer = Answer([chat("a", 1000, 1000), chat("b", 10)])
    cut(answer, answer.size() - 1)
    assert [(one.is_end, one.end_seq) for one in answer.chats] == [(False, 0), (True, 1)]


def test_rows_may_stand_in_any_order() -> None:
    """Of an answer to 1005, whose rows stand as asked, the lowest seqs go, too."""
    rows = [(seq, b"x" * 1000) for seq in (3, 2, 1)]
    answer = Answer([Chat("a", rows)], keeps_empty=True)
    cut(answer, answer.size() - 1)
    assert seqs(answer) == [[3, 2]]


def test_superseded_receipts_go_before_anything_else() -> None:
    """The oldest of them first, and only as many as it takes."""
    rows = [notification(seq, RECEIPT) for seq in (1, 2, 3)]
    answer = Answer([chat("a", 1000, 1000)], [stream(*rows, notification(4, RECEIPT, "alice"))])
    assert [row.seq for row in superseded(answer.streams[0].rows)] == [1, 2]
    cut(answer, answer.size() - 1)
    assert [row.seq for row in answer.streams[0].rows] == [2, 3, 4]
    assert seqs(answer) == [[1, 2]]


def test_revocations_and_deletions_go_last() -> None:
    """After receipts, chats and other notifications."""
    rows = [notification(1, REVOKED), notification(2, BUSINESS), notification(3, RECEIPT)]
    answer = Answer([chat("a", 1000)], [stream(*rows)])
    kept = []
    for _ in range(4):
        cut(answer, answer.size() - 1)
        kept.append(([row.seq for row in answer.streams[0].rows], seqs(answer)[0]))
    assert kept == [([1, 2], [1]), ([1, 2], []), ([1], []), ([], [])]


@given(st.lists(st.lists(st.integers(0, 3000), max_size=6), max_size=5), st.integers(0, 20_000))
def test_what_is_left_fits(sizes: list[list[int]], bytes_max: int) -> None:
    """Whatever was found, the encoded rest takes at most what is allowed, and every chat keeps its newest rows."""
    answer = Answer([chat(f"c{number}", *one) for number, one in enumerate(sizes)])
    cut(answer, bytes_max)
    assert len(answer.encode()) <= bytes_max
    for one, left in zip(sizes, seqs(answer), strict=True):
        assert left == list(range(len(one) - len(left) + 1, len(one) + 1))


def test_an_answer_that_fits_is_not_touched() -> None:
    """Its rows are sent as they are."""
    answer = Answer([chat("a", 10, 20)])
    parsed = PullMessageBySeqsResp()
    parsed.msgs["a"].isEnd = True
    encoded = Answer([Chat("a", [(1, b"\x70\x01")], is_end=True)])
    parsed.msgs["a"].Msgs.add(seq=1)
    assert encode_within_frame(encoded, compressed=False) == parsed.SerializeToString()
    assert encode_within_frame(answer, compressed=True) == answer.encode()


def test_size_counts_as_it_is_written() -> None:
    """What doesn't shrink is cut to a frame, compressed or not; what shrinks goes out whole."""
    noise = [(seq, os.urandom(100_000)) for seq in range(1, 13)]
    for compressed in (False, True):
        data = encode_within_frame(Answer([Chat("a", list(noise))]), compressed=compressed)
        written = len(compress(data)) if compressed else len(data)
        assert 500_000 < written <= TARGET_RESPONSE_FRAME_BYTES
    dull = Answer([chat("a", *[100_000] * 12)])
    assert encode_within_frame(dull, compressed=True) == dull.encode()


def test_empty_chats_are_named_only_where_clients_need_it() -> None:
    """1005 names every conversation, 1002 only those with a result."""
    assert Answer([Chat("a")]).encode() == b""
    assert list(PullMessageBySeqsResp.FromString(Answer([Chat("a")], keeps_empty=True).encode()).msgs) == ["a"]
