"""
Conversation rows and the outbox in a transaction in memory; see `transactions` for the meaning of each method.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openim_ray.domain.conversation import Conversation, SessionType
from openim_ray.domain.ids import ConversationID
from openim_ray.storage.memory import erasures
from openim_ray.storage.memory.directory_rows import check_row
from openim_ray.storage.memory.groups import MemoryGroupChanges, MemoryGroupView
from openim_ray.storage.memory.people import MemoryPeopleChanges
from openim_ray.storage.text_rules import check_text
from openim_ray.storage.version_rules import Change, ListKind
from openim_ray.transactions import WaitingEffect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.erasure import Erasure
    from openim_ray.domain.group import Cut
    from openim_ray.storage.memory.directory_rows import DirectoryRows


class MemoryView(MemoryGroupView):
    """
    `transactions.DirectoryView`.
    """

    def conversation_rows(self, owner_id: str, conversation_ids: Sequence[str]) -> dict[str, Conversation]:
        """Return the owner's rows of these conversations."""
        owned = self._rows.conversations.get(owner_id, {})
        return {one: owned[one] for one in conversation_ids if one in owned}

    def erasure(self, user_id: str) -> Erasure | None:
        """Return how far an erasure has come."""
        return self._rows.erasures.get(user_id)

    def unfinished_erasures(self, after: str, limit: int) -> list[Erasure]:
        """Return erasures that are not done."""
        return erasures.unfinished(self._rows, after, limit)

    def rows_of(self, conversation_id: str, owner_ids: Sequence[str]) -> dict[str, Conversation]:
        """Return the rows that these users have of one conversation."""
        key = ConversationID(conversation_id)
        owned = {one: self._rows.conversations.get(one, {}) for one in owner_ids}
        return {one: rows[key] for one, rows in owned.items() if key in rows}

    def waiting_effects(self, home_key: str, limit: int) -> list[WaitingEffect]:
        """Return what the outbox holds for a log."""
        return list(self._rows.effects.get(home_key, {}).values())[: max(0, limit)]

    def logs_with_effects(self, limit: int) -> list[str]:
        """Return home keys of logs, those that wait longest first."""
        waiting = ((next(iter(rows.values())).created_ms, key) for key, rows in self._rows.effects.items() if rows)
        return [key for _, key in sorted(waiting)][: max(0, limit)]


class MemoryTransaction(MemoryView, MemoryGroupChanges, MemoryPeopleChanges):
    """
    `transactions.DirectoryTransaction`.
    """

    def __init__(self, rows: DirectoryRows) -> None:
        super().__init__(rows)
        self.home_keys: dict[str, None] = {}
        """Logs for which something was put into the outbox."""

    def put_erasure(self, erasure: Erasure) -> None:
        """Add or replace an erasure."""
        erasures.put(self._rows, erasure)

    def forget_texts(self, user_id: str) -> None:
        """Delete or empty what a user said beside messages."""
        erasures.forget_texts(self._rows, user_id)

    def put_conversation(self, row: Conversation) -> None:
        """Add or replace a row."""
        self.put_conversations([row])

    def put_conversations(self, rows: Sequence[Conversation]) -> None:
        """Add or replace rows."""
        last = {(row.owner_user_id, row.conversation_id): row for row in rows}
        for row in last.values():
            check_row(row)
            self._rows.journal.keep(self._rows.conversations, row.owner_user_id)
            owned = self._rows.conversations.setdefault(row.owner_user_id, {})
            change = Change.UPDATED if row.conversation_id in owned else Change.INSERTED
            owned[row.conversation_id] = row
            self._rows.versions.change(ListKind.CONVERSATIONS, row.owner_user_id, row.conversation_id, change)

    def ensure_conversations(self, rows: Sequence[Conversation]) -> list[Conversation]:
        """Add the rows that don't exist yet."""
        first: dict[tuple[str, str], Conversation] = {}
        for row in rows:
            first.setdefault((row.owner_user_id, row.conversation_id), row)
        missing = [
            row for row in first.values() if not self.conversation_rows(row.owner_user_id, [row.conversation_id])
        ]
        self.put_conversations(missing)
        return missing

    def cut(self, conversation_id: str, group_id: str, cuts: Sequence[Cut]) -> list[str]:
        """Set `min_seq` and `max_seq` of members' rows."""
        changed: list[str] = []
        for cut in {cut.user_id: cut for cut in cuts}.values():
            before = self.conversation_rows(cut.user_id, [conversation_id]).get(conversation_id)
            row = before or Conversation(
                owner_user_id=cut.user_id,
                conversation_id=ConversationID(conversation_id),
                conversation_type=SessionType.GROUP,
                group_id=group_id,
            )
            min_seq, max_seq = cut.bounds(row.min_seq)
            after = replace(row, min_seq=min_seq, max_seq=max_seq)
            if after != before:
                self.put_conversation(after)
                changed.append(cut.user_id)
        return changed

    def put_effect(self, home_key: str, payload: bytes, created_ms: int) -> None:
        """Put something into the outbox."""
        check_text(home_key)
        self._rows.journal.keep(self._rows.effects, home_key)
        self._rows.journal.keep(self._rows.effect_numbers, home_key)
        number = self._rows.effect_numbers.get(home_key, 0) + 1
        self._rows.effect_numbers[home_key] = number
        self._rows.effects.setdefault(home_key, {})[number] = WaitingEffect(number, payload, created_ms)
        self.home_keys[home_key] = None

    def replace_effect(self, home_key: str, number: int, before: bytes, after: bytes) -> bool:
        """Let what waits read otherwise."""
        waiting = self._rows.effects.get(home_key, {})
        effect = waiting.get(number)
        if effect is None or effect.payload != before:
            return False
        self._rows.journal.keep(self._rows.effects, home_key)
        self._rows.effects[home_key][number] = effect._replace(payload=after)
        return True

    def delete_effects(self, home_key: str, through: int) -> None:
        """Forget what was applied."""
        self._rows.journal.keep(self._rows.effects, home_key)
        waiting = self._rows.effects.get(home_key, {})
        for number in [number for number in waiting if number <= through]:
            del waiting[number]
