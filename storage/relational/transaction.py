"""
What a use case is given: see `transactions.DirectoryTransaction` for the meaning of each method.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openim_ray.domain.conversation import Conversation, SessionType
from openim_ray.domain.ids import ConversationID
from openim_ray.storage.relational import conversations, erasures, outbox
from openim_ray.storage.relational.group_changes import GroupChanges
from openim_ray.storage.relational.group_view import GroupView
from openim_ray.storage.relational.people_changes import PeopleChanges
from openim_ray.storage.relational.people_view import in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from openim_ray.domain.erasure import Erasure
    from openim_ray.domain.group import Cut
    from openim_ray.transactions import WaitingEffect


class RelationalView(GroupView):
    """
    `transactions.DirectoryView`.
    """

    def conversation_rows(self, owner_id: str, conversation_ids: Sequence[str]) -> dict[str, Conversation]:
        """Return the owner's rows of these conversations."""
        return conversations.rows_of_owner(self._connection, owner_id, conversation_ids)

    def erasure(self, user_id: str) -> Erasure | None:
        """Return how far an erasure has come."""
        return erasures.find(self._connection, user_id)

    def unfinished_erasures(self, after: str, limit: int) -> list[Erasure]:
        """Return erasures that are not done."""
        return erasures.unfinished(self._connection, after, limit)

    def rows_of(self, conversation_id: str, owner_ids: Sequence[str]) -> dict[str, Conversation]:
        """Return the rows that these users have of one conversation."""
        return in_order(conversations.rows_of_conversation(self._connection, conversation_id, owner_ids), owner_ids)

    def waiting_effects(self, home_key: str, limit: int) -> list[WaitingEffect]:
        """Return what the outbox holds for a log."""
        return outbox.waiting(self._connection, home_key, limit)

    def logs_with_effects(self, limit: int) -> list[str]:
        """Return home keys of logs, those that wait longest first."""
        return outbox.logs(self._connection, limit)


class RelationalTransaction(RelationalView, GroupChanges, PeopleChanges):
    """
    `transactions.DirectoryTransaction`.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.home_keys: dict[str, None] = {}
        """Logs for which something was put into the outbox."""

    def put_erasure(self, erasure: Erasure) -> None:
        """Add or replace an erasure."""
        self._require_users([erasure.user_id])
        erasures.put(self._connection, erasure)

    def forget_texts(self, user_id: str) -> None:
        """Delete or empty what a user said beside messages."""
        erasures.forget_texts(self._connection, user_id)

    def put_conversation(self, row: Conversation) -> None:
        """Add or replace a row."""
        self.put_conversations([row])

    def put_conversations(self, rows: Sequence[Conversation]) -> None:
        """Add or replace rows."""
        conversations.put(self._connection, rows)

    def ensure_conversations(self, rows: Sequence[Conversation]) -> list[Conversation]:
        """Add the rows that don't exist yet."""
        return conversations.ensure(self._connection, rows)

    def cut(self, conversation_id: str, group_id: str, cuts: Sequence[Cut]) -> list[str]:
        """Set `min_seq` and `max_seq` of members' rows."""
        wanted = {cut.user_id: cut for cut in cuts}
        there = conversations.rows_of_conversation(self._connection, conversation_id, wanted)
        changed = []
        for user_id, cut in wanted.items():
            row = there.get(user_id) or Conversation(
                owner_user_id=user_id,
                conversation_id=ConversationID(conversation_id),
                conversation_type=SessionType.GROUP,
                group_id=group_id,
            )
            min_seq, max_seq = cut.bounds(row.min_seq)
            after = replace(row, min_seq=min_seq, max_seq=max_seq)
            if after != there.get(user_id):
                changed.append(after)
        self.put_conversations(changed)
        return [row.owner_user_id for row in changed]

    def put_effect(self, home_key: str, payload: bytes, created_ms: int) -> None:
        """Put something into the outbox."""
        outbox.put(self._connection, home_key, payload, created_ms)
        self.home_keys[home_key] = None

    def replace_effect(self, home_key: str, number: int, before: bytes, after: bytes) -> bool:
        """Let what waits read otherwise."""
        return outbox.replace(self._connection, home_key, number, before, after)

    def delete_effects(self, home_key: str, through: int) -> None:
        """Forget what was applied."""
        outbox.forget(self._connection, home_key, through)
