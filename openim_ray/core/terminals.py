"""
On how many devices a user may be logged in: which older logins a new one ends (OpenIM wire, §1.6).

The same rule holds for tokens when one is made, and for connections when one is registered.
"""

from __future__ import annotations

from typing import Final

from openim_ray.protocol.identifiers import PLATFORM_CLASS, Platform, PlatformClass

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
