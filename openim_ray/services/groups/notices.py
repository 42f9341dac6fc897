"""
Notifications of a change of a group: what all of them hold, and how they get into the outbox (OpenIM wire, §5.4).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain.group import Member
from openim_ray.domain.ids import GroupID
from openim_ray.domain.people import User
from openim_ray.protocol.pb.sdkws_pb2 import GroupMemberFullInfo
from openim_ray.services.groups.limits import STAFF_TOLD_MAX
from openim_ray.services.groups.lookups import Operator, existing_group
from openim_ray.services.notifications import notify_group, tell_user, without_clone
from openim_ray.services.wire_views import group_info, group_member_info
from openim_ray.transactions import DirectoryTransaction

MEMBERS_PER_NOTICE_MAX: Final = 50
"""Members that one notification names; the next ones follow in another (OpenIM wire, §6.5)."""

BYTES_PER_NOTICE_MAX: Final = 131_072
"""About so many bytes of members go into one notification; the next ones follow in another."""


class Notices:
    """
    Tells of one change of a group, which must have been put into the transaction before this is made: what the group is now, who acts,
    and where the member list stands goes into every notification.

    Args:
        tx: the transaction of the change.
        operator: who made it.
        group_id: the group.
    """

    def __init__(self, tx: DirectoryTransaction, operator: Operator, group_id: GroupID) -> None:
        self._tx = tx
        self._operator = operator
        self.group_id = group_id
        self.group = existing_group(tx, group_id)
        self._list = tx.member_list_version(group_id)
        self._is_reordered = tx.member_sort_version(group_id) == self._list.version
        self.op_user = self._op_user()

    def put(self, content_type: int, tips: Any, *, clone: bool = True, **effect: object) -> None:
        """
        Notify all members, the sender being who acts.

        Args:
            content_type: its type.
            tips: what only this notification tells.
            clone: there is a line in the chat, if this type has one.
            effect: what it does beyond that, by the names of `core.effects.Effect`.
        """
        self._complete(tips)
        told = notify_group(self._operator.cause, content_type, self._operator.user_id, self.group_id, tips)
        self._put(msgspec.structs.replace(told if clone else without_clone(told), **effect))

    def put_silent(self, **effect: object) -> None:
        """Do something to the log without telling anybody."""
        self._put(Effect(operation_id=self._operator.cause.operation_id, **effect))  # type: ignore[arg-type]

    def put_single(self, content_type: int, tips: Any, receivers: Sequence[tuple[str, int]]) -> None:
        """
        Notify users one by one: all tips have the same `uuid`.

        Args:
            content_type: the type.
            tips: what it tells; completed here.
            receivers: user id and `receiverAs` (0 the applicant, 1 who handles applications), where the tips have that.
        """
        self._complete(tips)
        tips.uuid = str(uuid.uuid4())
        for receiver, receiver_as in receivers:
            if "receiverAs" in tips.DESCRIPTOR.fields_by_name:
                tips.receiverAs = receiver_as
            tell_user(self._tx, self._operator.cause, content_type, self._operator.user_id, receiver, tips)

    def staff(self) -> list[str]:
        """Return who hears of applications: the owner, then admins."""
        return [member.user.user_id for member in self._tx.staff(self.group_id)[:STAFF_TOLD_MAX]]

    def _put(self, effect: Effect) -> None:
        self._tx.put_effect(self.group_id, encode_effect(effect), self._operator.now_ms)

    def _complete(self, tips: Any) -> None:
        fields = tips.DESCRIPTOR.fields_by_name
        tips.group.CopyFrom(group_info(self.group))
        if "opUser" in fields:
            tips.opUser.CopyFrom(self.op_user)
        if "operationTime" in fields:
            tips.operationTime = self._operator.now_ms
        if "groupMemberVersion" in fields:
            tips.groupMemberVersion = self._list.version
            tips.groupMemberVersionID = self._list.version_id
        if "groupSortVersion" in fields and self._is_reordered:
            # Any other than 0 makes each client that is online fetch the ids of all members (OpenIM wire, §6.6.2).
            tips.groupSortVersion = self._list.version

    def _op_user(self) -> GroupMemberFullInfo:
        user_id = self._operator.user_id
        member = self._tx.members(self.group_id, [user_id]).get(user_id)
        if member is not None:
            return group_member_info(member)
        user = self._tx.users([user_id]).get(user_id)
        return _stranger_info(self.group_id, user) if user else GroupMemberFullInfo(userID=user_id)


def batches(members: Sequence[Member]) -> Iterator[list[Member]]:
    """
    Yield members in their order, as many at a time as one notification may name.
    """
    batch: list[Member] = []
    size = 0
    for member in members:
        own = group_member_info(member).ByteSize()
        if batch and (len(batch) == MEMBERS_PER_NOTICE_MAX or size + own > BYTES_PER_NOTICE_MAX):
            yield batch
            batch, size = [], 0
        batch.append(member)
        size += own
    if batch:
        yield batch


def member_infos(members: Sequence[Member]) -> list[GroupMemberFullInfo]:
    """
    Return members as the wire has them.
    """
    return [group_member_info(member) for member in members]


def _stranger_info(group_id: str, user: User) -> GroupMemberFullInfo:
    """Return who acts on a group without being in it."""
    return GroupMemberFullInfo(
        groupID=group_id,
        userID=user.user_id,
        nickname=user.nickname,
        faceURL=user.face_url,
        appMangerLevel=user.app_manager_level,
    )
