"""
On how many devices a user may be logged in: which older logins a new one ends (OpenIM wire, §1.6).

The same rule holds for tokens when one is made (`services/auth.py`), and for connections when one is registered (`core/inboxes/inbox.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.protocol.identifiers import PLATFORM_CLASS, Platform, PlatformClass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.ports import TokenRecord

_SAME_PLATFORM: Final = 1
_SAME_CLASS: Final = 4
_ALL_BUT_PC: Final = 5

_SPARED: Final = (PlatformClass.PC, PlatformClass.ADMIN)
"""Left alone by `_ALL_BUT_PC`, and leaving others alone: an administrator's token is no device that she would leave for another."""


def rival_platforms(policy: int, platform: Platform) -> tuple[Platform, ...]:
    """
    Return the platforms on which a new login on `platform` ends older ones.

    Policy 0 ends none, and neither does policy 5 for a PC or an administrator.
    """
    own = PLATFORM_CLASS[platform]
    if policy == _SAME_PLATFORM:
        return (platform,)
    if policy == _SAME_CLASS:
        return tuple(one for one, kind in PLATFORM_CLASS.items() if kind is own)
    if policy == _ALL_BUT_PC and own not in _SPARED:
        return tuple(one for one, kind in PLATFORM_CLASS.items() if kind not in _SPARED)
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
