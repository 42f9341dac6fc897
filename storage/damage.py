"""
What a reader does with a row that isn't what was written, whatever the backend.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from openim_ray.domain.message import DamagedRow
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.envelope import Damaged, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage
    from openim_ray.storage.envelope import Columns

DAMAGED_MAX = 1000
"""So many damaged rows are remembered as reported; beyond it, the oldest would be reported again."""

log = structlog.get_logger(__name__)


class Unsealer:
    """
    Turns rows into messages, and damaged ones into `DamagedRow`s.

    Each damaged row is counted in `damaged_rows`, and reported once in the log of this process (conversation, seq, no content).
    """

    def __init__(self) -> None:
        self._reported: OrderedDict[tuple[str, int], None] = OrderedDict()
        self.damaged_rows = 0

    def unseal(self, conversation_id: ConversationID, rows: Iterable[Columns]) -> list[StoredMessage | DamagedRow]:
        """Return what stands at each row."""
        return [self._unseal(conversation_id, columns) for columns in rows]

    def _unseal(self, conversation_id: ConversationID, columns: Columns) -> StoredMessage | DamagedRow:
        try:
            return unseal(conversation_id, columns)
        except Damaged as damage:
            seq = columns[0]
            self._report(conversation_id, seq, damage)
            return DamagedRow(ConversationSeq(seq))

    def _report(self, conversation_id: str, seq: int, damage: Damaged) -> None:
        place = (conversation_id, seq)
        if place in self._reported:
            return
        self._reported[place] = None
        if len(self._reported) > DAMAGED_MAX:
            self._reported.popitem(last=False)
        self.damaged_rows += 1
        log.error("stored message is damaged", conversation_id=conversation_id, seq=seq, fault=str(damage))
