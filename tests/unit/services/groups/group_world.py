"""
Groups over a directory in memory: made, and what was put into the outbox, decoded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from openim_ray.core.effects import Effect, decode_effect
from openim_ray.domain.conversation import Conversation, group_chat_id
from openim_ray.domain.group import Group, GroupRequest, Member
from openim_ray.domain.ids import ConversationID, GroupID, UserID
from openim_ray.domain.people import User
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.services.groups.creation import NewGroup
from openim_ray.services.groups.lookups import Operator
from openim_ray.services.notifications import Cause
from tests.unit.services.memory_world import START_MS, MemoryWorld

if TYPE_CHECKING:
    from openim_ray.config import GroupsSection
    from openim_ray.services.groups.assembly import GroupServices

GROUP = GroupID("g")
OPERATION = "operation"


class Told(NamedTuple):
    """A notification of the outbox: its effect, its message, and what it tells."""

    effect: Effect
    message: MsgData
    tips: dict[str, Any]

    @property
    def type(self) -> int:
        """Return its content type."""
        return self.message.contentType

    @property
    def options(self) -> dict[str, bool]:
        """Return the options of the notification."""
        return dict(self.message.options)


class GroupWorld(MemoryWorld):
    """
    Olga owns the group, Ada is its admin, Mia and Max are ordinary members; Sue is a stranger, root an administrator of the server.
    """

    def __init__(self, groups: GroupsSection | None = None, group_id: str = GROUP) -> None:
        super().__init__(groups=groups)
        self.group_id = GroupID(group_id)
        self.add_users("olga", "ada", "mia", "max", "sue", "sid", "imAdmin")

    @property
    def use(self) -> GroupServices:
        """Return what can be done with groups."""
        return self.services.groups

    def by(self, user_id: str) -> Operator:
        """Return who acts."""
        return Operator(Cause(user_id, OPERATION, self.clock.now_ms), is_app_admin=user_id == "imAdmin")

    async def make(self, **fields: Any) -> Group:
        """Make the group, and forget how it was told."""
        group = Group(group_id=GROUP, group_name="G", **fields)
        new = NewGroup(group=group, owner_id="olga", admin_ids=["ada"], member_ids=["mia", "max"])
        made = await self.use.creation.create(self.by("olga"), new)
        self.told()
        return made

    def told(self, home_key: str = "") -> list[Told]:
        """Take what waits in the outbox: for the group's log, or for another."""
        effects = self.effects(home_key)
        told = [(effect, MsgData.FromString(effect.notification)) for effect in effects if effect.notification]
        return [Told(effect, message, json.loads(json.loads(message.content)["detail"])) for effect, message in told]

    def effects(self, home_key: str = "") -> list[Effect]:
        """Take the effects that wait for a log."""
        key = home_key or self.group_id
        waiting = self.tables.directory.view(lambda view: view.waiting_effects(key, 10_000))
        if waiting:
            self.tables.directory.change(lambda tx: tx.delete_effects(key, waiting[-1].number))
        return [decode_effect(one.payload) for one in waiting]

    def waiting(self) -> list[str]:
        """Return the logs for which something waits."""
        return self.tables.directory.view(lambda view: sorted(view.logs_with_effects(10_000)))

    def group(self) -> Group:
        """Return the group as it is."""
        return self.tables.directory.view(lambda view: view.groups([self.group_id])[self.group_id])

    def member(self, user_id: str) -> Member | None:
        """Return a membership."""
        return self.tables.directory.view(lambda view: view.members(self.group_id, [user_id])).get(user_id)

    def member_ids(self) -> list[str]:
        """Return all members in list order."""
        return self.tables.directory.view(lambda view: view.member_ids(self.group_id))

    def request(self, user_id: str) -> GroupRequest | None:
        """Return an application."""
        return self.tables.directory.view(lambda view: view.group_request(self.group_id, user_id))

    def row(self, user_id: str) -> Conversation | None:
        """Return a user's row of the group's chat."""
        chat = group_chat_id(self.group_id)
        return self.tables.directory.view(lambda view: view.conversation_rows(user_id, [chat])).get(chat)

    def version(self) -> tuple[int, str]:
        """Return where the member list stands."""
        version = self.tables.directory.view(lambda view: view.member_list_version(self.group_id))
        return version.version, version.version_id

    def joined_deleted(self, user_id: str, version_id: str, version: int) -> list[str]:
        """Return which groups left a user's list since a version."""
        return self.tables.directory.joined_groups_delta(UserID(user_id), version_id, version).deleted

    def write(self, *texts: str) -> None:
        """Store messages in the group's log."""
        for text in texts:
            self.store(ConversationID(group_chat_id(self.group_id)), "olga", self.group_id, text)

    def add_many(self, count: int) -> list[str]:
        """Create accounts whose ids ascend."""
        ids = [f"u{number:05}" for number in range(count)]
        self.tables.directory.register([User(user_id=UserID(one), nickname=one, create_time=START_MS) for one in ids])
        return ids
