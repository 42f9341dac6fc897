"""
The history in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import Erased
from openim_ray.storage.tombstones import replacement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import DamagedRow, StoredMessage
    from openim_ray.ports import Span


class HistoryTables:
    """
    The synchronous core of `MemoryHistoryStore`; see `ports.HistoryStore` for the meaning of each method.
    """

    def __init__(self) -> None:
        self._rows: dict[ConversationID, dict[int, StoredMessage]] = {}
        self._confirmed: dict[ConversationID, ConversationSeq] = {}

    def confirmed(self, conversation_ids: Iterable[ConversationID]) -> dict[ConversationID, ConversationSeq]:
        """Return up to which seq each history is complete."""
        return {one: self._confirmed[one] for one in conversation_ids if one in self._confirmed}

    def read_range(self, conversation_id: ConversationID, begin: int, end: int, newest: int) -> list[StoredMessage]:
        """Return at most the `newest` highest rows of begin..end, ascending."""
        rows = self._rows.get(conversation_id, {})
        found = [rows[seq] for seq in sorted(rows) if begin <= seq <= end]
        return found[-newest:] if newest > 0 else []

    def read_seqs(self, conversation_id: ConversationID, seqs: Sequence[int]) -> list[StoredMessage]:
        """Return the rows among `seqs`, ascending."""
        rows = self._rows.get(conversation_id, {})
        return [rows[seq] for seq in sorted(set(seqs)) if seq in rows]

    def copy(self, spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        """Keep rows and raise how far histories are complete."""
        for span in spans:
            rows = self._rows.setdefault(span.conversation_id, {})
            for row in span.rows:
                there = rows.get(row.seq)
                if there is None or there.rev < row.rev:
                    rows[row.seq] = row
            confirmed = self._confirmed.get(span.conversation_id, ConversationSeq(0))
            if span.first <= confirmed + 1:
                self._confirmed[span.conversation_id] = ConversationSeq(max(confirmed, span.last))
        return self.confirmed(span.conversation_id for span in spans)

    def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """Replace what concerns a user."""
        found = [replacement(row, user_id) for row in self.read_range(conversation_id, first, last, last)]
        there = [one for one in found if one is not None]
        self._rows.setdefault(conversation_id, {}).update({row.seq: row for row, _ in there})
        return Erased(tuple(row for row, _ in there), sum(is_new for _, is_new in there))


class MemoryHistoryStore:
    """
    `ports.HistoryStore` over `HistoryTables`.
    """

    damaged_rows = 0

    def __init__(self, tables: HistoryTables | None = None) -> None:
        self.tables = tables if tables is not None else HistoryTables()

    async def aclose(self) -> None:
        """Do nothing: the tables live as long as somebody holds them."""

    async def confirmed(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryReader`."""
        return self.tables.confirmed(conversation_ids)

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.HistoryReader`."""
        return self.tables.read_range(conversation_id, begin, end, newest)

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.HistoryReader`."""
        return self.tables.read_seqs(conversation_id, seqs)

    async def copy(self, spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryStore`."""
        return self.tables.copy(spans)

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """See `ports.HistoryStore`."""
        return self.tables.erase(conversation_id, user_id, first, last)

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`; there are no files."""
        return True
