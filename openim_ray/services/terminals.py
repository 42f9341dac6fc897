"""
How many devices a user may be logged in on: which older tokens a new one ends (OpenIM wire, §1.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openim_ray.ports import TokenRecord
from openim_ray.protocol.identifiers import PLATFORM_CLASS, Platform, PlatformClass

NORMAL: Final = 0
KICKED: Final = 2
"""States of a token that this server gives out or sets."""

_SAME_PLATFORM: Final = 1
_SAME_CLASS: Final = 4
_ALL_BUT_PC: Final = 5


def rival_platforms(policy: int, platform: Platform) -> tuple[Platform, ...]:
    """
    Return the platforms on which a new login on `platform` ends older ones.

    Policy 0 ends none, and neither does policy 5 for a PC.
    """
    own = PLATFORM_CLASS[platform]
    if policy == _SAME_PLATFORM:
        return (platform,)
    if policy == _SAME_CLASS:
        return tuple(one for one, kind in PLATFORM_CLASS.items() if kind is own)
    if policy == _ALL_BUT_PC and own is not PlatformClass.PC:
        spared = (PlatformClass.PC, PlatformClass.ADMIN)
        return tuple(one for one, kind in PLATFORM_CLASS.items() if kind not in spared)
    return ()


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
