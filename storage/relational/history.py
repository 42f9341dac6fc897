"""
The history: every message for ever, behind the message store.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, LargeBinary, bindparam, func, or_, select

from openim_ray.domain.sequence import ConversationSeq
from openim_ray.ports import Erased
from openim_ray.storage.damage import Unsealer
from openim_ray.storage.envelope import seal
from openim_ray.storage.relational.dialects import TEXT, Upsert, is_wanted, wanted
from openim_ray.storage.relational.history_tables import MESSAGES, POSITIONS
from openim_ray.storage.tombstones import replacements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import Insert

    from openim_ray.domain.ids import ConversationID
    from openim_ray.domain.message import DamagedRow, StoredMessage
    from openim_ray.ports import Span
    from openim_ray.storage.envelope import Columns
    from openim_ray.storage.relational.database import Database

    Row = dict[str, str | int | bytes]
    InsertRows = Callable[[Connection, Sequence[Row]], None]

INTEGER_MAX = (1 << 63) - 1

_NAMES = ("seq", "sender_id", "client_id", "server_id", "send_time", "rev", "envelope")
_ROWS = select(*(MESSAGES.c[name] for name in _NAMES)).where(
    MESSAGES.c.conversation_id == bindparam("conversation_id", type_=TEXT)
)
_RANGE = (
    _ROWS.where(
        MESSAGES.c.seq >= bindparam("first", type_=BigInteger), MESSAGES.c.seq <= bindparam("last", type_=BigInteger)
    )
    .order_by(MESSAGES.c.seq.desc())
    .limit(bindparam("newest", type_=BigInteger))
)
_SEQS = _ROWS.where(MESSAGES.c.seq.in_(bindparam("seqs", expanding=True, type_=BigInteger))).order_by(MESSAGES.c.seq)
_CONFIRMED = select(POSITIONS.c.conversation_id, POSITIONS.c.confirmed).where(is_wanted(POSITIONS.c.conversation_id))

SEQS_AT_ONCE = 500
"""Of one query; more become several queries."""

ERASED_AT_ONCE = 200
"""Rows that one transaction replaces."""

_LONG_TYPE = b"\x94\xcd"

_CONCERNING = (
    _ROWS.where(
        MESSAGES.c.seq >= bindparam("first", type_=BigInteger),
        MESSAGES.c.seq <= bindparam("last", type_=BigInteger),
        # Notifications are those whose content type takes two bytes (`storage.envelope`).
        or_(
            MESSAGES.c.sender_id == bindparam("user_id", type_=TEXT),
            func.substr(MESSAGES.c.envelope, 6, 2) == bindparam("long_type", _LONG_TYPE, type_=LargeBinary),
        ),
    )
    .order_by(MESSAGES.c.seq)
    .limit(ERASED_AT_ONCE)
)


def newer_row(new: Any) -> Insert:
    """
    Let an insert of a message replace one with a lower `rev`.
    """
    columns = {name: new.excluded[name] for name in _NAMES if name != "seq"}
    statement: Insert = new.on_conflict_do_update(
        index_elements=["conversation_id", "seq"], set_=columns, where=MESSAGES.c.rev < new.excluded.rev
    )
    return statement


def _new_position(new: Any) -> Insert:
    statement: Insert = new.on_conflict_do_update(
        index_elements=["conversation_id"], set_={"confirmed": new.excluded.confirmed}
    )
    return statement


_INSERT = Upsert(MESSAGES, newer_row)
_CONFIRM = Upsert(POSITIONS, _new_position)


class RelationalHistoryReader:
    """
    Reads the history, from any process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = Unsealer()

    @property
    def damaged_rows(self) -> int:
        """How many different damaged rows it has met."""
        return self._rows.damaged_rows

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._database.aclose()

    async def confirmed(self, conversation_ids: Sequence[ConversationID]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryReader`."""
        return await self._database.read(partial(_confirmed, conversation_ids))

    async def read_range(
        self, conversation_id: ConversationID, begin: int, end: int, newest: int
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.HistoryReader`."""
        window = {"first": max(begin, 0), "last": min(end, INTEGER_MAX), "newest": min(max(newest, 0), INTEGER_MAX)}
        if window["first"] > window["last"]:
            return []
        wanted_rows = {"conversation_id": conversation_id, **window}
        rows = await self._database.read(
            lambda connection: [_columns(row) for row in connection.execute(_RANGE, wanted_rows)]
        )
        return self._rows.unseal(conversation_id, reversed(rows))

    async def read_seqs(
        self, conversation_id: ConversationID, seqs: Sequence[int]
    ) -> Sequence[StoredMessage | DamagedRow]:
        """See `ports.HistoryReader`."""
        rows = await self._database.read(partial(_read_seqs, conversation_id, seqs))
        return self._rows.unseal(conversation_id, rows)


class RelationalHistoryStore(RelationalHistoryReader):
    """
    Writes the history.

    Args:
        insert_rows: inserts rows, or replaces those with a lower `rev`; the fastest way that the database knows.
    """

    def __init__(self, database: Database, insert_rows: InsertRows | None = None) -> None:
        super().__init__(database)
        self._insert_rows = insert_rows or _insert_rows

    async def copy(self, spans: Sequence[Span]) -> dict[ConversationID, ConversationSeq]:
        """See `ports.HistoryStore`; one transaction."""
        # A row may come twice: a write that was repeated because its answer was lost. One statement takes a key once.
        newest: dict[tuple[str, int], StoredMessage] = {}
        for row in (row for span in spans for row in span.rows):
            there = newest.setdefault((row.conversation_id, row.seq), row)
            if there.rev < row.rev:
                newest[row.conversation_id, row.seq] = row
        rows = [_row(row) for row in newest.values()]
        return await self._database.write(partial(self._copy, spans, rows))

    async def erase(self, conversation_id: ConversationID, user_id: str, first: int, last: int) -> Erased:
        """See `ports.HistoryStore`; a transaction for some rows at a time."""
        rows: list[StoredMessage] = []
        replaced = 0
        begin: int | None = max(first, 0)
        while begin is not None:
            window = {"first": begin, "last": min(last, INTEGER_MAX)}
            page, begin = await self._database.write(partial(self._erase, conversation_id, user_id, window))
            rows += page.rows
            replaced += page.replaced
        return Erased(tuple(rows), replaced)

    async def scrub(self) -> bool:
        """See `ports.HistoryStore`."""
        return await self._database.scrub()

    def _erase(
        self, conversation_id: ConversationID, user_id: str, window: Mapping[str, int], connection: Connection
    ) -> tuple[Erased, int | None]:
        wanted_rows = {"conversation_id": conversation_id, "user_id": user_id, **window}
        there = [_columns(row) for row in connection.execute(_CONCERNING, wanted_rows)]
        found = [replacement for _, replacement in replacements(conversation_id, there, user_id)]
        changed = [_row(row) for row, is_new in found if is_new]
        if changed:
            self._insert_rows(connection, changed)
        rest = there[-1][0] + 1 if len(there) == ERASED_AT_ONCE else None
        return Erased(tuple(row for row, _ in found), len(changed)), rest

    def _copy(
        self, spans: Sequence[Span], rows: Sequence[Row], connection: Connection
    ) -> dict[ConversationID, ConversationSeq]:
        if rows:
            self._insert_rows(connection, rows)
        before = _confirmed([span.conversation_id for span in spans], connection)
        after = _continued(before, spans)
        raised = [
            {"conversation_id": conversation_id, "confirmed": seq}
            for conversation_id, seq in after.items()
            if seq > before.get(conversation_id, 0)
        ]
        if raised:
            _CONFIRM.insert_all(connection, raised)
        return after


def _continued(
    confirmed: dict[ConversationID, ConversationSeq], spans: Iterable[Span]
) -> dict[ConversationID, ConversationSeq]:
    after = dict(confirmed)
    for span in spans:
        complete = after.get(span.conversation_id, ConversationSeq(0))
        if span.first <= complete + 1:
            after[span.conversation_id] = ConversationSeq(max(complete, span.last))
    return after


def _confirmed(
    conversation_ids: Sequence[ConversationID], connection: Connection
) -> dict[ConversationID, ConversationSeq]:
    return {row[0]: ConversationSeq(row[1]) for row in connection.execute(_CONFIRMED, wanted(conversation_ids))}


def _read_seqs(conversation_id: str, seqs: Sequence[int], connection: Connection) -> list[Columns]:
    within = sorted({seq for seq in seqs if 0 < seq <= INTEGER_MAX})
    rows: list[Columns] = []
    for begin in range(0, len(within), SEQS_AT_ONCE):
        part = {"conversation_id": conversation_id, "seqs": within[begin : begin + SEQS_AT_ONCE]}
        rows += [_columns(row) for row in connection.execute(_SEQS, part)]
    return rows


def _insert_rows(connection: Connection, rows: Sequence[Row]) -> None:
    _INSERT.insert_all(connection, rows)


def _row(row: StoredMessage) -> Row:
    return {
        "conversation_id": row.conversation_id,
        "seq": row.seq,
        "sender_id": row.sender_id,
        "client_id": row.client_id.encode(),
        "server_id": row.server_id,
        "send_time": row.send_time,
        "rev": row.rev,
        "envelope": seal(row),
    }


def _columns(row: Any) -> Columns:
    seq, sender_id, client_id, server_id, send_time, rev, envelope = row
    return seq, sender_id, bytes(client_id).decode("utf-8", "replace"), server_id, send_time, rev, bytes(envelope)
