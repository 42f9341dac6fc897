"""
What a persistence actor still has to copy from the message store to the history.

Messages never wait for the history: what was stored waits here in bounded number, and what does not fit, or went by while the history
was down, is remembered by conversation only and read from the message store later.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core.sizes import ENTRY_BYTES, Room

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import StoredMessage

CONVERSATIONS_MAX = 100_000
"""So many conversations are remembered as behind; if there are more, all are compared anew when these are done."""


class CopyJob(NamedTuple):
    """
    Rows that were just stored, ascending in each conversation.
    """

    rows: tuple[StoredMessage, ...]


class FillJob(NamedTuple):
    """
    A conversation whose history may lack rows up to a seq; they stand in the message store.
    """

    conversation_id: ConversationID
    through: int


class HistoryLane:
    """
    Decides what is copied next, one job at a time: new rows first, then what is behind.

    Limits: a copy holds `rows_max` rows with `bytes_max` bytes at most; `waiting_rows_max` rows with `waiting_bytes_max` bytes wait.
    """

    def __init__(
        self,
        *,
        rows_max: int,
        bytes_max: int,
        waiting_rows_max: int = 20_000,
        waiting_bytes_max: int = 64 << 20,
        conversations_max: int = CONVERSATIONS_MAX,
    ) -> None:
        self._rows_max = rows_max
        self._bytes_max = bytes_max
        self._conversations_max = conversations_max
        self._room = Room(waiting_rows_max, waiting_bytes_max)
        self._rows: deque[StoredMessage] = deque()
        self._behind: OrderedDict[ConversationID, int] = OrderedDict()
        self._work: CopyJob | FillJob | None = None
        self._down = False
        self._must_compare = True  # what an earlier process had left to do, nobody knows

    @property
    def must_compare(self) -> bool:
        """Whether conversations may be behind that are not known to be, and those that are known are done: time to compare all of them."""
        return self._must_compare and not self._behind

    @property
    def rows_waiting(self) -> int:
        """How many rows wait here."""
        return len(self._rows)

    @property
    def conversations_behind(self) -> int:
        """How many conversations are known to lack rows."""
        return len(self._behind)

    def stored(self, rows: Sequence[StoredMessage]) -> None:
        """Note rows that have become durable in the message store."""
        for row in rows:
            if self._down or row.conversation_id in self._behind or not self._room.enter(_size(row)):
                self.behind(row.conversation_id, row.seq)
            else:
                self._rows.append(row)

    def behind(self, conversation_id: ConversationID, through: int) -> None:
        """Note that the history of a conversation may lack rows up to a seq."""
        if conversation_id not in self._behind and len(self._behind) >= self._conversations_max:
            self._must_compare = True
            return
        self._behind[conversation_id] = max(through, self._behind.get(conversation_id, 0))

    def compare_begins(self) -> None:
        """Note that all conversations are going to be compared, and those that lack something named by `behind`."""
        self._must_compare = False

    def compare_failed(self) -> None:
        """Note that they were not."""
        self._must_compare = True

    def take(self) -> CopyJob | FillJob | None:
        """Return the next job; None while one is in work or nothing is to be done. `done` or `failed` must follow."""
        if self._work is not None:
            return None
        if self._rows:
            self._work = CopyJob(self._take_rows())
        elif self._behind:
            self._work = FillJob(*self._behind.popitem(last=False))
        return self._work

    def _take_rows(self) -> tuple[StoredMessage, ...]:
        rows: list[StoredMessage] = []
        total = 0
        while self._rows and len(rows) < self._rows_max:
            size = _size(self._rows[0])
            total += size
            if rows and total > self._bytes_max:
                break
            self._room.leave(size)
            rows.append(self._rows.popleft())
        return tuple(rows)

    def done(self, confirmed: Mapping[ConversationID, int]) -> None:
        """Note how far the history is confirmed in each conversation of the job; what it lacks still is done again later."""
        job, self._work = self._work, None
        self._down = False
        for conversation_id, through in _wanted(job).items():
            if confirmed.get(conversation_id, 0) < through:
                self.behind(conversation_id, through)

    def set_aside(self) -> None:
        """Note that the conversation of the job can't be completed now; it is looked at again when all are compared."""
        self._work = None
        self._down = False

    def failed(self) -> None:
        """Note that the job was not done: until one is, rows are no longer kept here."""
        job, self._work = self._work, None
        self._down = True
        for conversation_id, through in _wanted(job).items():
            self.behind(conversation_id, through)
        while self._rows:
            row = self._rows.popleft()
            self._room.leave(_size(row))
            self.behind(row.conversation_id, row.seq)


def _size(row: StoredMessage) -> int:
    return ENTRY_BYTES + len(row.body)


def _wanted(job: CopyJob | FillJob | None) -> dict[ConversationID, int]:
    if job is None:
        return {}
    if isinstance(job, FillJob):
        return {job.conversation_id: job.through}
    return {row.conversation_id: row.seq for row in job.rows}
