"""
The rows of the directory in memory.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from openim_ray.domain.errors import UserIDNotFound
from openim_ray.storage.memory.journal import Journal
from openim_ray.storage.memory.versions import VersionTables
from openim_ray.storage.text_rules import check_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from openim_ray.domain.conversation import Conversation
    from openim_ray.domain.erasure import Erasure
    from openim_ray.domain.group import Group, GroupRequest, Member
    from openim_ray.domain.people import Blocked, Friend, FriendRequest, ProfileAnnouncement, User, UserCommand
    from openim_ray.transactions import WaitingEffect


class DirectoryRows:
    """
    Every dictionary keeps the order in which its keys came. Who changes an entry of one lets the journal keep it first.

    Rows that show an account hold it as it was when they were put; readers replace it.
    """

    def __init__(self, new_version_id: Callable[[], str]) -> None:
        self.journal = Journal()
        self.versions = VersionTables(new_version_id, self.journal)
        self.users: dict[str, User] = {}
        self.friends: dict[str, dict[str, Friend]] = {}
        self.blocked: dict[str, dict[str, Blocked]] = {}
        self.friend_requests: dict[tuple[str, str], FriendRequest] = {}
        self.commands: dict[str, dict[tuple[int, str], UserCommand]] = {}
        self.client_config: dict[str, dict[str, str]] = {}
        self.announcements: dict[str, ProfileAnnouncement] = {}
        self.groups: dict[str, Group] = {}
        self.members: dict[str, dict[str, Member]] = {}
        self.joined: dict[str, dict[str, None]] = {}
        self.group_requests: dict[tuple[str, str], GroupRequest] = {}
        self.conversations: dict[str, dict[str, Conversation]] = {}
        self.erasures: dict[str, Erasure] = {}
        self.effects: dict[str, dict[int, WaitingEffect]] = {}
        self.effect_numbers: dict[str, int] = {}

    def require_users(self, user_ids: Iterable[str]) -> None:
        """Raise UserIDNotFound unless all of them have an account."""
        for user_id in user_ids:
            if user_id not in self.users:
                raise UserIDNotFound(user_id)


def check_row(row: Any) -> None:
    """
    Raise ArgsError if a text of a row can't be kept. An account in it is not looked at: only its id is kept, and must be there.
    """
    values = (getattr(row, field.name) for field in fields(row))
    check_text(*(value for value in values if not is_dataclass(value)))
