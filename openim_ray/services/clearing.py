"""
Clearing conversations: what they hold is told no more to who cleared them, on any device (OpenIM wire, §7.8).

A clear is a cut of the user's row, as that of who comes to a group without history: `minSeq` rises behind the newest message, and never
falls. It is durable with the commit; the owner of the log passes it on to inboxes, in order with who comes and goes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import msgspec

from openim_ray.core.effects import Effect, encode_effect
from openim_ray.domain import errors
from openim_ray.domain.conversation import Conversation, SessionType, home_key
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.ports import ConversationStore, MessageReader
from openim_ray.protocol.identifiers import ContentType
from openim_ray.protocol.pb.sdkws_pb2 import ClearConversationTips
from openim_ray.services.changes import DirectoryChanges
from openim_ray.services.groups.authority import Action
from openim_ray.services.groups.lookups import Operator, permit
from openim_ray.services.notifications import notify_group, notify_user
from openim_ray.services.paging import check_ids
from openim_ray.transactions import DirectoryTransaction

CLEARED_AT_ONCE: Final = 100
"""Conversations that are cleared in one transaction; more are cleared one such part after the other."""

MEMBERS_MAX: Final = 1_000
"""Members of a group that is cleared for all of them; a larger one is refused, because each member's row changes in one transaction."""


@dataclass(frozen=True, slots=True)
class Reach:
    """
    Whom a call concerns beside the user's server-side view (`deleteSyncOpt`): her other devices, and everybody in the conversation.
    """

    tells_self: bool = False
    clears_others: bool = False


class Clearing:
    """
    Clears conversations.

    Guarantee: when a call returns, what was answered as sent before it is cleared, durably; unread is what came since. What comes at the
    same moment is cleared or not. Called again it clears what has come since. If a call fails between two parts, some are cleared.

    Args:
        changes: runs changes.
        conversations: where rows are.
        messages: where logs are read.
    """

    def __init__(self, changes: DirectoryChanges, conversations: ConversationStore, messages: MessageReader) -> None:
        self._changes = changes
        self._conversations = conversations
        self._messages = messages

    async def clear(self, operator: Operator, user_id: str, conversation_ids: Sequence[str], reach: Reach) -> None:
        """
        Clear some conversations of a user. Those that she doesn't have are passed over: SDKs name chats that they alone know.

        Raises:
            ArgsError: too many ids, or none; a group too large to be cleared for all.
            NoPermission: she may not clear a group for all.
        """
        asked = check_ids("conversationIDs", conversation_ids)
        if not asked:
            raise errors.ArgsError("conversationIDs is empty")
        at_once = 1 if reach.clears_others else CLEARED_AT_ONCE  # a group's rows may be many
        for begin in range(0, len(asked), at_once):
            rows = await self._conversations.conversations(UserID(user_id), asked[begin : begin + at_once])
            await self._clear(operator, user_id, [row.conversation_id for row in rows], reach)

    async def clear_all(self, operator: Operator, user_id: str, reach: Reach) -> None:
        """
        Clear all conversations of a user; with `clears_others` chats of two for both, but groups, her own too, for her alone.
        """
        rows = await self._conversations.conversations(UserID(user_id))
        for begin in range(0, len(rows), CLEARED_AT_ONCE):
            part = rows[begin : begin + CLEARED_AT_ONCE]
            chats = [row.conversation_id for row in part if not row.group_id]
            groups = [row.conversation_id for row in part if row.group_id]
            await self._clear(operator, user_id, chats, reach)
            await self._clear(operator, user_id, groups, Reach(tells_self=reach.tells_self or reach.clears_others))

    async def _clear(
        self, operator: Operator, user_id: str, conversation_ids: Sequence[ConversationID], reach: Reach
    ) -> None:
        if not conversation_ids:
            return
        # Whatever was answered as durable before the call is seen by this read, and heads never fall: the cut is at most one above.
        heads = await self._messages.heads(conversation_ids)
        firsts = {one: head.max_seq + 1 for one, head in heads.items() if head.belongs_to(user_id)}
        if firsts:
            await self._changes.commit(partial(_clear, operator, user_id, firsts, reach))


def _clear(
    operator: Operator, user_id: str, firsts: Mapping[ConversationID, int], reach: Reach, tx: DirectoryTransaction
) -> None:
    rows = tx.conversation_rows(user_id, list(firsts))
    for conversation_id, row in rows.items():
        users = _everybody(operator, row, tx) if reach.clears_others else [user_id]
        changed = _cut(tx, conversation_id, users, firsts[ConversationID(conversation_id)])
        effect = _notification(operator, row, reach)
        if not changed and not effect.notification:
            continue
        effect = msgspec.structs.replace(
            effect, cleared=changed, clears=conversation_id, cut_at=firsts[ConversationID(conversation_id)]
        )
        tx.put_effect(home_key(conversation_id), encode_effect(effect), operator.now_ms)


def _cut(tx: DirectoryTransaction, conversation_id: str, user_ids: Sequence[str], first: int) -> list[str]:
    """Raise what these users see first, as far as they have a row, and return whose row is another than before."""
    rows = tx.rows_of(conversation_id, user_ids)
    changed = [replace(row, min_seq=first) for row in rows.values() if row.min_seq < first]
    tx.put_conversations(changed)
    return [row.owner_user_id for row in changed]


def _everybody(operator: Operator, row: Conversation, tx: DirectoryTransaction) -> list[str]:
    """Return for whom a conversation is cleared with `isSyncOther`."""
    if not row.group_id:
        return list(dict.fromkeys((row.owner_user_id, row.user_id)))
    permit(tx, operator, row.group_id, Action.CLEAR)
    if tx.member_count(row.group_id) > MEMBERS_MAX:
        raise errors.ArgsError(f"deleteSyncOpt.IsSyncOther: the group has more than {MEMBERS_MAX} members")
    return list(dict.fromkeys((row.owner_user_id, *tx.member_ids(row.group_id))))


def _notification(operator: Operator, row: Conversation, reach: Reach) -> Effect:
    """Return the effect that tells of it: 1703 to everybody, or to the user's own devices, or none."""
    cause, owner = operator.cause, row.owner_user_id
    tips = ClearConversationTips(userID=owner, conversationIDs=[row.conversation_id])
    kind = ContentType.CLEAR_CONVERSATION
    if reach.clears_others and row.group_id:
        return notify_group(cause, kind, owner, GroupID(row.group_id), tips)
    if reach.clears_others and row.conversation_type == SessionType.SINGLE:
        return notify_user(cause, kind, owner, row.user_id, tips)[1]
    if reach.tells_self or reach.clears_others:
        return notify_user(cause, kind, owner, owner, tips)[1]
    return Effect(client_id=uuid.uuid4().hex, operation_id=cause.operation_id)
