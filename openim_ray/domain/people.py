"""
Users and their relations, as stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from openim_ray.domain.ids import UserID


class UserStatus(IntEnum):
    """
    What may become of an account. The wire knows none of it: a disabled user is refused at login, an erased one is a neutral profile.
    """

    ACTIVE = 0
    DISABLED = 1
    ERASED = 2


class HandleResult(IntEnum):
    """
    What became of an application, `handleResult` on the wire (OpenIM wire, §4.2).
    """

    REFUSED = -1
    PENDING = 0
    AGREED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """
    An account (`UserInfo` on the wire, OpenIM wire, Appendix A). Times are Unix milliseconds.
    """

    user_id: UserID
    nickname: str = ""
    face_url: str = ""
    ex: str = ""
    create_time: int = 0
    app_manager_level: int = 0
    global_recv_msg_opt: int = 0
    status: int = UserStatus.ACTIVE


_SHOWN = ("nickname", "face_url", "ex")


def shows_differently(before: User, after: User) -> bool:
    """
    Tell whether others see a difference between two states of an account.
    """
    return any(getattr(before, field) != getattr(after, field) for field in _SHOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Friend:
    """
    One direction of a friendship: `friend` stands in the list of `owner_user_id`.
    """

    owner_user_id: UserID
    friend: User
    remark: str = ""
    create_time: int = 0
    add_source: int = 0
    operator_user_id: str = ""
    ex: str = ""
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """
    An entry of a user's black list.
    """

    owner_user_id: UserID
    blocked: User
    create_time: int = 0
    add_source: int = 0
    operator_user_id: str = ""
    ex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleChatFacts:
    """
    What admission must know of a directed pair before `sender` may write to `receiver`.
    """

    receiver_exists: bool
    blocked_by_receiver: bool
    receiver_global_option: int
    receiver_conversation_option: int
    sender_is_system: bool
    """The sender is an app admin or a notification account: block list and options don't apply."""
    are_friends: bool = False
    """The sender stands in the receiver's friend list."""
    friends_only: bool = False
    """Messages of others are refused (`[relations] friends_only`); no store knows, whoever reads the facts adds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FriendRequest:
    """
    An application for friendship; of each directed pair the newest only. Times are Unix milliseconds.
    """

    from_user: User
    to_user: User
    handle_result: int = HandleResult.PENDING
    req_msg: str = ""
    create_time: int = 0
    handler_user_id: str = ""
    handle_msg: str = ""
    handle_time: int = 0
    ex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCommand:
    """
    A thing that a user keeps for herself, a favourite for example (`process_user_command_*`, OpenIM wire, §6.3).

    `create_time` is in Unix seconds, as recorded from the official server (OpenIM wire, Appendix D).
    """

    user_id: UserID
    kind: int
    uuid: str
    value: str = ""
    ex: str = ""
    create_time: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileAnnouncement:
    """
    How far others have been told that an account changed: friends first, then groups, each by ascending ids.

    `is_nickname_new`, `is_face_new`: which of what groups show has changed. `created_ms` is when it changed, `moved_ms` when the last page was
    told; both wall clock.
    """

    user_id: UserID
    operation_id: str
    created_ms: int
    moved_ms: int
    is_nickname_new: bool = False
    is_face_new: bool = False
    are_friends_told: bool = False
    told_through: str = ""
