"""
Membership and the row of the group's conversation, which come and go together (OpenIM wire, §7.9).

A row that is written here bounds what its owner sees until the log's owner has the exact cut (`core.effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from openim_ray.domain import errors
from openim_ray.domain.conversation import Conversation, group_chat_id
from openim_ray.domain.group import Cut, Member
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.ports import MessageReader
from openim_ray.transactions import DirectoryTransaction


class LogEnd(NamedTuple):
    """
    Where a group's log ended before the transaction. `with_history`: who joins sees what was written before.
    """

    max_seq: int
    with_history: bool


class GroupLogs:
    """
    Asks where logs of groups end.

    Args:
        messages: where they are read.
        with_history: new members see what was written before they came.
    """

    def __init__(self, messages: MessageReader, *, with_history: bool) -> None:
        self._messages = messages
        self._with_history = with_history

    async def end(self, group_id: str) -> LogEnd:
        """
        Return where the log of a group ends now.
        """
        chat = group_chat_id(GroupID(group_id))
        head = (await self._messages.heads([chat])).get(chat)
        max_seq = head.max_seq if head else await self._messages.origin()
        return LogEnd(max_seq, self._with_history)


def check_room(tx: DirectoryTransaction, group_id: str, joining: int, members_max: int) -> None:
    """
    Raise ArgsError if a group would get too large.
    """
    if tx.member_count(group_id) + joining > members_max:
        raise errors.ArgsError(f"the group would have more than {members_max} members (groups.members_max)")


def seat(tx: DirectoryTransaction, group_id: GroupID, members: Sequence[Member], end: LogEnd) -> None:
    """
    Add members, none of whom is one yet. Who comes back finds her row as it was, without an end.
    """
    tx.put_members(members)
    rows = _rows(tx, group_id, members)
    after = 0 if end.with_history else end.max_seq + 1
    cuts = [Cut(user_id=one, min_seq=max(after, _min_seq(rows, one))) for one in _ids(members)]
    tx.cut(group_chat_id(group_id), group_id, cuts)


def unseat(tx: DirectoryTransaction, group_id: GroupID, members: Sequence[Member], end: LogEnd) -> None:
    """
    Remove members: their rows stay, and end where the log ends.
    """
    tx.delete_members(group_id, _ids(members))
    rows = _rows(tx, group_id, members)
    last = max(1, end.max_seq)
    cuts = [Cut(user_id=one, min_seq=_min_seq(rows, one), max_seq=last) for one in _ids(members)]
    tx.cut(group_chat_id(group_id), group_id, cuts)


def _ids(members: Sequence[Member]) -> list[UserID]:
    return [member.user.user_id for member in members]


def _rows(tx: DirectoryTransaction, group_id: GroupID, members: Sequence[Member]) -> dict[str, Conversation]:
    return tx.rows_of(group_chat_id(group_id), _ids(members))


def _min_seq(rows: dict[str, Conversation], user_id: str) -> int:
    row = rows.get(user_id)
    return row.min_seq if row else 0
