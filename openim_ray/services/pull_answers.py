"""
Answers to pulls while they are put together, and how they are cut to what a frame may hold.

What is cut is not lost: clients ask for the rows of a chat again when somebody scrolls there (OpenIM wire, §7.5), while gaps in
notification streams are harmless (§7.11). So a row is left out; a placeholder for it would be kept for ever.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from openim_ray.domain.message import StoredMessage
from openim_ray.protocol.compression import compress
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.limits import TARGET_RESPONSE_FRAME_BYTES
from openim_ray.protocol.messages import PulledMessages, pull_response

_PART_BYTES = 640
"""Room for a conversation's id and lengths: an id holds at most two user ids of 255 bytes."""

_ROW_BYTES = 8
_LAST_TO_GO = (ContentType.MESSAGE_REVOKED, ContentType.MESSAGES_DELETED)


@dataclass(slots=True)
class Chat:
    """
    Rows of a chat as they go out, with their seqs: real ones and placeholders.
    """

    conversation_id: str
    rows: list[tuple[int, bytes]] = field(default_factory=list)
    is_end: bool = False
    end_seq: int = 0

    def size(self) -> int:
        """Return the bytes it takes, rather more than less; none without rows."""
        return sum(len(body) + _ROW_BYTES for _, body in self.rows) + (_PART_BYTES if self.rows else 0)

    def drop_older(self, seqs: Collection[int]) -> None:
        """Leave rows out; then the client must not take what it gets for the beginning of the chat."""
        if seqs:
            self.rows = [row for row in self.rows if row[0] not in seqs]
            self.is_end, self.end_seq = False, 0


@dataclass(slots=True)
class Stream:
    """
    Rows of a notification stream, ascending.
    """

    conversation_id: str
    rows: list[StoredMessage] = field(default_factory=list)
    is_end: bool = False

    def size(self) -> int:
        """Return the bytes it takes, rather more than less; none without rows."""
        return sum(_size(row) for row in self.rows) + (_PART_BYTES if self.rows else 0)


@dataclass(slots=True)
class Answer:
    """
    Everything that a pull found; `keeps_empty` says whether chats without rows are named, too.
    """

    chats: list[Chat] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    keeps_empty: bool = False

    def size(self) -> int:
        """Return the bytes it takes, rather more than less; names of what is empty aside, which can't be cut."""
        return sum(chat.size() for chat in self.chats) + sum(stream.size() for stream in self.streams)

    def encode(self) -> bytes:
        """Return PullMessageBySeqsResp or GetSeqMessageResp, which have the same fields."""
        chats = {
            chat.conversation_id: PulledMessages([body for _, body in chat.rows], chat.is_end, chat.end_seq)
            for chat in self.chats
            if chat.rows or self.keeps_empty
        }
        streams = {
            stream.conversation_id: PulledMessages([row.body for row in stream.rows], stream.is_end)
            for stream in self.streams
            if stream.rows or self.keeps_empty
        }
        return pull_response(chats, streams)


def encode_within_frame(answer: Answer, *, compressed: bool) -> bytes:
    """
    Return the encoded answer, cut so that a frame can hold it as it is written.

    Args:
        answer: is cut in place.
        compressed: whether the frame will be compressed; then that size counts.
    """
    limit = TARGET_RESPONSE_FRAME_BYTES
    data = answer.encode()
    while (written := _written(data, compressed=compressed)) > limit and answer.size():
        # The rest shrinks like the whole, more or less; a tenth less, so that the loop ends soon.
        cut(answer, len(data) * limit // written * 9 // 10)
        data = answer.encode()
    return data


def cut(answer: Answer, bytes_max: int) -> None:
    """
    Leave out what is missed least until the rest takes at most `bytes_max`.

    Receipts that a later one of the same reader supersedes go first, then the older rows of the largest chats, other receipts,
    whole chats (the largest first), other notifications; revocations and deletions last of all.
    """
    steps: tuple[Callable[[Answer, int], int], ...] = (
        _drop_superseded_receipts,
        _drop_older_rows,
        _drop_receipts,
        _drop_chats,
        _drop_ordinary_notifications,
        _drop_notifications,
    )
    excess = answer.size() - bytes_max
    for step in steps:
        if excess <= 0:
            return
        excess = step(answer, excess)


def superseded(rows: Iterable[StoredMessage]) -> list[StoredMessage]:
    """
    Return those receipts among ascending rows of a stream that the same reader has followed by a later one.
    """
    latest: dict[str, StoredMessage] = {}
    found: list[StoredMessage] = []
    for row in rows:
        if is_receipt(row):
            if row.sender_id in latest:
                found.append(latest[row.sender_id])
            latest[row.sender_id] = row
    return found


def is_receipt(row: StoredMessage) -> bool:
    """
    Tell whether a notification is a read receipt.
    """
    return row.content_type == ContentType.HAS_READ_RECEIPT


# Steps: each returns the bytes that are still too many.


def _drop_superseded_receipts(answer: Answer, excess: int) -> int:
    candidates = [row for stream in answer.streams for row in superseded(stream.rows)]
    return _drop_rows(answer, candidates, excess)


def _drop_receipts(answer: Answer, excess: int) -> int:
    return _drop_rows(answer, [row for stream in answer.streams for row in stream.rows if is_receipt(row)], excess)


def _drop_ordinary_notifications(answer: Answer, excess: int) -> int:
    candidates = [row for stream in answer.streams for row in stream.rows if row.content_type not in _LAST_TO_GO]
    return _drop_rows(answer, candidates, excess)


def _drop_notifications(answer: Answer, excess: int) -> int:
    return _drop_rows(answer, [row for stream in answer.streams for row in stream.rows], excess)


def _drop_rows(answer: Answer, candidates: list[StoredMessage], excess: int) -> int:
    """Drop rows of streams, the oldest first."""
    dropped: set[tuple[str, int]] = set()
    for row in sorted(candidates, key=lambda one: one.send_time):
        if excess <= 0:
            break
        dropped.add((row.conversation_id, row.seq))
        excess -= _size(row)
    for stream in answer.streams:
        stream.rows = [row for row in stream.rows if (row.conversation_id, row.seq) not in dropped]
    return excess


def _drop_older_rows(answer: Answer, excess: int) -> int:
    """Take the oldest row from the largest chat, again and again, but leave each its newest."""
    left = [sorted(chat.rows, reverse=True) for chat in answer.chats]
    dropped: list[set[int]] = [set() for _ in answer.chats]
    largest = [(-chat.size(), number) for number, chat in enumerate(answer.chats) if len(chat.rows) > 1]
    heapq.heapify(largest)
    while largest and excess > 0:
        size, number = heapq.heappop(largest)
        seq, body = left[number].pop()
        dropped[number].add(seq)
        gone = len(body) + _ROW_BYTES
        excess -= gone
        if len(left[number]) > 1:
            heapq.heappush(largest, (size + gone, number))
    for chat, seqs in zip(answer.chats, dropped, strict=True):
        chat.drop_older(seqs)
    return excess


def _drop_chats(answer: Answer, excess: int) -> int:
    """Take all rows from the largest chats."""
    for chat in sorted(answer.chats, key=Chat.size, reverse=True):
        if excess <= 0:
            break
        excess -= chat.size()
        chat.drop_older({seq for seq, _ in chat.rows})
    return excess


def _size(row: StoredMessage) -> int:
    return len(row.body) + _ROW_BYTES


def _written(data: bytes, *, compressed: bool) -> int:
    if len(data) <= TARGET_RESPONSE_FRAME_BYTES or not compressed:
        return len(data)
    return len(compress(data))
