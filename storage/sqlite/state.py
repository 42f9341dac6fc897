"""
Token states and read positions in `state.db`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.sqlite import insert

from openim_ray.domain.message import ReadPosition
from openim_ray.ports import TokenRecord
from openim_ray.storage.sqlite.relational import RelationalReader, RelationalWriter
from openim_ray.storage.sqlite.state_tables import POSITIONS, TOKENS
from openim_ray.storage.sqlite.threads import Threads
from openim_ray.storage.token_rules import KICKED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from openim_ray.domain.ids import ConversationID, UserID

T = TypeVar("T")

READER_THREADS = 2
PRUNED_MAX = 500
"""So many expired tokens at most are forgotten at one save."""

_OWNED = select(TOKENS.c.digest, TOKENS.c.user_id, TOKENS.c.platform_id, TOKENS.c.state, TOKENS.c.expires_at).order_by(
    TOKENS.c.id
)


class SqliteStateReader:
    """
    Looks up tokens and read positions, from any process.
    """

    def __init__(self, path: Path) -> None:
        self._readers = Threads(f"{path.stem}-reader", READER_THREADS, partial(RelationalReader, path))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._readers.aclose()

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """See `ports.TokenReader`."""
        query = select(TOKENS.c.state).where(
            TOKENS.c.digest == digest, TOKENS.c.user_id == user_id, TOKENS.c.platform_id == platform_id
        )
        return await self._read(lambda connection: connection.execute(query).scalar())

    async def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """See `ports.TokenReader`."""
        query = _OWNED.where(TOKENS.c.user_id == user_id, TOKENS.c.platform_id == platform_id)
        return await self._read(lambda connection: [TokenRecord(*row) for row in connection.execute(query)])

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """See `ports.PositionReader`."""
        columns = POSITIONS.c
        query = select(columns.conversation_id, columns.has_read_seq, columns.sent_seen, columns.min_seq).where(
            columns.user_id == user_id
        )
        return await self._read(
            lambda connection: {row[0]: ReadPosition(*row[1:]) for row in connection.execute(query)}
        )

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run(reader: RelationalReader) -> T:
            with reader.snapshot() as connection:
                return query(connection)

        return await self._readers.run(run)


class SqliteStateStore(SqliteStateReader):
    """
    Writes tokens and read positions: one thread, one transaction a call, fsync before it returns.

    Args:
        path: the file.
        clock: Unix seconds; tokens that expired before are forgotten, `PRUNED_MAX` at a save.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(path)
        self._clock = clock
        self._writer = Threads(f"{path.stem}-writer", 1, partial(RelationalWriter, path))

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await super().aclose()
        await self._writer.aclose()

    async def save_tokens(self, records: Sequence[TokenRecord]) -> None:
        """See `ports.StateStore`."""
        await self._write(partial(_save_tokens, records, int(self._clock())))

    async def save_positions(self, user_id: UserID, positions: Mapping[ConversationID, ReadPosition]) -> None:
        """See `ports.StateStore`."""
        rows = [
            {"user_id": user_id, "conversation_id": conversation_id, **position._asdict()}
            for conversation_id, position in positions.items()
        ]
        if rows:
            await self._write(partial(_save_positions, rows))

    async def _write(self, change: Callable[[Connection], None]) -> None:
        def run(writer: RelationalWriter) -> None:
            with writer.transaction() as connection:
                change(connection)

        await self._writer.run(run)


def _save_tokens(records: Sequence[TokenRecord], now: int, connection: Connection) -> None:
    if records:
        new = insert(TOKENS)
        changed = {
            "user_id": new.excluded.user_id,
            "platform_id": new.excluded.platform_id,
            "state": case((TOKENS.c.state == KICKED, KICKED), else_=new.excluded.state),
            "expires_at": new.excluded.expires_at,
        }
        connection.execute(
            new.on_conflict_do_update(index_elements=["digest"], set_=changed), [record._asdict() for record in records]
        )
    expired = select(TOKENS.c.id).where(TOKENS.c.expires_at < now).limit(PRUNED_MAX)
    connection.execute(delete(TOKENS).where(TOKENS.c.id.in_(expired)))


def _save_positions(rows: Sequence[Mapping[str, str | int]], connection: Connection) -> None:
    new = insert(POSITIONS)
    changed = {name: new.excluded[name] for name in ReadPosition._fields}
    connection.execute(
        new.on_conflict_do_update(index_elements=["user_id", "conversation_id"], set_=changed), list(rows)
    )
