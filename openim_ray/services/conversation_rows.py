"""
Rows of conversations as a user gets them: dense, with placeholders and read marks (OpenIM wire, §3.5, §7.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from openim_ray.domain.conversation import home_key, is_single_chat
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import StoredMessage
from openim_ray.ports import MessageReader
from openim_ray.protocol.messages import marked_read, placeholder

CHUNK_ROWS: Final = 100
"""Rows that are read at once; between two reads the bytes are counted."""


class RowReader:
    """
    Reads rows, for a user who may see them: that is the caller's business.

    Messages with the option senderSync=false are given to their sender as well. The option keeps a message from being pushed to
    her; a placeholder in a pull would tell her devices that it is deleted, and they would believe it for ever.

    Args:
        reader: where messages are.
    """

    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader

    async def newest(self, conversation_id: str, begin: int, end: int) -> bytes | None:
        """
        Return the newest message of begin..end that is stored.
        """
        rows = await self._reader.read_range(ConversationID(conversation_id), begin, end, 1)
        marks = await self._marks(conversation_id) if rows else {}
        return _body(rows[0], marks) if rows else None

    async def run(self, conversation_id: str, begin: int, end: int, bytes_max: int) -> list[tuple[int, bytes]]:
        """
        Return one row per seq of begin..end, ascending. Where they reach `bytes_max`, those before are missing.
        """
        marks = await self._marks(conversation_id)
        found: list[tuple[int, bytes]] = []
        last = end
        while last >= begin and size_of(found) < bytes_max:
            first = max(begin, last - CHUNK_ROWS + 1)
            stored = await self._reader.read_range(ConversationID(conversation_id), first, last, CHUNK_ROWS)
            found = await self._dense(conversation_id, range(first, last + 1), stored, marks) + found
            last = first - 1
        return found

    async def picked(self, conversation_id: str, seqs: Sequence[int], bytes_max: int) -> list[tuple[int, bytes]]:
        """
        Return one row for each of these seqs, in their order. Where the rows reach `bytes_max`, those of lower seqs are missing.
        """
        marks = await self._marks(conversation_id)
        wanted = sorted(set(seqs))
        found: list[tuple[int, bytes]] = []
        while wanted and size_of(found) < bytes_max:
            chunk, wanted = wanted[-CHUNK_ROWS:], wanted[:-CHUNK_ROWS]
            stored = await self._reader.read_seqs(ConversationID(conversation_id), chunk)
            found += await self._dense(conversation_id, chunk, stored, marks)
        rows = dict(found)
        return [(seq, rows[seq]) for seq in dict.fromkeys(seqs) if seq in rows]

    async def stream(self, conversation_id: str, begin: int, end: int) -> list[StoredMessage]:
        """
        Return those notifications of begin..end that are stored, ascending; gaps are harmless there (OpenIM wire, §7.11).
        """
        return await self._reader.read_range(ConversationID(conversation_id), begin, end, end - begin + 1)

    async def stream_rows(self, conversation_id: str, seqs: Sequence[int]) -> list[StoredMessage]:
        """
        Return those notifications among `seqs` that are stored, ascending.
        """
        return await self._reader.read_seqs(ConversationID(conversation_id), sorted(set(seqs)))

    async def _dense(
        self, conversation_id: str, seqs: Sequence[int], stored: Sequence[StoredMessage], marks: Mapping[str, int]
    ) -> list[tuple[int, bytes]]:
        """Fill ascending `seqs`; what the store doesn't have is gone, for it is not above what is durable."""
        by_seq = {int(row.seq): row for row in stored}
        dense: list[tuple[int, bytes]] = []
        before = -1
        time = 0
        for seq in seqs:
            row = by_seq.get(seq)
            if row is not None:
                time = row.send_time
                dense.append((seq, _body(row, marks)))
            else:
                if before != seq - 1:
                    time = await self._time_before(conversation_id, seq)
                dense.append((seq, placeholder(seq, time)))
            before = seq
        return dense

    async def _time_before(self, conversation_id: str, seq: int) -> int:
        """Return the sendTime of the nearest earlier message, by which clients sort a placeholder; 0 if there is none."""
        rows = await self._reader.read_range(ConversationID(conversation_id), 1, seq - 1, 1)
        return rows[0].send_time if rows else 0

    async def _marks(self, conversation_id: str) -> dict[str, int]:
        """Return up to where each reader has read the others' messages; only single chats have such marks."""
        return await self._reader.read_marks(home_key(conversation_id)) if is_single_chat(conversation_id) else {}


def size_of(rows: Sequence[tuple[int, bytes]]) -> int:
    """
    Return the bytes of all rows.
    """
    return sum(len(body) for _, body in rows)


def _body(row: StoredMessage, marks: Mapping[str, int]) -> bytes:
    is_read = any(row.seq <= mark for reader, mark in marks.items() if reader != row.sender_id)
    return marked_read(row.body) if is_read else row.body
