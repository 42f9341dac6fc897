"""
What a request about groups may ask for; beyond it is ArgsError, which names the field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.group import JoinSource, Verification
from openim_ray.domain.ids import GroupID, UserID, group_id_fault
from openim_ray.services.paging import check_text, check_user_id

USERS_PER_CALL_MAX: Final = 1_000
"""Users that one call adds to a group or removes from it: they are one transaction."""

APPLICANTS_PER_CALL_MAX: Final = 100
"""Users that one call proposes as members: each is told of to the staff one by one."""

MEMBER_CHANGES_MAX: Final = 100
"""Members whose data one call changes."""

BATCH_GROUPS_MAX: Final = 500
"""Groups whose member lists one call compares; the official SDK asks for as many."""

ABSTRACTS_MAX: Final = 100
"""Groups of which one call is told number and hash of the members: the hash takes all their ids."""

STAFF_TOLD_MAX: Final = 50
"""Of owner and admins, the first so many are told of an application; the others find it in their list."""

TEXT_BYTES_MAX: Final[Mapping[str, int]] = MappingProxyType(
    {
        "groupName": 1_024,
        "notification": 16_384,
        "introduction": 16_384,
        "faceURL": 16_384,
        "ex": 16_384,
        "nickname": 1_024,
        "reqMessage": 4_096,
        "reason": 4_096,
        "handledMsg": 4_096,
    }
)
"""Texts in UTF-8, by their name in a request."""

_CHOICES: Final[Mapping[str, Collection[int]]] = MappingProxyType(
    {
        "needVerification": tuple(Verification),
        "lookMemberInfo": (0, 1),
        "applyMemberFriend": (0, 1),
        "joinSource": (0, *JoinSource),
    }
)


def check_texts(texts: Mapping[str, str | None]) -> None:
    """
    Check texts by their wire names; None is none.
    """
    for name, text in texts.items():
        check_text(name, text or "", TEXT_BYTES_MAX[name])


def check_choices(values: Mapping[str, int | None]) -> None:
    """
    Check numbers that stand for something, by their wire names; None is none.
    """
    for name, value in values.items():
        if value is not None and value not in _CHOICES[name]:
            raise errors.ArgsError(f"{name} is none of {', '.join(str(int(one)) for one in _CHOICES[name])}")


def check_users(name: str, user_ids: Sequence[str], count_max: int = USERS_PER_CALL_MAX) -> list[UserID]:
    """
    Return the ids, of which there must be at least one, and none twice.
    """
    if not user_ids:
        raise errors.ArgsError(f"{name} is empty")
    if len(user_ids) > count_max:
        raise errors.ArgsError(f"{name} holds more than {count_max} ids")
    if len(set(user_ids)) < len(user_ids):
        raise errors.ArgsError(f"{name} holds the same id twice")
    return [check_user_id(name, one) for one in user_ids]


def check_new_group_id(group_id: str, *, underscore: bool) -> GroupID:
    """
    Return an id that a caller chose for a new group.

    Args:
        group_id: the id.
        underscore: it may hold one.
    """
    fault = group_id_fault(group_id)
    if fault is not None:
        raise errors.ArgsError(fault)
    check_text("groupID", group_id, len(group_id.encode()))
    if "_" in group_id and not underscore:
        raise errors.ArgsError("groupID contains '_'")
    return GroupID(group_id)
