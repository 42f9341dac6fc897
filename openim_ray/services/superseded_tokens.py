"""
Which tokens end when a new one is made (OpenIM wire, §1.6); the rule itself is `core/terminals.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.ports import TokenRecord


def surplus(records: Sequence[TokenRecord], room_for: int) -> list[TokenRecord]:
    """
    Return the oldest valid tokens of one platform (`records`, oldest first), so that only `room_for` are left.
    """
    valid = [record for record in records if record.state == NORMAL]
    return valid[: max(len(valid) - room_for, 0)]


def kicked(records: Sequence[TokenRecord]) -> list[TokenRecord]:
    """
    Return the records as they are once their tokens have been ended.
    """
    return [record._replace(state=KICKED) for record in records]
