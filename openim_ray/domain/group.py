"""
Groups, their members, and applications to join, as stored (OpenIM wire, §4.2, §6.5). Times are Unix milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import HandleResult, User

WORKING_GROUP = 2
"""The only `groupType` in use."""

AT_ALL = "AtAllTag"
"""Stands in `atUserIDList` for everybody."""


class GroupStatus(IntEnum):
    """
    `status` of a group.
    """

    OK = 0
    BANNED = 1
    DISMISSED = 2
    MUTED = 3


class Role(IntEnum):
    """
    `roleLevel` of a member.
    """

    MEMBER = 20
    ADMIN = 60
    OWNER = 100


class Verification(IntEnum):
    """
    `needVerification`: who enters directly.
    """

    INVITED_DIRECTLY = 0
    ALL_APPLY = 1
    ALL_DIRECTLY = 2


class JoinSource(IntEnum):
    """
    `joinSource`: how a member came.
    """

    ADMIN = 1
    INVITATION = 2
    SEARCH = 3
    QR_CODE = 4


class AtType(IntEnum):
    """
    `groupAtType` of a conversation row.
    """

    NONE = 0
    ME = 1
    ALL = 2
    ALL_AND_ME = 3
    NOTICE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    A group (`GroupInfo` on the wire). `member_count` and `owner_user_id` are those of the members as they are now; they are not written.
    """

    group_id: GroupID
    group_name: str = ""
    notification: str = ""
    introduction: str = ""
    face_url: str = ""
    create_time: int = 0
    ex: str = ""
    status: int = GroupStatus.OK
    creator_user_id: str = ""
    group_type: int = WORKING_GROUP
    need_verification: int = Verification.INVITED_DIRECTLY
    look_member_info: int = 0
    apply_member_friend: int = 0
    notification_update_time: int = 0
    notification_user_id: str = ""
    member_count: int = 0
    owner_user_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """
    A member of a group. `nickname` and `face_url` are her own in this group, empty if she has none: `user` is shown then.
    """

    group_id: GroupID
    user: User
    role_level: int = Role.MEMBER
    join_time: int = 0
    nickname: str = ""
    face_url: str = ""
    join_source: int = JoinSource.INVITATION
    operator_user_id: str = ""
    ex: str = ""
    mute_end_time: int = 0
    inviter_user_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRequest:
    """
    An application to join; of each (group, user) the newest only.
    """

    group_id: GroupID
    user: User
    handle_result: int = HandleResult.PENDING
    req_msg: str = ""
    handle_msg: str = ""
    req_time: int = 0
    handle_user_id: str = ""
    handle_time: int = 0
    ex: str = ""
    join_source: int = JoinSource.SEARCH
    inviter_user_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChatFacts:
    """
    What admission must know before `sender` may write to a group.
    """

    exists: bool
    status: int = GroupStatus.OK
    role_level: int = 0
    """0: not a member."""

    mute_end_time: int = 0
    sender_is_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """
    What a member may see of the group's log, at most: `min_seq`..`max_seq`.

    `min_seq` 0: that of her row stays. `max_seq` 0: there is no end; who left is cut there.
    """

    user_id: UserID
    min_seq: int = 0
    max_seq: int = 0

    def bounds(self, min_seq: int) -> tuple[int, int]:
        """Return both bounds of a row that had this `min_seq`."""
        return self.min_seq or min_seq, self.max_seq
