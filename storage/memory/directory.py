"""
People and what they own, in memory.
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING, TypeVar

from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.errors import RegisteredAlready
from openim_ray.domain.group import GroupChatFacts
from openim_ray.domain.people import Blocked, Friend, SingleChatFacts, User, UserStatus
from openim_ray.storage.directory_rules import SYSTEM_LEVELS
from openim_ray.storage.memory.conversations import MemoryTransaction, MemoryView
from openim_ray.storage.memory.directory_rows import DirectoryRows
from openim_ray.storage.text_rules import check_text
from openim_ray.storage.version_rules import ListKind, new_version_id
from openim_ray.transactions import Changed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openim_ray.domain.ids import UserID
    from openim_ray.ports import Page, VersionDelta
    from openim_ray.transactions import DirectoryTransaction, DirectoryView

T = TypeVar("T")


class DirectoryTables:
    """
    The synchronous core of `MemoryDirectoryStore`; see `ports.DirectoryStore` for the meaning of each method.
    """

    def __init__(self, new_version_id: Callable[[], str] = new_version_id) -> None:
        self._rows = DirectoryRows(new_version_id)
        self.versions = self._rows.versions

    def view(self, query: Callable[[DirectoryView], T]) -> T:
        """Run a query."""
        return query(MemoryView(self._rows))

    def change(self, use_case: Callable[[DirectoryTransaction], T]) -> Changed[T]:
        """Run a use case, and take back what it did if it raises."""
        transaction = MemoryTransaction(self._rows)
        with self._rows.journal.transaction():
            result = use_case(transaction)
        return Changed(result, tuple(transaction.home_keys))

    # --- users

    def register(self, users: Sequence[User]) -> None:
        """Create accounts, all or none."""
        new: dict[str, User] = {}
        for user in users:
            check_text(*astuple(user))
            if user.user_id in self._rows.users or user.user_id in new:
                raise RegisteredAlready(user.user_id)
            new[user.user_id] = user
        self._rows.users.update(new)

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Return the accounts that exist."""
        return self.view(lambda view: view.users(user_ids))

    def page_users(self, page: Page, user_id: str, nickname: str) -> tuple[int, list[User]]:
        """Return total and one page, in order of registration."""
        found = [user for user in self._rows.users.values() if user_id in user.user_id and nickname in user.nickname]
        return len(found), _slice(found, page)

    # --- relations

    def friends(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Friend]]:
        """Return total and one page, pinned first, then by time."""
        found = self._sorted_friends(owner_user_id)
        return len(found), _slice(found, page)

    def designated_friends(self, owner_user_id: UserID, friend_user_ids: Sequence[str]) -> list[Friend]:
        """Return those that are friends, in the list's order."""
        wanted = set(friend_user_ids)
        return [friend for friend in self._sorted_friends(owner_user_id) if friend.friend.user_id in wanted]

    def friends_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the friend list."""
        return self._rows.versions.delta(ListKind.FRIENDS, owner_user_id, version_id, version)

    def friend_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order."""
        ids: list[str] = [friend.friend.user_id for friend in self._sorted_friends(owner_user_id)]
        return self._versioned(ListKind.FRIENDS, owner_user_id, ids)

    def blocked(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Blocked]]:
        """Return total and one page, by time."""
        rows = [
            replace(row, blocked=self._rows.users[row.blocked.user_id])
            for row in self._rows.blocked.get(owner_user_id, {}).values()
        ]
        rows.sort(key=lambda row: row.create_time)
        return len(rows), _slice(rows, page)

    def joined_groups_delta(self, user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the list of joined groups."""
        return self._rows.versions.delta(ListKind.JOINED_GROUPS, user_id, version_id, version)

    def joined_group_ids(self, user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids by time of joining."""
        return self._versioned(ListKind.JOINED_GROUPS, user_id, MemoryView(self._rows).joined_in_order(user_id))

    def members_delta(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """Return what changed in a member list."""
        return self._rows.versions.delta(ListKind.MEMBERS, group_id, version_id, version)

    def member_ids(self, group_id: str) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order."""
        return self._versioned(ListKind.MEMBERS, group_id, MemoryView(self._rows).member_ids(group_id))

    def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """Return what admission of a single-chat message needs."""
        rows = self._rows
        receiver = rows.users.get(receiver_id)
        row = rows.conversations.get(receiver_id, {}).get(single_chat_id(sender_id, receiver_id))
        return SingleChatFacts(
            receiver_exists=receiver is not None and receiver.status != UserStatus.ERASED,
            blocked_by_receiver=sender_id in rows.blocked.get(receiver_id, {}),
            receiver_global_option=receiver.global_recv_msg_opt if receiver else 0,
            receiver_conversation_option=row.recv_msg_opt if row else 0,
            sender_is_system=self._is_system(sender_id),
            are_friends=sender_id in rows.friends.get(receiver_id, {}),
        )

    def group_chat_facts(self, group_id: str, sender_id: str) -> GroupChatFacts:
        """Return what admission of a group message needs."""
        group = self._rows.groups.get(group_id)
        if group is None:
            return GroupChatFacts(exists=False, sender_is_system=self._is_system(sender_id))
        member = self._rows.members.get(group_id, {}).get(sender_id)
        return GroupChatFacts(
            exists=True,
            status=group.status,
            role_level=member.role_level if member else 0,
            mute_end_time=member.mute_end_time if member else 0,
            sender_is_system=self._is_system(sender_id),
        )

    # --- conversations

    def ensure_conversations(self, rows: Sequence[Conversation]) -> None:
        """Create the rows that don't exist yet."""
        self.change(lambda transaction: transaction.ensure_conversations(rows))

    def conversations(self, owner_user_id: UserID, conversation_ids: Sequence[str] | None = None) -> list[Conversation]:
        """Return the owner's rows, in order of creation."""
        owned = self._rows.conversations.get(owner_user_id, {})
        wanted = None if conversation_ids is None else set(conversation_ids)
        return [row for row in owned.values() if wanted is None or row.conversation_id in wanted]

    def page_conversations(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Conversation]]:
        """Return total and one page, in order of creation."""
        rows = self.conversations(owner_user_id)
        return len(rows), _slice(rows, page)

    def conversations_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the owner's rows."""
        return self._rows.versions.delta(ListKind.CONVERSATIONS, owner_user_id, version_id, version)

    def conversation_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in order of creation."""
        ids = list(self._rows.conversations.get(owner_user_id, ()))
        return self._versioned(ListKind.CONVERSATIONS, owner_user_id, ids)

    def _is_system(self, user_id: str) -> bool:
        user = self._rows.users.get(user_id)
        return user is not None and user.app_manager_level in SYSTEM_LEVELS

    def _sorted_friends(self, owner_user_id: str) -> list[Friend]:
        rows = [
            replace(row, friend=self._rows.users[row.friend.user_id])
            for row in self._rows.friends.get(owner_user_id, {}).values()
        ]
        return sorted(rows, key=lambda row: (not row.is_pinned, row.create_time))

    def _versioned(self, kind: ListKind, owner: str, ids: Sequence[str]) -> tuple[int, str, list[str]]:
        head = self._rows.versions.head(kind, owner)
        return head.version, head.version_id, list(ids)


class MemoryDirectoryStore:
    """
    `ports.DirectoryStore` over `DirectoryTables`.
    """

    def __init__(self, tables: DirectoryTables | None = None) -> None:
        self.tables = tables if tables is not None else DirectoryTables()

    async def aclose(self) -> None:
        """Do nothing: the tables live as long as somebody holds them."""

    async def scrub(self) -> bool:
        """See `ports.ErasingStore`; there are no files."""
        return True

    async def view(self, query: Callable[[DirectoryView], T]) -> T:
        """See `ports.DirectoryStore`."""
        return self.tables.view(query)

    async def change(self, use_case: Callable[[DirectoryTransaction], T]) -> Changed[T]:
        """See `ports.DirectoryStore`."""
        return self.tables.change(use_case)

    async def register(self, users: Sequence[User]) -> None:
        """See `ports.UserStore`."""
        self.tables.register(users)

    async def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """See `ports.UserStore`."""
        return self.tables.users(user_ids)

    async def page_users(self, page: Page, user_id: str, nickname: str) -> tuple[int, list[User]]:
        """See `ports.UserStore`."""
        return self.tables.page_users(page, user_id, nickname)

    async def friends(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Friend]]:
        """See `ports.RelationStore`."""
        return self.tables.friends(owner_user_id, page)

    async def designated_friends(self, owner_user_id: UserID, friend_user_ids: Sequence[str]) -> list[Friend]:
        """See `ports.RelationStore`."""
        return self.tables.designated_friends(owner_user_id, friend_user_ids)

    async def friends_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return self.tables.friends_delta(owner_user_id, version_id, version)

    async def friend_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        return self.tables.friend_ids(owner_user_id)

    async def blocked(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Blocked]]:
        """See `ports.RelationStore`."""
        return self.tables.blocked(owner_user_id, page)

    async def joined_groups_delta(self, user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return self.tables.joined_groups_delta(user_id, version_id, version)

    async def joined_group_ids(self, user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        return self.tables.joined_group_ids(user_id)

    async def members_delta(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """See `ports.RelationStore`."""
        return self.tables.members_delta(group_id, version_id, version)

    async def member_ids(self, group_id: str) -> tuple[int, str, list[str]]:
        """See `ports.RelationStore`."""
        return self.tables.member_ids(group_id)

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """See `ports.RelationStore`."""
        return self.tables.single_chat_facts(sender_id, receiver_id)

    async def group_chat_facts(self, group_id: str, sender_id: str) -> GroupChatFacts:
        """See `ports.RelationStore`."""
        return self.tables.group_chat_facts(group_id, sender_id)

    async def ensure_conversations(self, rows: Sequence[Conversation]) -> None:
        """See `ports.ConversationStore`."""
        self.tables.ensure_conversations(rows)

    async def conversations(
        self, owner_user_id: UserID, conversation_ids: Sequence[str] | None = None
    ) -> list[Conversation]:
        """See `ports.ConversationStore`."""
        return self.tables.conversations(owner_user_id, conversation_ids)

    async def page_conversations(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Conversation]]:
        """See `ports.ConversationStore`."""
        return self.tables.page_conversations(owner_user_id, page)

    async def conversations_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """See `ports.ConversationStore`."""
        return self.tables.conversations_delta(owner_user_id, version_id, version)

    async def conversation_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """See `ports.ConversationStore`."""
        return self.tables.conversation_ids(owner_user_id)


def _slice(rows: list[T], page: Page) -> list[T]:
    begin = max(0, page.number - 1) * page.size
    return rows[begin : begin + page.size]
