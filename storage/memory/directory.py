"""
People and what they own, in memory.
"""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING, TypeVar

from openim_ray.domain.conversation import Conversation, single_chat_id
from openim_ray.domain.errors import RegisteredAlready, UserIDNotFound
from openim_ray.domain.people import Blocked, Friend, SingleChatFacts, User
from openim_ray.storage.directory_rules import SYSTEM_LEVELS, check_changes, is_profile_change
from openim_ray.storage.memory.versions import VersionTables
from openim_ray.storage.text_rules import check_text
from openim_ray.storage.version_rules import Change, ListKind, new_version_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openim_ray.domain.ids import ConversationID, UserID
    from openim_ray.ports import Page, VersionDelta

T = TypeVar("T")


class DirectoryTables:
    """
    The synchronous core of `MemoryDirectoryStore`; see `ports.DirectoryStore` for the meaning of each method.

    The `put_…` methods change what no port changes yet; tests fill the lists with them.
    """

    def __init__(self, new_version_id: Callable[[], str] = new_version_id) -> None:
        self.versions = VersionTables(new_version_id)
        self._users: dict[str, User] = {}
        self._friends: dict[str, dict[str, Friend]] = {}
        self._blocked: dict[str, dict[str, Blocked]] = {}
        self._joined: dict[str, dict[str, int]] = {}
        self._conversations: dict[str, dict[ConversationID, Conversation]] = {}

    # --- users

    def register(self, users: Sequence[User]) -> None:
        """Create accounts, all or none."""
        new: dict[str, User] = {}
        for user in users:
            check_text(*astuple(user))
            if user.user_id in self._users or user.user_id in new:
                raise RegisteredAlready(user.user_id)
            new[user.user_id] = user
        self._users.update(new)

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Return the accounts that exist."""
        return {user_id: self._users[user_id] for user_id in user_ids if user_id in self._users}

    def update_user(self, user_id: str, changes: Mapping[str, str | int]) -> None:
        """Change an account and take a step in every list that shows it."""
        check_changes(changes)
        check_text(*changes.values())
        user = self._users.get(user_id)
        if user is None:
            raise UserIDNotFound(user_id)
        self._users[user_id] = replace(user, **changes)  # type: ignore[arg-type]
        if not is_profile_change(user, changes):
            return
        for owner, friends in self._friends.items():
            if user_id in friends:
                self.versions.update_if_known(ListKind.FRIENDS, owner, user_id)
        for group_id in self._joined.get(user_id, ()):
            self.versions.update_if_known(ListKind.MEMBERS, group_id, user_id)

    def page_users(self, page: Page, user_id: str, nickname: str) -> tuple[int, list[User]]:
        """Return total and one page, in order of registration."""
        found = [user for user in self._users.values() if user_id in user.user_id and nickname in user.nickname]
        return len(found), _slice(found, page)

    # --- relations

    def put_friend(self, friend: Friend) -> None:
        """Add or replace a friend; a step of the owner's list."""
        friends = self._friends.setdefault(friend.owner_user_id, {})
        friend_id = friend.friend.user_id
        change = Change.UPDATED if friend_id in friends else Change.INSERTED
        friends[friend_id] = friend
        self.versions.change(ListKind.FRIENDS, friend.owner_user_id, friend_id, change)

    def put_blocked(self, blocked: Blocked) -> None:
        """Add or replace an entry of a black list."""
        self._blocked.setdefault(blocked.owner_user_id, {})[blocked.blocked.user_id] = blocked

    def put_member(self, user_id: UserID, group_id: str, join_time: int) -> None:
        """Let a user join a group; a step of her list and of the group's."""
        self._joined.setdefault(user_id, {})[group_id] = join_time
        self.versions.change(ListKind.JOINED_GROUPS, user_id, group_id, Change.INSERTED)
        self.versions.change(ListKind.MEMBERS, group_id, user_id, Change.INSERTED)

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
        return self.versions.delta(ListKind.FRIENDS, owner_user_id, version_id, version)

    def friend_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in list order."""
        ids: list[str] = [friend.friend.user_id for friend in self._sorted_friends(owner_user_id)]
        return self._versioned(ListKind.FRIENDS, owner_user_id, ids)

    def blocked(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Blocked]]:
        """Return total and one page, by time."""
        rows = [
            replace(row, blocked=self._users[row.blocked.user_id])
            for row in self._blocked.get(owner_user_id, {}).values()
            if row.blocked.user_id in self._users
        ]
        rows.sort(key=lambda row: row.create_time)
        return len(rows), _slice(rows, page)

    def joined_groups_delta(self, user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the list of joined groups."""
        return self.versions.delta(ListKind.JOINED_GROUPS, user_id, version_id, version)

    def joined_group_ids(self, user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids by time of joining."""
        joined = self._joined.get(user_id, {})
        return self._versioned(ListKind.JOINED_GROUPS, user_id, sorted(joined, key=joined.__getitem__))

    def existing_groups(self, group_ids: Sequence[str]) -> list[str]:
        """Return those ids that name a group."""
        there = {group_id for joined in self._joined.values() for group_id in joined}
        return [group_id for group_id in dict.fromkeys(group_ids) if group_id in there]

    def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """Return what admission of a single-chat message needs."""
        sender, receiver = self._users.get(sender_id), self._users.get(receiver_id)
        row = self._conversations.get(receiver_id, {}).get(single_chat_id(sender_id, receiver_id))
        return SingleChatFacts(
            receiver_exists=receiver is not None,
            blocked_by_receiver=sender_id in self._blocked.get(receiver_id, {}),
            receiver_global_option=receiver.global_recv_msg_opt if receiver else 0,
            receiver_conversation_option=row.recv_msg_opt if row else 0,
            sender_is_system=sender is not None and sender.app_manager_level in SYSTEM_LEVELS,
        )

    # --- conversations

    def ensure_conversations(self, rows: Sequence[Conversation]) -> None:
        """Create the rows that don't exist yet."""
        for row in rows:
            check_text(*astuple(row))
        for row in rows:
            owned = self._conversations.setdefault(row.owner_user_id, {})
            if row.conversation_id not in owned:
                owned[row.conversation_id] = row
                self.versions.change(ListKind.CONVERSATIONS, row.owner_user_id, row.conversation_id, Change.INSERTED)

    def conversations(self, owner_user_id: UserID, conversation_ids: Sequence[str] | None = None) -> list[Conversation]:
        """Return the owner's rows, in order of creation."""
        owned = self._conversations.get(owner_user_id, {})
        wanted = None if conversation_ids is None else set(conversation_ids)
        return [row for row in owned.values() if wanted is None or row.conversation_id in wanted]

    def page_conversations(self, owner_user_id: UserID, page: Page) -> tuple[int, list[Conversation]]:
        """Return total and one page, in order of creation."""
        rows = self.conversations(owner_user_id)
        return len(rows), _slice(rows, page)

    def conversations_delta(self, owner_user_id: UserID, version_id: str, version: int) -> VersionDelta:
        """Return what changed in the owner's rows."""
        return self.versions.delta(ListKind.CONVERSATIONS, owner_user_id, version_id, version)

    def conversation_ids(self, owner_user_id: UserID) -> tuple[int, str, list[str]]:
        """Return version, version id and all ids in order of creation."""
        return self._versioned(ListKind.CONVERSATIONS, owner_user_id, list(self._conversations.get(owner_user_id, ())))

    def _sorted_friends(self, owner_user_id: str) -> list[Friend]:
        rows = [
            replace(row, friend=self._users[row.friend.user_id])
            for row in self._friends.get(owner_user_id, {}).values()
            if row.friend.user_id in self._users
        ]
        return sorted(rows, key=lambda row: (not row.is_pinned, row.create_time))

    def _versioned(self, kind: ListKind, owner: str, ids: Sequence[str]) -> tuple[int, str, list[str]]:
        head = self.versions.head(kind, owner)
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

    async def register(self, users: Sequence[User]) -> None:
        """See `ports.UserStore`."""
        self.tables.register(users)

    async def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """See `ports.UserStore`."""
        return self.tables.users(user_ids)

    async def update_user(self, user_id: str, changes: Mapping[str, str | int]) -> None:
        """See `ports.UserStore`."""
        self.tables.update_user(user_id, changes)

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

    async def existing_groups(self, group_ids: Sequence[str]) -> list[str]:
        """See `ports.RelationStore`."""
        return self.tables.existing_groups(group_ids)

    async def single_chat_facts(self, sender_id: str, receiver_id: str) -> SingleChatFacts:
        """See `ports.RelationStore`."""
        return self.tables.single_chat_facts(sender_id, receiver_id)

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
