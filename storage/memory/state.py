"""
Token states and read positions in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.storage.text_rules import check_text
from openim_ray.storage.token_rules import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.domain.ids import ConversationID, UserID
    from openim_ray.domain.read_position import ReadPosition
    from openim_ray.ports import TokenRecord


class StateTables:
    """
    The synchronous core of `MemoryStateStore`; see `ports.StateStore` for the meaning of each method.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, TokenRecord] = {}
        self._positions: dict[str, dict[ConversationID, ReadPosition]] = {}

    def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """Return the state of an issued token, None if it was never issued."""
        record = self._tokens.get(digest)
        if record is None or (record.user_id, record.platform_id) != (user_id, platform_id):
            return None
        return record.state

    def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """Return the user's tokens of a platform, oldest first."""
        owner = (user_id, platform_id)
        return [record for record in self._tokens.values() if (record.user_id, record.platform_id) == owner]

    def save(
        self,
        tokens: Sequence[TokenRecord],
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]],
        now: float,
    ) -> None:
        """Save a batch and forget the tokens that expired before `now` (Unix seconds)."""
        for record in tokens:
            check_text(*record)
        for user_id, positions_of_user in positions:
            check_text(user_id, *positions_of_user)
        for record in tokens:
            self._tokens[record.digest] = merged(self._tokens.get(record.digest), record)
        for user_id, positions_of_user in positions:
            self._positions.setdefault(user_id, {}).update(positions_of_user)
        for digest in [record.digest for record in self._tokens.values() if record.expires_at < now]:
            del self._tokens[digest]

    def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """Return all positions that the user has set."""
        return dict(self._positions.get(user_id, {}))


class MemoryStateStore:
    """
    `ports.StateStore` over `StateTables`.

    Args:
        clock: Unix seconds; decides which tokens are expired.
    """

    def __init__(self, tables: StateTables | None = None, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.tables = tables if tables is not None else StateTables()
        self._clock = clock

    async def aclose(self) -> None:
        """Do nothing: the tables live as long as somebody holds them."""

    def counters(self) -> dict[str, int]:
        """See `stores.Counting`."""
        return {}

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """See `ports.TokenReader`."""
        return self.tables.token_state(user_id, platform_id, digest)

    async def tokens(self, user_id: str, platform_id: int) -> list[TokenRecord]:
        """See `ports.TokenReader`."""
        return self.tables.tokens(user_id, platform_id)

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """See `ports.PositionReader`."""
        return self.tables.read_positions(user_id)

    async def save(
        self,
        tokens: Sequence[TokenRecord] = (),
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]] = (),
    ) -> None:
        """See `ports.StateStore`."""
        self.tables.save(tokens, positions, self._clock())
