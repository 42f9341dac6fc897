"""
Rows of conversations as a user gets them: dense, with placeholders and read marks (OpenIM wire, §3.5, §7.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from openim_ray.domain.conversation import home_key, is_single_chat
from openim_ray.domain.errors import HistoryUnavailable, Unavailable
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import DamagedRow, StoredMessage, intact
from openim_ray.domain.sequence import is_skipped
from openim_ray.ports import MessageReader
from openim_ray.protocol.messages import marked_read, placeholder

log = structlog.get_logger(__name__)

TOLD_MAX: Final = 1000
"""Conversations whose missing rows are logged by one process, once each; more are not."""

CHUNK_ROWS: Final = 100
"""Rows that are read at once; between two reads the bytes are counted."""


class Found(NamedTuple):
    """
    Rows as they go out, with their seqs; `is_cut` tells whether lower ones were left out, because these take enough bytes.
    """

    rows: list[tuple[int, bytes]]
    is_cut: bool


class RowReader:
    """
    Reads rows, for a user who may see them: that is the caller's business.

    Clients believe a placeholder for ever, so only what is absent gets one. A damaged row is left out without one: its neighbours are
    served, and clients ask for the gap again whenever it is shown (OpenIM wire, §7.5), in case a backup has brought the message back.
    So is a row that the message store must have, and doesn't find: a damaged index hides rows. Seqs that a restore has skipped never had one.

    Messages with the option senderSync=false are given to their sender as well. The option keeps a message from being pushed to
    her; a placeholder in a pull would tell her devices that it is deleted, and they would believe it for ever.

    Args:
        reader: where messages are.
    """

    def __init__(self, reader: MessageReader) -> None:
        self._reader = reader
        self._told: set[str] = set()

    async def newest(self, conversation_id: str, begin: int, end: int) -> bytes | None:
        """
        Return the newest message of begin..end that is stored.
        """
        row = await self._newest(conversation_id, begin, end)
        return None if row is None else _body(row, await self._marks(conversation_id))

    async def run(self, conversation_id: str, begin: int, end: int, bytes_max: int, *, whole: bool) -> Found:
        """
        Return one row per seq of begin..end, ascending. Where they reach `bytes_max`, those before are cut.

        So are those that only the history has, while it can't be read; HistoryUnavailable if none is left then, or a `whole` run is wanted.
        """
        marks = await self._marks(conversation_id)
        found: list[tuple[int, bytes]] = []
        last, is_cut = end, False
        while last >= begin and size_of(found) < bytes_max:
            first = max(begin, last - CHUNK_ROWS + 1)
            try:
                stored = await self._reader.read_range(ConversationID(conversation_id), first, last, CHUNK_ROWS)
            except HistoryUnavailable as away:
                if whole or not begin < away.floor <= end:
                    raise
                begin, is_cut = away.floor, True
                continue
            found = await self._dense(conversation_id, range(first, last + 1), stored, marks) + found
            last = first - 1
        return Found(found, is_cut=is_cut or last >= begin)

    async def picked(self, conversation_id: str, seqs: Sequence[int], bytes_max: int) -> Found:
        """
        Return one row for each of these seqs, in their order. Where the rows reach `bytes_max`, those of lower seqs are cut.

        So are those that only the history has, while it can't be read; HistoryUnavailable if none is left then.
        """
        marks = await self._marks(conversation_id)
        wanted = sorted(set(seqs))
        found: list[tuple[int, bytes]] = []
        is_cut = False
        while wanted and size_of(found) < bytes_max:
            chunk = wanted[-CHUNK_ROWS:]
            try:
                stored = await self._reader.read_seqs(ConversationID(conversation_id), chunk)
            except HistoryUnavailable as away:
                if away.floor > wanted[-1] and not found:
                    raise
                wanted, is_cut = [seq for seq in wanted if seq >= away.floor], True
                continue
            wanted = wanted[:-CHUNK_ROWS]
            found += await self._dense(conversation_id, chunk, stored, marks)
        rows = dict(found)
        return Found([(seq, rows[seq]) for seq in dict.fromkeys(seqs) if seq in rows], is_cut=is_cut or bool(wanted))

    async def stream(self, conversation_id: str, begin: int, end: int) -> list[StoredMessage]:
        """
        Return those notifications of begin..end that are stored, ascending; gaps are harmless there (OpenIM wire, §7.11).
        """
        return intact(await self._reader.read_range(ConversationID(conversation_id), begin, end, end - begin + 1))

    async def stream_rows(self, conversation_id: str, seqs: Sequence[int]) -> list[StoredMessage]:
        """
        Return those notifications among `seqs` that are stored, ascending.
        """
        return intact(await self._reader.read_seqs(ConversationID(conversation_id), sorted(set(seqs))))

    async def _dense(
        self,
        conversation_id: str,
        seqs: Sequence[int],
        stored: Sequence[StoredMessage | DamagedRow],
        marks: Mapping[str, int],
    ) -> list[tuple[int, bytes]]:
        """Fill ascending `seqs`; what the store doesn't have is gone, for it is not above what is durable."""
        by_seq = {int(row.seq): row for row in stored}
        hidden = await self._hidden(conversation_id, [seq for seq in seqs if seq not in by_seq])
        dense: list[tuple[int, bytes]] = []
        before = -1
        time = 0
        for seq in seqs:
            row = by_seq.get(seq)
            if isinstance(row, DamagedRow) or seq in hidden:
                continue
            if row is not None:
                time = row.send_time
                dense.append((seq, _body(row, marks)))
            else:
                if before != seq - 1:
                    time = await self._time_before(conversation_id, seq)
                dense.append((seq, placeholder(seq, time)))
            before = seq
        return dense

    async def _hidden(self, conversation_id: str, absent: Sequence[int]) -> set[int]:
        """
        Return those of ascending seqs without a row that must have one.

        Unavailable if the store has not come to one of them yet, which is durable: a database of which a part was cut off may show an
        older state for some seconds, and a placeholder is for ever.
        """
        if not absent:
            return set()
        head = (await self._reader.heads([ConversationID(conversation_id)])).get(ConversationID(conversation_id))
        if head is None or head.max_seq < absent[-1]:
            raise Unavailable(f"the message store is behind seq {absent[-1]} of {conversation_id}")
        # The floor was asked for after the rows: what is not below it now was not deleted then.
        hidden = {seq for seq in absent if seq >= head.floor and not is_skipped(seq, head.skipped)}
        if hidden:
            self._tell(conversation_id, min(hidden))
        return hidden

    def _tell(self, conversation_id: str, seq: int) -> None:
        if conversation_id not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(conversation_id)
            log.error(
                "the message store does not find a row that it has to have", conversation_id=conversation_id, seq=seq
            )

    async def _time_before(self, conversation_id: str, seq: int) -> int:
        """Return the sendTime of the nearest earlier message, by which clients sort a placeholder; 0 if there is none."""
        row = await self._newest(conversation_id, 1, seq - 1)
        return row.send_time if row else 0

    async def _newest(self, conversation_id: str, begin: int, end: int) -> StoredMessage | None:
        """Return the newest intact row; None if there is none, or none among the newest `CHUNK_ROWS`."""
        for rows_max in (1, CHUNK_ROWS):
            rows = await self._reader.read_range(ConversationID(conversation_id), begin, end, rows_max)
            messages = intact(rows)
            if messages or not rows:
                return messages[-1] if messages else None
        return None

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
