"""
Token states and read positions.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, delete, select

from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.token_state import KICKED
from openim_ray.ports import TokenRecord
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, is_wanted, wanted
from openim_ray.storage.relational.lookups import Lookup
from openim_ray.storage.relational.state_tables import POSITIONS, TOKENS
from openim_ray.storage.token_rules import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.sql.dml import Insert

    from openim_ray.domain.ids import ConversationID, UserID
    from openim_ray.storage.relational.database import Database

STATES_MAX = 10_000
"""So many token states are remembered between two commits, 300 bytes each; with one more all of them are read again."""

PRUNED_MAX = 500
"""So many expired tokens at most are forgotten at one save."""

_IS_OWNER = and_(
    TOKENS.c.user_id == bindparam("user_id", type_=TEXT),
    TOKENS.c.platform_id == bindparam("platform_id", type_=INTEGER),
)
_TOKENS = select(*(TOKENS.c[name] for name in TokenRecord._fields)).where(_IS_OWNER).order_by(TOKENS.c.id)
_TOKEN_STATE = Lookup(select(TOKENS.c.state).where(TOKENS.c.digest == bindparam("digest", type_=TEXT), _IS_OWNER))
_POSITIONS = select(POSITIONS.c.conversation_id, *(POSITIONS.c[name] for name in ReadPosition._fields)).where(
    POSITIONS.c.user_id == bindparam("user_id", type_=TEXT)
)


def _replace_token(new: Any) -> Insert:
    columns = {name: new.excluded[name] for name in ("user_id", "platform_id", "expires_at")}
    state = case((TOKENS.c.state == KICKED, KICKED), else_=new.excluded.state)
    statement: Insert = new.on_conflict_do_update(index_elements=["digest"], set_={**columns, "state": state})
    return statement


def _replace_position(new: Any) -> Insert:
    columns = {name: new.excluded[name] for name in ReadPosition._fields}
    statement: Insert = new.on_conflict_do_update(index_elements=["user_id", "conversation_id"], set_=columns)
    return statement


_SAVE_TOKEN = Upsert(TOKENS, _replace_token)
_SAVE_POSITION = Upsert(POSITIONS, _replace_position)
# Ordered, so that the index is used: a planner that doesn't know how many have expired would rather look at all.
_EXPIRED = (
    select(TOKENS.c.digest)
    .where(TOKENS.c.expires_at < bindparam("now", type_=INTEGER))
    .order_by(TOKENS.c.expires_at)
    .limit(PRUNED_MAX)
)
_FORGET = delete(TOKENS).where(is_wanted(TOKENS.c.digest))


class RelationalStateReader:
    """
    Looks up tokens and read positions, from any process.
    """

    def __init__(self, database: Database) -> None:
        self._read = database.read
        self._version = database.version
        self._states_version: int | None = None
        self._states: dict[tuple[str, int, str], int | None] = {}
        """What `token_state` has found since the database was at `_states_version`, at which it still is as long as these are used."""
        self._write = database.write
        self._close = database.aclose

    async def aclose(self) -> None:
        """Finish what runs and close the connections."""
        await self._close()

    def counters(self) -> dict[str, int]:
        """See `stores.Counting`."""
        return {}

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """See `ports.TokenReader`."""
        version, key = self._version(), (user_id, platform_id, digest)
        if version is None or version != self._states_version or len(self._states) >= STATES_MAX:
            self._states_version = version
            self._states.clear()
        elif key in self._states:
            return self._states[key]
        state = await self._read_token_state(user_id, platform_id, digest)
        if version is not None and version == self._states_version:
            self._states[key] = state
        return state

    async def _read_token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        token = {"user_id": user_id, "platform_id": platform_id, "digest": digest}
        found = await self._read(lambda connection: _TOKEN_STATE.first(connection, token))
        return found[0] if found else None

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


class RelationalStateStore(RelationalStateReader):
    """
    Writes tokens and read positions: one transaction a call, durable when it returns.

    Args:
        database: where they are.
        clock: Unix seconds; tokens that expired before are forgotten, `PRUNED_MAX` at a save.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        super().__init__(database)
        self._clock = clock

    async def save(
        self,
        tokens: Sequence[TokenRecord] = (),
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]] = (),
    ) -> None:
        """See `ports.StateStore`."""
        rows = {
            (user_id, conversation_id): {"user_id": user_id, "conversation_id": conversation_id, **position._asdict()}
            for user_id, positions_of_user in positions
            for conversation_id, position in positions_of_user.items()
        }
        # In the order of their keys: two that save the same rows at once would else wait for each other.
        sorted_rows = [rows[key] for key in sorted(rows)]
        await self._write(partial(_save, _each_once(tokens), sorted_rows, int(self._clock())))


def _each_once(tokens: Sequence[TokenRecord]) -> list[TokenRecord]:
    records: dict[str, TokenRecord] = {}
    for record in tokens:
        records[record.digest] = merged(records.get(record.digest), record)
    return list(records.values())


def _save(
    tokens: Sequence[TokenRecord], positions: Sequence[Mapping[str, str | int]], now: int, connection: Connection
) -> None:
    if tokens:
        _SAVE_TOKEN.insert_all(connection, [record._asdict() for record in tokens])
    if positions:
        _SAVE_POSITION.insert_all(connection, positions)
    expired = connection.scalars(_EXPIRED, {"now": now}).all()
    if expired:
        connection.execute(_FORGET, wanted(expired))
