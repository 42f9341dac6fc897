"""
What of the directory holds whatever the backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openim_ray.domain.people import User

SYSTEM_LEVELS = frozenset({2, 3})
"""`appMangerLevel` of app admins and notification accounts (OpenIM wire, §4.2)."""

PROFILE = frozenset({"nickname", "face_url", "ex"})
"""What others see of an account."""

CHANGEABLE = PROFILE | {"global_recv_msg_opt"}


def check_changes(changes: Mapping[str, str | int]) -> None:
    """
    Raise ValueError for a field of an account that can't be changed.
    """
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValueError(f"not a changeable field of an account: {', '.join(sorted(unknown))}")


def shows_differently(before: User, after: User) -> bool:
    """
    Tell whether others see a difference between two states of an account, so that the lists that show it take a step.
    """
    return any(getattr(before, field) != getattr(after, field) for field in PROFILE)
