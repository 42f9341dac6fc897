"""
Users and their relations, as stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from openim_ray.domain.ids import UserID


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
