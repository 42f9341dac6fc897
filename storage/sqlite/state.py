"""
Token states and read positions in `state.db`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import and_, bindparam, case, delete, select
from sqlalchemy.dialects.sqlite import insert

from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.token_state import KICKED
from openim_ray.ports import TokenRecord
from openim_ray.storage.sqlite.relational import RelationalReader, RelationalWriter
from openim_ray.storage.sqlite.state_tables import POSITIONS, TOKENS
from openim_ray.storage.sqlite.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from openim_ray.domain.ids import ConversationID, UserID

T = TypeVar("T")

READER_THREADS = 2
PRUNED_MAX = 500
"""So many expired tokens at most are forgotten at one save."""

_IS_OWNER = and_(TOKENS.c.user_id == bindparam("user_id"), TOKENS.c.platform_id == bindparam("platform_id"))
_TOKENS = select(*(TOKENS.c[name] for name in TokenRecord._fields)).where(_IS_OWNER).order_by(TOKENS.c.id)
_TOKEN_STATE = select(TOKENS.c.state).where(TOKENS.c.digest == bindparam("digest"), _IS_OWNER)
_POSITIONS = select(POSITIONS.c.conversation_id, *(POSITIONS.c[name] for name in ReadPosition._fields)).where(
    POSITIONS.c.user_id == bindparam("user_id")
)

_NEW_TOKEN = insert(TOKENS)
_SAVE_TOKEN = _NEW_TOKEN.on_conflict_do_update(
    index_elements=["digest"],
    set_={
        "user_id": _NEW_TOKEN.excluded.user_id,
        "platform_id": _NEW_TOKEN.excluded.platform_id,
        "state": case((TOKENS.c.state == KICKED, KICKED), else_=_NEW_TOKEN.excluded.state),
        "expires_at": _NEW_TOKEN.excluded.expires_at,
    },
)
_EXPIRED = select(TOKENS.c.id).where(TOKENS.c.expires_at < bindparam("now")).limit(PRUNED_MAX)
_FORGET = delete(TOKENS).where(TOKENS.c.id.in_(_EXPIRED))

_NEW_POSITION = insert(POSITIONS)
_SAVE_POSITION = _NEW_POSITION.on_conflict_do_update(
    index_elements=["user_id", "conversation_id"],
    set_={name: _NEW_POSITION.excluded[name] for name in ReadPosition._fields},
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
        token = {"user_id": user_id, "platform_id": platform_id, "digest": digest}
        return await self._read(lambda connection: connection.execute(_TOKEN_STATE, token).scalar())

    async def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """See `ports.TokenReader`."""
        owner = {"user_id": user_id, "platform_id": platform_id}
        return await self._read(lambda connection: [TokenRecord(*row) for row in connection.execute(_TOKENS, owner)])

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """See `ports.PositionReader`."""
        owner = {"user_id": user_id}
        return await self._read(
            lambda connection: {row[0]: ReadPosition(*row[1:]) for row in connection.execute(_POSITIONS, owner)}
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
        connection.execute(_SAVE_TOKEN, [record._asdict() for record in records])
    connection.execute(_FORGET, {"now": now})


def _save_positions(rows: Sequence[Mapping[str, str | int]], connection: Connection) -> None:
    connection.execute(_SAVE_POSITION, rows)
