"""
How copies are written in Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.ids import ConversationID
from openim_ray.domain.read_position import ReadPosition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def position_fields(positions: Mapping[ConversationID, ReadPosition]) -> list[str]:
    """Return fields and values, one after the other."""
    fields: list[str] = []
    for conversation_id, position in positions.items():
        fields += (conversation_id, ",".join(map(str, position)))
    return fields


def positions_in(fields: Sequence[bytes]) -> dict[ConversationID, ReadPosition] | None:
    """Return what such a list says, None if it makes no sense: somebody else wrote it."""
    try:
        pairs = zip(fields[::2], fields[1::2], strict=True)
        return {
            ConversationID(name.decode()): ReadPosition(*map(int, value.split(b","))) for name, value in pairs if name
        }
    except (ValueError, TypeError):
        return None


def token_state_in(copy: bytes) -> int | None:
    """Return a token's state, None if the copy makes no sense."""
    return int(copy) if copy in (b"0", b"2") else None
