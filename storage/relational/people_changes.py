"""
Changes of accounts and relations; see `transactions.DirectoryTransaction` for the meaning of each method.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select

from openim_ray.storage.relational import announcements, users, version_lists
from openim_ray.storage.relational.dialects import INTEGER, TEXT, Upsert, columns_of, is_wanted, replacing, wanted
from openim_ray.storage.relational.directory_tables import (
    BLACKS,
    CLIENT_CONFIG,
    FRIEND_REQUESTS,
    FRIENDS,
    USER_COMMANDS,
)
from openim_ray.storage.relational.people_view import PeopleView
from openim_ray.storage.version_rules import Change, ListKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.people import Blocked, Friend, FriendRequest, ProfileAnnouncement, User, UserCommand

_OWNER, _OTHER = bindparam("owner", type_=TEXT), bindparam("other", type_=TEXT)

_friend_columns = columns_of(FRIENDS, friend_user_id="friend.user_id")
_blocked_columns = columns_of(BLACKS, blocked_user_id="blocked.user_id")
_request_columns = columns_of(FRIEND_REQUESTS, from_user_id="from_user.user_id", to_user_id="to_user.user_id")

_IS_FRIEND = (FRIENDS.c.owner_user_id == _OWNER, FRIENDS.c.friend_user_id == _OTHER)
_WAS_PINNED = select(FRIENDS.c.is_pinned).where(*_IS_FRIEND)
_PUT_FRIEND = Upsert(FRIENDS, replacing(FRIENDS, "owner_user_id", "friend_user_id"))
_DELETE_FRIEND = delete(FRIENDS).where(*_IS_FRIEND)
_PUT_REQUEST = Upsert(FRIEND_REQUESTS, replacing(FRIEND_REQUESTS, "from_user_id", "to_user_id"))
_PUT_BLOCKED = Upsert(BLACKS, replacing(BLACKS, "owner_user_id", "blocked_user_id"))
_DELETE_BLOCKED = delete(BLACKS).where(BLACKS.c.owner_user_id == _OWNER, BLACKS.c.blocked_user_id == _OTHER)
_PUT_COMMAND = Upsert(USER_COMMANDS, replacing(USER_COMMANDS, "user_id", "kind", "uuid"))
_DELETE_COMMAND = delete(USER_COMMANDS).where(
    USER_COMMANDS.c.user_id == _OWNER,
    USER_COMMANDS.c.kind == bindparam("kind", type_=INTEGER),
    USER_COMMANDS.c.uuid == bindparam("uuid", type_=TEXT),
)
_PUT_CONFIG = Upsert(CLIENT_CONFIG, replacing(CLIENT_CONFIG, "user_id", "key"))
_DELETE_CONFIG = delete(CLIENT_CONFIG).where(CLIENT_CONFIG.c.user_id == _OWNER, is_wanted(CLIENT_CONFIG.c.key))


class PeopleChanges(PeopleView):
    """
    The part of `transactions.DirectoryTransaction` that changes people.
    """

    def put_user(self, user: User) -> None:
        """Replace an account."""
        users.put_user(user, self._connection)

    def put_friend(self, friend: Friend) -> None:
        """Add or replace a friend."""
        owner, friend_id = friend.owner_user_id, friend.friend.user_id
        was_pinned = self._connection.execute(_WAS_PINNED, {"owner": owner, "other": friend_id}).scalar()
        if was_pinned is None:
            self._require_users([friend_id])
        self._connection.execute(_PUT_FRIEND.on(self._connection), _friend_columns(friend))
        change = Change.INSERTED if was_pinned is None else Change.UPDATED
        version_lists.change(
            self._connection, ListKind.FRIENDS, owner, friend_id, change, reordered=was_pinned != friend.is_pinned
        )

    def delete_friend(self, owner_id: str, friend_id: str) -> bool:
        """Remove a friend from one list."""
        deleted = self._connection.execute(_DELETE_FRIEND, {"owner": owner_id, "other": friend_id}).rowcount
        if deleted:
            version_lists.change(self._connection, ListKind.FRIENDS, owner_id, friend_id, Change.DELETED)
        return bool(deleted)

    def put_friend_request(self, request: FriendRequest) -> None:
        """Add or replace an application."""
        self._require_users([request.from_user.user_id, request.to_user.user_id])
        self._connection.execute(_PUT_REQUEST.on(self._connection), _request_columns(request))

    def put_blocked(self, blocked: Blocked) -> None:
        """Add or replace an entry of a black list."""
        self._require_users([blocked.blocked.user_id])
        self._connection.execute(_PUT_BLOCKED.on(self._connection), _blocked_columns(blocked))

    def delete_blocked(self, owner_id: str, user_id: str) -> bool:
        """Remove an entry."""
        return self._connection.execute(_DELETE_BLOCKED, {"owner": owner_id, "other": user_id}).rowcount > 0

    def put_user_command(self, command: UserCommand) -> None:
        """Add or replace a thing that a user keeps."""
        self._require_users([command.user_id])
        self._connection.execute(_PUT_COMMAND.on(self._connection), asdict(command))

    def delete_user_command(self, user_id: str, kind: int, uuid: str) -> bool:
        """Remove it."""
        command: dict[str, Any] = {"owner": user_id, "kind": kind, "uuid": uuid}
        return self._connection.execute(_DELETE_COMMAND, command).rowcount > 0

    def put_client_config(self, user_id: str, configs: dict[str, str]) -> None:
        """Add or replace settings."""
        rows = [{"user_id": user_id, "key": key, "value": value} for key, value in configs.items()]
        if rows:
            _PUT_CONFIG.insert_all(self._connection, rows)

    def delete_client_config(self, user_id: str, keys: Sequence[str]) -> None:
        """Remove settings."""
        self._connection.execute(_DELETE_CONFIG, {"owner": user_id, **wanted(keys)})

    def put_profile_announcement(self, announcement: ProfileAnnouncement) -> None:
        """Add or replace an announcement."""
        self._require_users([announcement.user_id])
        announcements.put(self._connection, announcement)

    def delete_profile_announcement(self, user_id: str) -> None:
        """Forget an announcement."""
        announcements.forget(self._connection, user_id)
