"""
Membership and the row of the group's conversation, which come and go together (OpenIM wire, §7.9).

A row that is written here bounds what its owner sees until the log's owner has the exact cut (`core.effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from openim_ray.core.effects import Effect, decode_effect
from openim_ray.core.shard_loads import WriteCuts
from openim_ray.domain import errors
from openim_ray.domain.conversation import Conversation, group_chat_id
from openim_ray.domain.group import Cut, Member
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.ports import MessageReader
from openim_ray.transactions import DirectoryTransaction

WAITING_MAX: Final = 1_000
"""So many effects that wait for a group's log are looked at for clears; what a clear behind them has hidden is shown again."""


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
        raise errors.ArgsError(f"groupID: the group would have more than {members_max} members (groups.members_max)")


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


def write_cuts(tx: DirectoryTransaction, load: WriteCuts) -> bool:
    """
    Write the cuts of an effect, as far as they still hold; False, and nothing is written, if another owner of the log is at it.

    Who came without history, and has cleared the chat since, still sees nothing of what she cleared.
    """
    if not tx.replace_effect(load.home_key, load.number, load.before, load.after):
        return False
    cleared = _cleared_since(tx, load) if any(cut.min_seq for cut in load.cuts) else {}
    cuts = [replace(cut, min_seq=cut.min_seq and max(cut.min_seq, cleared.get(cut.user_id, 0))) for cut in load.cuts]
    cut_exactly(tx, GroupID(load.home_key), cuts)
    return True


def _cleared_since(tx: DirectoryTransaction, load: WriteCuts) -> dict[str, int]:
    """Return who has cleared the chat after an effect, with the first seq that she sees: that still waits behind it in the outbox."""
    firsts: dict[str, int] = {}
    for waiting in tx.waiting_effects(load.home_key, WAITING_MAX):
        if waiting.number > load.number and (effect := _readable(waiting.payload)) is not None:
            firsts.update({user_id: max(effect.cut_at, firsts.get(user_id, 0)) for user_id in effect.cleared})
    return firsts


def _readable(payload: bytes) -> Effect | None:
    try:
        return decode_effect(payload)
    except ValueError:  # its owner passes over it, too
        return None


def cut_exactly(tx: DirectoryTransaction, group_id: GroupID, cuts: Sequence[Cut]) -> None:
    """
    Write the cuts that the owner of a group's log has fixed, as far as they still hold.

    Who left keeps the beginning of what she may see. Who came back meanwhile is not closed out again by an older cut, and who left
    meanwhile not let in again: what she is now, and her row with it, was committed later than what caused the cut. Whose membership
    ended with the group has a row without an end, however often she left before.
    """
    ids = [cut.user_id for cut in cuts]
    chat = group_chat_id(group_id)
    members, rows = tx.members(group_id, ids), tx.rows_of(chat, ids)
    exact = (_still_true(cut, rows.get(cut.user_id), is_member=cut.user_id in members) for cut in cuts)
    tx.cut(chat, group_id, [cut for cut in exact if cut is not None])


def _still_true(cut: Cut, row: Conversation | None, *, is_member: bool) -> Cut | None:
    if not cut.max_seq:
        return replace(cut, max_seq=0 if is_member or row is None else row.max_seq)
    came_back = row is not None and not row.max_seq
    if is_member or came_back:
        return None
    return replace(cut, min_seq=row.min_seq if row else 0)


def _ids(members: Sequence[Member]) -> list[UserID]:
    return [member.user.user_id for member in members]


def _rows(tx: DirectoryTransaction, group_id: GroupID, members: Sequence[Member]) -> dict[str, Conversation]:
    return tx.rows_of(group_chat_id(group_id), _ids(members))


def _min_seq(rows: dict[str, Conversation], user_id: str) -> int:
    row = rows.get(user_id)
    return row.min_seq if row else 0
