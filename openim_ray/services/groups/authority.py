"""
Who may do what in a group (OpenIM wire, §6.5): one table, which every use case asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.group import Member, Role


class Standing(Enum):
    """
    What somebody is to a group.
    """

    OWNER = "the owner"
    ADMIN = "an admin"
    MEMBER = "an ordinary member"
    STRANGER = "no member"
    APP_ADMIN = "an administrator of the server"
    """May do whatever the owner may; what she is in the group doesn't count."""


class Action(Enum):
    """
    What may be done in a group; where it is done to a member, her role is part of it.
    """

    READ_MEMBERS = "read the member list"
    INVITE = "invite somebody"
    INVITE_PAST_APPROVAL = "let somebody in who would have to apply"
    KICK_MEMBER = "remove an ordinary member"
    KICK_ADMIN = "remove an admin"
    READ_APPLICATIONS = "read applications"
    HANDLE_APPLICATION = "answer an application"
    SET_INFO = "change the group"
    MUTE_GROUP = "mute the group"
    MUTE_MEMBER = "mute an ordinary member"
    MUTE_ADMIN = "mute an admin"
    MUTE_OWNER = "mute the owner"
    SET_OWN_CARD = "change how she is shown in the group"
    SET_CARD_OF_MEMBER = "change how an ordinary member is shown"
    SET_CARD_OF_ADMIN = "change how an admin is shown"
    SET_CARD_OF_OWNER = "change how the owner is shown"
    SET_ROLE = "change the role of a member"
    TRANSFER = "hand the group to another owner"
    DISMISS = "dismiss the group"
    CLEAR = "clear its chat for everybody"


_NOBODY: Final[frozenset[Standing]] = frozenset()
_OWNER: Final = frozenset({Standing.OWNER, Standing.APP_ADMIN})
_STAFF: Final = _OWNER | {Standing.ADMIN}
_MEMBERS: Final = _STAFF | {Standing.MEMBER}

ALLOWED: Final[Mapping[Action, frozenset[Standing]]] = MappingProxyType(
    {
        Action.READ_MEMBERS: _MEMBERS,
        Action.INVITE: _MEMBERS,
        Action.INVITE_PAST_APPROVAL: _STAFF,
        Action.KICK_MEMBER: _STAFF,
        Action.KICK_ADMIN: _OWNER,
        Action.READ_APPLICATIONS: _STAFF,
        Action.HANDLE_APPLICATION: _STAFF,
        Action.SET_INFO: _STAFF,
        Action.MUTE_GROUP: _STAFF,
        Action.MUTE_MEMBER: _STAFF,
        Action.MUTE_ADMIN: _OWNER,
        Action.MUTE_OWNER: _NOBODY,
        Action.SET_OWN_CARD: _MEMBERS,
        Action.SET_CARD_OF_MEMBER: _STAFF,
        Action.SET_CARD_OF_ADMIN: _OWNER,
        Action.SET_CARD_OF_OWNER: _OWNER,
        Action.SET_ROLE: _OWNER,
        Action.TRANSFER: _OWNER,
        Action.DISMISS: _OWNER,
        Action.CLEAR: _OWNER,
    }
)
"""Who may do what. What isn't here is open to everybody: to apply, to leave (not for the owner), to read `GroupInfo`."""

KICK: Final = MappingProxyType({Role.MEMBER: Action.KICK_MEMBER, Role.ADMIN: Action.KICK_ADMIN})
"""The action that a kick is, by the role of who is kicked. The owner is none: that is a wrong argument, not a lack of rights."""

MUTE: Final = MappingProxyType(
    {Role.MEMBER: Action.MUTE_MEMBER, Role.ADMIN: Action.MUTE_ADMIN, Role.OWNER: Action.MUTE_OWNER}
)
"""The action that muting or unmuting is, by the role of who is muted."""

SET_CARD: Final = MappingProxyType(
    {
        Role.MEMBER: Action.SET_CARD_OF_MEMBER,
        Role.ADMIN: Action.SET_CARD_OF_ADMIN,
        Role.OWNER: Action.SET_CARD_OF_OWNER,
    }
)
"""The action that a change of name, picture or `ex` of another member is, by her role."""

_STANDINGS: Final = MappingProxyType(
    {Role.OWNER: Standing.OWNER, Role.ADMIN: Standing.ADMIN, Role.MEMBER: Standing.MEMBER}
)


def standing_of(member: Member | None, *, is_app_admin: bool) -> Standing:
    """
    Return what somebody is to a group.

    Args:
        member: her membership, if she has one.
        is_app_admin: her token is that of an administrator of the server.
    """
    if is_app_admin:
        return Standing.APP_ADMIN
    return _STANDINGS[Role(member.role_level)] if member else Standing.STRANGER


def may(action: Action, standing: Standing) -> bool:
    """
    Tell whether somebody may do something.
    """
    return standing in ALLOWED[action]


def require(action: Action, standing: Standing) -> None:
    """
    Let an action pass; NoPermission otherwise.
    """
    if not may(action, standing):
        raise errors.NoPermission(f"{standing.value} may not {action.value}")
