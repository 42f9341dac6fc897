"""
Accounts and relations in a transaction in memory; see `transactions` for the meaning of each method.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from openim_ray.domain.people import HandleResult, shows_differently
from openim_ray.storage.memory.directory_rows import check_row
from openim_ray.storage.text_rules import check_text
from openim_ray.storage.version_rules import Change, ListKind
from openim_ray.transactions import ListVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openim_ray.domain.people import Blocked, Friend, FriendRequest, ProfileAnnouncement, User, UserCommand
    from openim_ray.storage.memory.directory_rows import DirectoryRows
    from openim_ray.transactions import Window

T = TypeVar("T")


class MemoryPeopleView:
    """
    `transactions.PeopleView`.
    """

    def __init__(self, rows: DirectoryRows) -> None:
        self._rows = rows

    def users(self, user_ids: Sequence[str]) -> dict[str, User]:
        """Return the accounts that exist among these ids."""
        found = self._rows.users
        return {user_id: found[user_id] for user_id in user_ids if user_id in found}

    def search_users(self, keyword: str, levels: Sequence[int], window: Window) -> tuple[int, list[User]]:
        """Return total and one page, in order of registration."""
        return paged(
            (
                user
                for user in self._rows.users.values()
                if user.app_manager_level in levels and (keyword in user.user_id or keyword in user.nickname)
            ),
            window,
        )

    def friends_among(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Friend]:
        """Return which of these stand in the friend list."""
        listed = self._rows.friends.get(owner_id, {})
        return {
            user_id: replace(listed[user_id], friend=self._rows.users[user_id])
            for user_id in user_ids
            if user_id in listed
        }

    def friend_count(self, owner_id: str) -> int:
        """Return how many friends a list holds."""
        return len(self._rows.friends.get(owner_id, ()))

    def friend_owners(self, friend_id: str, after: str, limit: int) -> list[str]:
        """Return whose lists hold a user."""
        owners = (owner for owner, listed in self._rows.friends.items() if friend_id in listed)
        return first_behind(owners, after, limit)

    def blacks_among(self, owner_id: str, user_ids: Sequence[str]) -> dict[str, Blocked]:
        """Return which of these stand in the black list."""
        listed = self._rows.blocked.get(owner_id, {})
        return {
            user_id: replace(listed[user_id], blocked=self._rows.users[user_id])
            for user_id in user_ids
            if user_id in listed
        }

    def black_count(self, owner_id: str) -> int:
        """Return how many entries a black list holds."""
        return len(self._rows.blocked.get(owner_id, ()))

    def friend_request(self, from_id: str, to_id: str) -> FriendRequest | None:
        """Return the newest application."""
        found = self._rows.friend_requests.get((from_id, to_id))
        return found and self._shown(found)

    def received_friend_requests(
        self, user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        """Return total and one page, newest first."""
        return self._requests((one for one in self._all_requests() if one.to_user.user_id == user_id), results, window)

    def sent_friend_requests(
        self, user_id: str, results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        """Return total and one page, newest first."""
        sent = (one for one in self._all_requests() if one.from_user.user_id == user_id)
        return self._requests(sent, results, window)

    def pending_friend_requests(self, user_id: str, since_ms: int) -> int:
        """Return how many nobody handled."""
        return sum(
            one.to_user.user_id == user_id and one.create_time >= since_ms and one.handle_result == HandleResult.PENDING
            for one in self._rows.friend_requests.values()
        )

    def user_commands(self, user_id: str, kind: int | None) -> list[UserCommand]:
        """Return what a user keeps, oldest first."""
        kept = self._rows.commands.get(user_id, {}).values()
        return sorted((one for one in kept if kind in (None, one.kind)), key=lambda one: one.create_time)

    def client_config(self, user_id: str) -> dict[str, str]:
        """Return settings."""
        return dict(sorted(self._rows.client_config.get(user_id, {}).items()))

    def page_client_config(self, user_id: str, key: str, window: Window) -> tuple[int, list[tuple[str, str, str]]]:
        """Return total and one page, by user id and key."""
        found = sorted(
            (owner, name, value)
            for owner, configs in self._rows.client_config.items()
            for name, value in configs.items()
            if user_id in ("", owner) and key in ("", name)
        )
        return paged(found, window)

    def profile_announcement(self, user_id: str) -> ProfileAnnouncement | None:
        """Return what is still to be told of a user."""
        return self._rows.announcements.get(user_id)

    def next_profile_announcement(self) -> ProfileAnnouncement | None:
        """Return the announcement that was moved on longest ago."""
        found = self._rows.announcements.values()
        return min(found, key=lambda one: (one.moved_ms, one.user_id), default=None)

    def friend_list_version(self, owner_id: str) -> ListVersion:
        """Return where a friend list stands."""
        return list_version(self._rows, ListKind.FRIENDS, owner_id)

    def _all_requests(self) -> Iterable[FriendRequest]:
        return map(self._shown, self._rows.friend_requests.values())

    def _shown(self, request: FriendRequest) -> FriendRequest:
        users = self._rows.users
        return replace(request, from_user=users[request.from_user.user_id], to_user=users[request.to_user.user_id])

    def _requests(
        self, found: Iterable[FriendRequest], results: Sequence[int], window: Window
    ) -> tuple[int, list[FriendRequest]]:
        wanted = [one for one in found if not results or one.handle_result in results]
        return paged(newest_first(wanted, [one.create_time for one in wanted]), window)


class MemoryPeopleChanges(MemoryPeopleView):
    """
    The part of `transactions.DirectoryTransaction` that changes people.
    """

    def put_user(self, user: User) -> None:
        """Replace an account."""
        check_row(user)
        self._rows.require_users([user.user_id])
        before = self._rows.users[user.user_id]
        self._rows.journal.keep(self._rows.users, user.user_id)
        self._rows.users[user.user_id] = user
        if not shows_differently(before, user):
            return
        for owner in self.friend_owners(user.user_id, "", len(self._rows.friends)):
            self._rows.versions.update_if_known(ListKind.FRIENDS, owner, user.user_id)
        for group_id in self._rows.joined.get(user.user_id, ()):
            self._rows.versions.update_if_known(ListKind.MEMBERS, group_id, user.user_id)

    def put_friend(self, friend: Friend) -> None:
        """Add or replace a friend."""
        check_row(friend)
        owner, friend_id = friend.owner_user_id, friend.friend.user_id
        self._rows.require_users([friend_id])
        self._rows.journal.keep(self._rows.friends, owner)
        listed = self._rows.friends.setdefault(owner, {})
        before = listed.get(friend_id)
        listed[friend_id] = friend
        self._rows.versions.change(
            ListKind.FRIENDS,
            owner,
            friend_id,
            Change.UPDATED if before else Change.INSERTED,
            reordered=before is None or before.is_pinned != friend.is_pinned,
        )

    def delete_friend(self, owner_id: str, friend_id: str) -> bool:
        """Remove a friend from one list."""
        self._rows.journal.keep(self._rows.friends, owner_id)
        if self._rows.friends.get(owner_id, {}).pop(friend_id, None) is None:
            return False
        self._rows.versions.change(ListKind.FRIENDS, owner_id, friend_id, Change.DELETED)
        return True

    def put_friend_request(self, request: FriendRequest) -> None:
        """Add or replace an application."""
        check_row(request)
        pair = (request.from_user.user_id, request.to_user.user_id)
        self._rows.require_users(pair)
        self._rows.journal.keep(self._rows.friend_requests, pair)
        self._rows.friend_requests[pair] = request

    def put_blocked(self, blocked: Blocked) -> None:
        """Add or replace an entry of a black list."""
        check_row(blocked)
        self._rows.require_users([blocked.blocked.user_id])
        self._rows.journal.keep(self._rows.blocked, blocked.owner_user_id)
        self._rows.blocked.setdefault(blocked.owner_user_id, {})[blocked.blocked.user_id] = blocked

    def delete_blocked(self, owner_id: str, user_id: str) -> bool:
        """Remove an entry."""
        self._rows.journal.keep(self._rows.blocked, owner_id)
        return self._rows.blocked.get(owner_id, {}).pop(user_id, None) is not None

    def put_user_command(self, command: UserCommand) -> None:
        """Add or replace a thing that a user keeps."""
        check_row(command)
        self._rows.require_users([command.user_id])
        self._rows.journal.keep(self._rows.commands, command.user_id)
        self._rows.commands.setdefault(command.user_id, {})[command.kind, command.uuid] = command

    def delete_user_command(self, user_id: str, kind: int, uuid: str) -> bool:
        """Remove it."""
        self._rows.journal.keep(self._rows.commands, user_id)
        return self._rows.commands.get(user_id, {}).pop((kind, uuid), None) is not None

    def put_client_config(self, user_id: str, configs: dict[str, str]) -> None:
        """Add or replace settings."""
        check_text(user_id, *configs, *configs.values())
        self._rows.journal.keep(self._rows.client_config, user_id)
        self._rows.client_config.setdefault(user_id, {}).update(configs)

    def delete_client_config(self, user_id: str, keys: Sequence[str]) -> None:
        """Remove settings."""
        self._rows.journal.keep(self._rows.client_config, user_id)
        for key in keys:
            self._rows.client_config.get(user_id, {}).pop(key, None)

    def put_profile_announcement(self, announcement: ProfileAnnouncement) -> None:
        """Add or replace an announcement."""
        check_row(announcement)
        self._rows.require_users([announcement.user_id])
        self._rows.journal.keep(self._rows.announcements, announcement.user_id)
        self._rows.announcements[announcement.user_id] = announcement

    def delete_profile_announcement(self, user_id: str) -> None:
        """Forget an announcement."""
        self._rows.journal.keep(self._rows.announcements, user_id)
        self._rows.announcements.pop(user_id, None)


def paged(rows: Iterable[T], window: Window) -> tuple[int, list[T]]:
    """
    Return how many rows there are, and those of a window.
    """
    found = list(rows)
    begin = max(0, window.skip)
    return len(found), found[begin : begin + max(0, window.size)]


def newest_first(rows: Sequence[T], times: Sequence[int]) -> list[T]:
    """
    Return rows by time, descending; of those with the same time, those that came later first.
    """
    numbered = sorted(zip(times, range(len(rows)), rows, strict=True), key=lambda one: one[:2], reverse=True)
    return [row for _, _, row in numbered]


def first_behind(ids: Iterable[str], after: str, limit: int) -> list[str]:
    """
    Return the first ids behind one, in the order of their bytes.
    """
    return sorted(one for one in ids if one > after)[: max(0, limit)]


def list_version(rows: DirectoryRows, kind: ListKind, owner: str) -> ListVersion:
    """
    Return where a version list stands.
    """
    head = rows.versions.known(kind, owner)
    return ListVersion(head.version, head.version_id) if head else ListVersion(0, "")
