"""
Conversations as the pure-JavaScript client wants them: row, newest message, peer and numbers in one (OpenIM wire, §10.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.group import Group
from openim_ray.domain.people import Friend, User
from openim_ray.ports import Broker, ConversationState
from openim_ray.protocol.pb.jssdk_pb2 import ConversationMsg
from openim_ray.services.conversations import ConversationService
from openim_ray.services.groups.queries import GroupQueries
from openim_ray.services.messages import MessageReading
from openim_ray.services.paging import page_of
from openim_ray.services.relations import RelationService
from openim_ray.services.users import UserService
from openim_ray.services.wire_views import conversation, friend_info_only, group_info, user_info

ACTIVE_MAX: Final = 100
"""Conversations in one answer; also what a caller gets who doesn't say how many."""

BYTES_MAX: Final = 16 << 20
"""Bytes of newest messages in one answer; conversations beyond are left out."""


class Overview(NamedTuple):
    """
    Conversations, pinned ones first, then by their newest message; and how many messages are unread.
    """

    unread: int
    conversations: list[ConversationMsg]


class OverviewService:
    """
    Puts conversations together with what belongs to them.
    """

    def __init__(
        self,
        conversations: ConversationService,
        users: UserService,
        relations: RelationService,
        groups: GroupQueries,
        messages: MessageReading,
        broker: Broker,
    ) -> None:
        self._conversations = conversations
        self._users = users
        self._relations = relations
        self._groups = groups
        self._messages = messages
        self._broker = broker

    async def active(self, owner_id: str, count: int) -> Overview:
        """
        Return the first `count` conversations that hold a message, and the unread messages of all.
        """
        rows = await self._conversations.all(owner_id)
        states = await self._broker.conversation_states(owner_id, None)
        limit = min(count, ACTIVE_MAX) if count > 0 else ACTIVE_MAX
        return await self._overview(owner_id, rows, states, range(limit))

    async def some(self, owner_id: str, conversation_ids: Sequence[str]) -> Overview:
        """
        Return those of these conversations that hold a message, and the unread messages of these.
        """
        rows = await self._conversations.some(owner_id, conversation_ids)
        states = await self._broker.conversation_states(owner_id, [row.conversation_id for row in rows])
        return await self._overview(owner_id, rows, states, range(len(rows)))

    async def sorted_page(
        self, owner_id: str, conversation_ids: Sequence[str], number: int, size: int
    ) -> tuple[int, Overview]:
        """
        Return how many of these conversations (or of all, if none is named) hold a message, and one page of them.
        """
        page = page_of(number, size)
        rows = await (
            self._conversations.some(owner_id, conversation_ids)
            if conversation_ids
            else self._conversations.all(owner_id)
        )
        states = await self._broker.conversation_states(owner_id, [row.conversation_id for row in rows])
        begin = (page.number - 1) * page.size
        total = sum(_holds_message(states.get(row.conversation_id)) for row in rows)
        return total, await self._overview(owner_id, rows, states, range(begin, begin + page.size))

    async def _overview(
        self, owner_id: str, rows: Sequence[Conversation], states: Mapping[str, ConversationState], places: range
    ) -> Overview:
        visible = [row for row in rows if _holds_message(states.get(row.conversation_id))]
        unread = sum(states[row.conversation_id].unread for row in visible)
        visible.sort(key=lambda row: (row.is_pinned, states[row.conversation_id].max_time), reverse=True)
        chosen = visible[places.start : places.stop]
        newest = await self._messages.newest_messages(
            {row.conversation_id: states[row.conversation_id] for row in chosen}, BYTES_MAX
        )
        others = _Others(
            await self._peers(owner_id, [row.user_id for row in chosen if row.user_id]),
            await self._groups_of([row.group_id for row in chosen if row.group_id]),
        )
        shown = [row for row in chosen if row.conversation_id in newest]
        return Overview(
            unread,
            [_element(row, newest[row.conversation_id], states[row.conversation_id], others) for row in shown],
        )

    async def _peers(self, owner_id: str, user_ids: Sequence[str]) -> _Peers:
        if not user_ids:
            return _Peers({}, {})
        users = await self._users.find(user_ids)
        friends = await self._relations.designated_friends(owner_id, user_ids)
        return _Peers({user.user_id: user for user in users}, {one.friend.user_id: one for one in friends})

    async def _groups_of(self, group_ids: Sequence[str]) -> dict[str, Group]:
        groups = await self._groups.groups(group_ids) if group_ids else []
        return {group.group_id: group for group in groups}


class _Peers(NamedTuple):
    """
    The other users of single chats, and which of them are friends.
    """

    users: dict[str, User]
    friends: dict[str, Friend]


class _Others(NamedTuple):
    """
    What conversations are with.
    """

    peers: _Peers
    groups: dict[str, Group]


def _element(row: Conversation, newest: bytes, state: ConversationState, others: _Others) -> ConversationMsg:
    peers = others.peers
    element = ConversationMsg(conversation=conversation(row), maxSeq=state.max_seq, readSeq=state.read_seq)
    element.lastMsg.MergeFromString(newest)
    if row.user_id in peers.users:
        element.user.CopyFrom(user_info(peers.users[row.user_id]))
    if row.user_id in peers.friends:
        element.friend.CopyFrom(friend_info_only(peers.friends[row.user_id]))
    if row.group_id in others.groups:
        element.group.CopyFrom(group_info(others.groups[row.group_id]))
    return element


def _holds_message(state: ConversationState | None) -> bool:
    return state is not None and state.max_seq >= max(state.min_seq, 1)
