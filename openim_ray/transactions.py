"""
What a use case may do within one transaction of the directory: looked at, decided and changed in one go.

A use case is a plain function of a `DirectoryView` or a `DirectoryTransaction`. The store runs it in a thread of its own and, after a
conflict with another transaction, again: so it depends on its arguments and on what it reads only, keeps nothing, and is short. If it
raises, nothing happened. What a row refers to must exist: an account (UserIDNotFound), a group (RecordNotFound). Objects that go out are as they were read; changes go in by `put_…` and `delete_…`, and every one that a
versioned list shows takes the steps of that list with it (OpenIM wire, §6.6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.conversation import Conversation
    from openim_ray.domain.erasure import Erasure
    from openim_ray.domain.group import Cut, Group, GroupRequest, Member
    from openim_ray.domain.people import Blocked, Friend, FriendRequest, ProfileAnnouncement, User, UserCommand

T = TypeVar("T")


class Changed(NamedTuple, Generic[T]):
    """
    What a committed change returned, and the logs (home keys) that have effects waiting in the outbox.
    """

    result: T
    home_keys: tuple[str, ...]


class Window(NamedTuple):
    """
    A page: skip so many rows, return at most `size`.
    """

    skip: int
    size: int


class ListVersion(NamedTuple):
    """
    Where a version list stands.
    """

    version: int
    version_id: str


class VersionDelta(NamedTuple):
    """
    What changed in a versioned list after a client's version (OpenIM wire, §6.6); ids only.

    `full` means: the client must fetch the whole list; then the three lists are empty.
    """

    version: int
    version_id: str
    full: bool
    deleted: list[str]
    inserted: list[str]
    updated: list[str]
    sort_version: int


class WaitingEffect(NamedTuple):
    """
    A row of the outbox: `number` ascends within its log in the order of the commits. `created_ms` is wall clock.
    """

    number: int
    payload: bytes
    created_ms: int


class PeopleView(Protocol):
    """
    Accounts and relations, as they are.
    """

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Return the accounts that exist among these ids."""
        ...

    def search_users(self, keyword: str, levels: Sequence[int], window: Window) -> tuple[int, list[User]]:
        """Return total and one page of accounts of these `app_manager_level`s whose id or nickname contains `keyword`."""
        ...

    def friends_among(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Friend]:
        """Return which of these stand in the owner's friend list."""
        ...

    def friend_count(self, owner_id: str) -> int:
        """Return how many friends a list holds."""
        ...

    def friend_owners(self, friend_id: str, after: str, limit: int) -> list[str]:
        """Return whose lists hold a user: the first `limit` ids behind `after`, ascending."""
        ...

    def blacks_among(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Blocked]:
        """Return which of these stand in the owner's black list."""
        ...

    def black_count(self, owner_id: str) -> int:
        """Return how many entries a black list holds."""
        ...

    def friend_request(self, from_id: str, to_id: str) -> FriendRequest | None:
        """Return the newest application of one user to another."""
        ...

    def received_friend_requests(
        self, user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        """Return total and one page of what a user received, newest first; `results` empty = whatever became of it."""
        ...

    def sent_friend_requests(
        self, user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        """Return total and one page of what a user sent, newest first."""
        ...

    def pending_friend_requests(self, user_id: str, since_ms: int) -> int:
        """Return how many applications a user received since then that nobody handled."""
        ...

    def user_commands(self, user_id: str, kind: int | None) -> list[UserCommand]:
        """Return what a user keeps, of one kind or (None) all, oldest first."""
        ...

    def client_config(self, user_id: str) -> dict[str, str]:
        """Return the settings of a user's clients; user id "" = those of everybody."""
        ...

    def page_client_config(self, user_id: str, key: str, window: Window) -> tuple[int, list[tuple[str, str, str]]]:
        """Return total and one page of (user id, key, value); texts that are not empty must match."""
        ...

    def profile_announcement(self, user_id: str) -> ProfileAnnouncement | None:
        """Return what is still to be told of a user's account."""
        ...

    def next_profile_announcement(self) -> ProfileAnnouncement | None:
        """Return the announcement that was moved on longest ago."""
        ...

    def erasure(self, user_id: str) -> Erasure | None:
        """Return how far the erasure of an account has come; None if it is not erased."""
        ...

    def unfinished_erasures(self, after: str, limit: int) -> list[Erasure]:
        """Return erasures that are not done: the first `limit` of accounts behind the id `after`, ascending."""
        ...

    def friend_list_version(self, owner_id: str) -> ListVersion:
        """Return where a friend list stands, with the changes of this transaction; version 0 and no id if nobody changed or looked at it yet."""
        ...


class GroupView(Protocol):
    """
    Groups, members, applications, as they are.
    """

    def groups(self, group_ids: Sequence[str]) -> dict[str, Group]:
        """Return the groups that exist among these ids, with live member count and owner."""
        ...

    def search_groups(self, group_id: str, name: str, window: Window) -> tuple[int, list[Group]]:
        """Return total and one page; a group id must be equal, a name be contained, if not empty."""
        ...

    def joined_groups(self, user_id: str, window: Window) -> tuple[int, list[Group]]:
        """Return total and one page of the groups a user is in, by time of joining."""
        ...

    def joined_group_ids(self, user_id: str, after: str, limit: int) -> list[str]:
        """Return ids of groups a user is in: the first `limit` behind `after`, ascending."""
        ...

    def managed_group_ids(self, user_id: str) -> list[str]:
        """Return the groups in which a user is owner or admin."""
        ...

    def members(self, group_id: str, user_ids: Sequence[str]) -> dict[str, Member]:
        """Return which of these are members."""
        ...

    def staff(self, group_id: str) -> list[Member]:
        """Return owner and admins, the owner first."""
        ...

    def member_count(self, group_id: str) -> int:
        """Return how many members a group has."""
        ...

    def page_members(
        self, group_id: str, roles: Sequence[int], keyword: str, window: Window
    ) -> tuple[int, list[Member]]:
        """
        Return total and one page of members, role descending, then by time of joining.

        `roles` empty = all. `keyword`: part of the id or of the name that is shown.
        """
        ...

    def member_ids(self, group_id: str) -> list[str]:
        """Return the ids of all members in list order: role descending, then by time of joining."""
        ...

    def member_ids_behind(self, group_id: str, after: str, limit: int) -> list[str]:
        """Return ids of members: the first `limit` behind the id `after`, ascending."""
        ...

    def group_request(self, group_id: str, user_id: str) -> GroupRequest | None:
        """Return a user's newest application to a group."""
        ...

    def requests_to_groups(
        self, group_ids: Sequence[str], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        """Return total and one page of applications to these groups, newest first; `results` empty = whatever became of them."""
        ...

    def requests_of_user(
        self, user_id: str, group_ids: Sequence[str], results: Sequence[int], window: Window
    ) -> tuple[int, list[GroupRequest]]:
        """Return total and one page of a user's applications, newest first; `group_ids` empty = to any group."""
        ...

    def pending_group_requests(self, group_ids: Sequence[str], since_ms: int) -> int:
        """Return how many applications to these groups came since then that nobody handled."""
        ...

    def member_list_version(self, group_id: str) -> ListVersion:
        """Return where a member list stands, with the changes of this transaction; version 0 and no id if nobody changed or looked at it yet."""
        ...

    def member_list_versions(self, group_ids: Sequence[str]) -> dict[str, ListVersion]:
        """Return where the member lists of those groups stand that exist."""
        ...

    def member_list_changes(self, group_id: str, version_id: str, version: int) -> VersionDelta:
        """Return what changed in a member list after a client's version; the marker is the element with an empty id."""
        ...

    def member_sort_version(self, group_id: str) -> int:
        """Return at which version the order of a member list changed last, 0 if it never did."""
        ...


class ConversationView(Protocol):
    """
    Conversation rows and the outbox, as they are.
    """

    def conversation_rows(self, owner_id: str, conversation_ids: Sequence[str]) -> dict[str, Conversation]:
        """Return the owner's rows of these conversations."""
        ...

    def rows_of(self, conversation_id: str, owner_ids: Sequence[str]) -> dict[str, Conversation]:
        """Return the rows that these users have of one conversation, by user."""
        ...

    def waiting_effects(self, home_key: str, limit: int) -> list[WaitingEffect]:
        """Return what the outbox holds for a log, in order."""
        ...

    def logs_with_effects(self, limit: int) -> list[str]:
        """Return home keys of logs for which the outbox holds something, those that wait longest first."""
        ...


class DirectoryView(PeopleView, GroupView, ConversationView, Protocol):
    """
    One state of the directory.
    """


class DirectoryTransaction(DirectoryView, Protocol):
    """
    One state of the directory, and changes of it that become durable together. Reads see the changes made so far.
    """

    # --- people

    def put_user(self, user: User) -> None:
        """
        Replace an account; every friend list and member list that shows it takes a step if its nickname, face or ex changed.

        UserIDNotFound if there is none.
        """
        ...

    def put_friend(self, friend: Friend) -> None:
        """Add or replace a friend; a step of the owner's list (and of its order, if she is new or her pin changed)."""
        ...

    def delete_friend(self, owner_id: str, friend_id: str) -> bool:
        """Remove a friend from one list; False if she wasn't there."""
        ...

    def put_friend_request(self, request: FriendRequest) -> None:
        """Add an application, or replace the one of the same directed pair."""
        ...

    def put_blocked(self, blocked: Blocked) -> None:
        """Add or replace an entry of a black list."""
        ...

    def delete_blocked(self, owner_id: str, user_id: str) -> bool:
        """Remove an entry; False if it wasn't there."""
        ...

    def put_user_command(self, command: UserCommand) -> None:
        """Add or replace a thing that a user keeps (key: user, kind, uuid)."""
        ...

    def delete_user_command(self, user_id: str, kind: int, uuid: str) -> bool:
        """Remove it; False if it wasn't there."""
        ...

    def put_client_config(self, user_id: str, configs: dict[str, str]) -> None:
        """Add or replace settings of a user's clients."""
        ...

    def delete_client_config(self, user_id: str, keys: Sequence[str]) -> None:
        """Remove settings of a user's clients."""
        ...

    def put_profile_announcement(self, announcement: ProfileAnnouncement) -> None:
        """Add an announcement, or replace the user's."""
        ...

    def delete_profile_announcement(self, user_id: str) -> None:
        """Forget a user's announcement."""
        ...

    def put_erasure(self, erasure: Erasure) -> None:
        """Add an erasure, or replace the user's."""
        ...

    def forget_texts(self, user_id: str) -> None:
        """
        Delete what a user kept and applied for, and applications for her friendship; empty what else she said beside messages.

        That is: things she keeps, settings of her clients, notes on her conversations, her words in invitations and in answers to applications to groups.
        """
        ...

    # --- groups

    def put_group(self, group: Group) -> None:
        """Add or replace a group. Replacing takes a step of its member list: the marker, with an empty element id (OpenIM wire, §6.6.1)."""
        ...

    def put_member(self, member: Member) -> None:
        """
        Add or replace a member: a step of the group's list (and of its order, if she is new or her role changed).

        If she is new, also a step of her list of joined groups. RecordNotFound if there is no such group, UserIDNotFound if no such account.
        """
        ...

    def put_members(self, members: Sequence[Member]) -> None:
        """Do the same for many at a time, in their order; of one who comes twice the later one counts."""
        ...

    def delete_member(self, group_id: str, user_id: str) -> bool:
        """Remove a member: a step of both lists; False if she wasn't there."""
        ...

    def delete_members(self, group_id: str, user_ids: Sequence[str]) -> list[str]:
        """Do the same for many at a time, and return who was there, in the order given."""
        ...

    def put_group_request(self, request: GroupRequest) -> None:
        """Add an application, or replace the one of the same user to the same group."""
        ...

    # --- conversations and their logs

    def put_conversation(self, row: Conversation) -> None:
        """Add or replace a row; a step of the owner's list."""
        ...

    def put_conversations(self, rows: Sequence[Conversation]) -> None:
        """Do the same for many at a time, in their order; of a row that comes twice the later one counts."""
        ...

    def ensure_conversations(self, rows: Sequence[Conversation]) -> list[Conversation]:
        """Add the rows that don't exist yet, each a step of its owner's list, and return them; existing ones stay as they are."""
        ...

    def cut(self, conversation_id: str, group_id: str, cuts: Sequence[Cut]) -> list[str]:
        """
        Set `min_seq` (unless it is 0: then it stays) and `max_seq` of members' rows, which are made where they are missing.

        Returns the users whose row is another than before: each is a step of her list. A cut is written once by a log's owner, but
        perhaps said twice.
        """
        ...

    def put_effect(self, home_key: str, payload: bytes, created_ms: int) -> None:
        """Put something into the outbox for the owner of a log (`core.effects`), behind what is there for this log."""
        ...

    def replace_effect(self, home_key: str, number: int, before: bytes, after: bytes) -> bool:
        """Let what waits under a number read otherwise; False if it does not read like `before`, or waits no more."""
        ...

    def delete_effects(self, home_key: str, through: int) -> None:
        """Forget what the owner of a log has applied, up to a number."""
        ...
