"""Groups that are changed as services do it: in a transaction of the directory, with effects in the outbox."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from openim_ray.core.effects import encode_effect
from openim_ray.domain.conversation import Conversation, SessionType, group_chat_id
from openim_ray.domain.group import Cut, Group, GroupStatus, Member, Role
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.ports import DirectoryStore
from openim_ray.protocol.pb.sdkws_pb2 import GroupCreatedTips, GroupInfoSetTips, MemberInvitedTips, MemberQuitTips
from openim_ray.services.notifications import Cause, notify_group, without_clone
from openim_ray.transactions import DirectoryTransaction

T = TypeVar("T")

CREATED: Final = 1501
INFO_SET: Final = 1502
QUIT: Final = 1504
INVITED: Final = 1509


class DirectoryGroup:
    """
    One group. Its owner hears of changes by the sweep of the inbox actor: nobody pokes it.
    """

    def __init__(self, directory: DirectoryStore, owner_id: str) -> None:
        self.group_id = GroupID(str(uuid.uuid4().int)[:10])
        self.chat = group_chat_id(self.group_id)
        self._directory = directory
        self._owner_id = owner_id

    async def create(self, *member_ids: str) -> None:
        """Make it, with these members besides its owner."""

        def use_case(tx: DirectoryTransaction) -> None:
            tx.put_group(Group(group_id=self.group_id, group_name="group", creator_user_id=self._owner_id))
            self._add(tx, [self._owner_id], Role.OWNER)
            self._add(tx, member_ids)
            effect = notify_group(self._cause(), CREATED, self._owner_id, self.group_id, GroupCreatedTips())
            joined = [self._owner_id, *member_ids]
            tx.put_effect(self.group_id, encode_effect(msgspec.structs.replace(effect, joined=joined)), _now_ms())

        await self._directory.change(use_case)

    async def invite(self, *user_ids: str, with_history: bool = True) -> None:
        """Add members."""

        def use_case(tx: DirectoryTransaction) -> None:
            self._add(tx, user_ids)
            effect = notify_group(self._cause(), INVITED, self._owner_id, self.group_id, MemberInvitedTips())
            effect = msgspec.structs.replace(effect, joined=list(user_ids), with_history=with_history)
            tx.put_effect(self.group_id, encode_effect(effect), _now_ms())

        await self._directory.change(use_case)

    async def quit(self, user_id: str, head: int, *, in_chat: bool = True) -> None:
        """Let a member go; `head` is the newest seq that is known. `in_chat`: that is a line in the chat."""

        def use_case(tx: DirectoryTransaction) -> None:
            tx.delete_member(self.group_id, user_id)
            tx.cut(self.chat, self.group_id, [Cut(user_id=UserID(user_id), max_seq=max(head, 1))])
            told = notify_group(self._cause(user_id), QUIT, user_id, self.group_id, MemberQuitTips())
            effect = told if in_chat else without_clone(told)
            effect = msgspec.structs.replace(effect, left=[user_id], also=[user_id], forget_facts=True)
            tx.put_effect(self.group_id, encode_effect(effect), _now_ms())

        await self._directory.change(use_case)

    async def set_status(self, status: GroupStatus) -> None:
        """Mute it, or let everybody write again."""

        def use_case(tx: DirectoryTransaction) -> None:
            group = tx.groups([self.group_id])[self.group_id]
            tx.put_group(Group(group_id=group.group_id, group_name=group.group_name, status=status))
            effect = notify_group(self._cause(), INFO_SET, self._owner_id, self.group_id, GroupInfoSetTips())
            effect = msgspec.structs.replace(effect, forget_facts=True)
            tx.put_effect(self.group_id, encode_effect(effect), _now_ms())

        await self._directory.change(use_case)

    async def waiting(self) -> int:
        """Return how many effects wait for it."""
        return len(await self._directory.view(lambda view: view.waiting_effects(self.group_id, 100)))

    async def at_type(self, user_id: str) -> int:
        """Return how a member was named last."""
        rows = await self._directory.conversations(UserID(user_id), [self.chat])
        return rows[0].group_at_type

    def _add(self, tx: DirectoryTransaction, user_ids: Sequence[str], role: Role = Role.MEMBER) -> None:
        users = tx.users(user_ids)
        for user_id in user_ids:
            tx.put_member(Member(group_id=self.group_id, user=users[user_id], role_level=role, join_time=_now_ms()))
            tx.put_conversation(
                Conversation(
                    owner_user_id=UserID(user_id),
                    conversation_id=self.chat,
                    conversation_type=SessionType.GROUP,
                    group_id=self.group_id,
                )
            )

    def _cause(self, user_id: str = "") -> Cause:
        return Cause(user_id or self._owner_id, uuid.uuid4().hex, _now_ms())


def _now_ms() -> int:
    return int(time.time() * 1000)
