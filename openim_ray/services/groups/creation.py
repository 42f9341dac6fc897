"""
Groups are made (OpenIM wire, §6.5).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.group import WORKING_GROUP, Group, JoinSource, Member, Role
from openim_ray.domain.ids import ConversationID, GroupID
from openim_ray.domain.people import User, UserStatus
from openim_ray.ports import MessageReader
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import GroupCreatedTips, GroupInfoSetAnnouncementTips
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.limits import (
    USERS_PER_CALL_MAX,
    check_choices,
    check_new_group_id,
    check_texts,
    check_users,
)
from openim_ray.services.groups.lookups import Operator, existing_group
from openim_ray.services.groups.notices import Notices, batches, member_infos
from openim_ray.services.groups.seats import LogEnd, seat
from openim_ray.transactions import DirectoryTransaction, PeopleView

IDS_TRIED_MAX: Final = 8
"""Generated ids that are tried; all of them taken is as good as impossible, and answered as a temporary failure."""

_FIRST_ID: Final = 1_000_000_000
_IDS: Final = 9_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGroup:
    """
    A group to be made. Of `group`, what callers choose counts; an empty id is generated.
    """

    group: Group
    owner_id: str
    admin_ids: Sequence[str] = ()
    member_ids: Sequence[str] = ()
    in_chat: bool = True
    """Its creation is a line in the chat."""

    @property
    def user_ids(self) -> list[str]:
        """Return all who are in it: the owner, admins, ordinary members."""
        return [self.owner_id, *self.admin_ids, *self.member_ids]


class GroupCreation:
    """
    Makes groups.

    Args:
        changes: runs changes.
        messages: knows which logs there are.
        members_max: members of a group.
    """

    def __init__(self, changes: DirectoryChanges, messages: MessageReader, members_max: int) -> None:
        self._changes = changes
        self._messages = messages
        self._members_max = members_max

    async def create(self, operator: Operator, new: NewGroup) -> Group:
        """
        Make a group with its members, and tell them: 1501, and 1519 if it has an announcement.

        Raises:
            ArgsError: no owner, a user twice, too many, another type of group than 2, a text too long, an id that is not allowed.
            UserIDNotFound: one of them doesn't exist.
            GroupIDExisted: the id is taken.
        """
        self._check(new)
        ids = await self._ids(operator, new.group.group_id)
        return await self._changes.commit(partial(_create, operator, new, ids))

    def _check(self, new: NewGroup) -> None:
        group = new.group
        if group.group_type != WORKING_GROUP:
            raise errors.ArgsError("groupType: group type only supports 2")
        if not new.owner_id:
            raise errors.ArgsError("ownerUserID is empty")
        check_users("memberUserIDs with adminUserIDs and ownerUserID", new.user_ids, USERS_PER_CALL_MAX + 1)
        if len(new.user_ids) > self._members_max:
            raise errors.ArgsError(
                f"memberUserIDs: the group would have more than {self._members_max} members (groups.members_max)"
            )
        check_texts(
            {
                "groupName": group.group_name,
                "notification": group.notification,
                "introduction": group.introduction,
                "faceURL": group.face_url,
                "ex": group.ex,
            }
        )
        check_choices(
            {
                "needVerification": group.need_verification,
                "lookMemberInfo": group.look_member_info,
                "applyMemberFriend": group.apply_member_friend,
            }
        )

    async def _ids(self, operator: Operator, chosen: str) -> list[GroupID]:
        """Return the ids to try, in their order."""
        if not chosen:
            return [GroupID(str(_FIRST_ID + secrets.randbelow(_IDS))) for _ in range(IDS_TRIED_MAX)]
        group_id = check_new_group_id(chosen, underscore=operator.is_app_admin)
        if "_" in group_id and await self._messages.heads(_streams_of(group_id)):
            raise errors.ArgsError("groupID contains '_' and is how the chat of two users is placed")
        return [group_id]


def _streams_of(group_id: GroupID) -> list[ConversationID]:
    """Return the streams that share the home of a group with this id, its own chat aside."""
    return [ConversationID(f"{segment}_{group_id}") for segment in ("si", "sn", "n")]


def _create(operator: Operator, new: NewGroup, ids: Sequence[GroupID], tx: DirectoryTransaction) -> Group:
    users = existing_users(tx, new.user_ids)
    group_id = _free_id(tx, ids)
    tx.put_group(_group(operator, new, group_id))
    members = list(_members(operator, new, group_id, users))
    seat(tx, group_id, members, LogEnd(0, with_history=True))
    notices = Notices(tx, operator, group_id)
    shown = next(batches(members))
    created = GroupCreatedTips(memberList=member_infos(shown), groupOwnerUser=member_infos(members[:1])[0])
    joined = [member.user.user_id for member in members]
    notices.put(ContentType.GROUP_CREATED, created, clone=new.in_chat, joined=joined, forget_facts=True)
    if notices.group.notification:
        notices.put(ContentType.GROUP_ANNOUNCEMENT_SET, GroupInfoSetAnnouncementTips(), clone=new.in_chat)
    return existing_group(tx, group_id)


def _free_id(tx: DirectoryTransaction, ids: Sequence[GroupID]) -> GroupID:
    taken = tx.groups(ids)
    for group_id in ids:
        if group_id not in taken:
            return group_id
    if len(ids) == 1:
        raise errors.GroupIDExisted("groupID is taken")
    raise errors.Overloaded("no free group id was found; try again")


def _group(operator: Operator, new: NewGroup, group_id: GroupID) -> Group:
    announced = bool(new.group.notification)
    return replace(
        new.group,
        group_id=group_id,
        create_time=operator.now_ms,
        creator_user_id=operator.user_id,
        notification_update_time=operator.now_ms if announced else 0,
        notification_user_id=operator.user_id if announced else "",
    )


def _members(operator: Operator, new: NewGroup, group_id: GroupID, users: dict[str, User]) -> Iterator[Member]:
    roles = ((Role.OWNER, [new.owner_id]), (Role.ADMIN, new.admin_ids), (Role.MEMBER, new.member_ids))
    for role, user_ids in roles:
        for user_id in user_ids:
            yield Member(
                group_id=group_id,
                user=users[user_id],
                role_level=role,
                join_time=operator.now_ms,
                join_source=JoinSource.INVITATION,
                operator_user_id=operator.user_id,
                inviter_user_id=operator.user_id,
            )


def existing_users(view: PeopleView, user_ids: Sequence[str]) -> dict[str, User]:
    """
    Return accounts by id; UserIDNotFound names the first that doesn't exist, or is erased.
    """
    users = view.users(user_ids)
    for user_id in user_ids:
        if user_id not in users or users[user_id].status == UserStatus.ERASED:
            raise errors.UserIDNotFound(f"no such user: {user_id}")
    return users
