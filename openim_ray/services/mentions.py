"""
Marking members whom a message of their group names, or all of them for an announcement: `groupAtType` of their conversation rows
(OpenIM wire, §4.6 step 9, §6.5).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from openim_ray.domain.group import AtType
from openim_ray.ports import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.core.shard_loads import MarkMentions
    from openim_ray.transactions import DirectoryTransaction

PAGE_MEMBERS: Final = 500
"""So many rows are changed in one transaction: others must have their turn while a large group is told."""


class MarkedPage(NamedTuple):
    """
    Whose rows changed, and behind which id the next page begins; empty if there is none.
    """

    changed: list[str]
    after: str


async def mark_page(directory: DirectoryStore, mentions: MarkMentions) -> MarkedPage:
    """
    Mark the first members behind `mentions.after` whom a message names; at most `PAGE_MEMBERS`, with a handful of statements.

    Who wrote it is left out. Doing it again is harmless, and writes nothing. Unavailable if the directory can't be reached.
    """
    return (await directory.change(partial(_mark_page, mentions=mentions))).result


def _mark_page(change: DirectoryTransaction, mentions: MarkMentions) -> MarkedPage:
    page, member_ids = _page(change, mentions)
    rows = change.rows_of(mentions.conversation_id, [one for one in member_ids if one != mentions.sender_id])
    named = frozenset(mentions.user_ids)
    marks = {user_id: _at_type(mentions, is_named=user_id in named) for user_id in rows}
    changed = {
        user_id: replace(row, group_at_type=marks[user_id])
        for user_id, row in rows.items()
        if row.group_at_type != marks[user_id]
    }
    if changed:
        change.put_conversations(list(changed.values()))
    return MarkedPage([one for one in page if one in changed], page[-1] if len(page) == PAGE_MEMBERS else "")


def _page(change: DirectoryTransaction, mentions: MarkMentions) -> tuple[Sequence[str], Sequence[str]]:
    """Return whom to look at, and who of them is a member."""
    if mentions.everybody:
        page = change.member_ids_behind(mentions.home_key, mentions.after, PAGE_MEMBERS)
        return page, page
    begin = bisect_right(mentions.user_ids, mentions.after)
    named = mentions.user_ids[begin : begin + PAGE_MEMBERS]
    return named, list(change.members(mentions.home_key, named))


def _at_type(mentions: MarkMentions, *, is_named: bool) -> AtType:
    if mentions.is_notice:
        return AtType.NOTICE
    if not is_named:
        return AtType.ALL
    return AtType.ALL_AND_ME if mentions.everybody else AtType.ME
