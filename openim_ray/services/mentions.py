"""
Marking members whom a message of their group names, or all of them for an announcement: `groupAtType` of their conversation rows
(OpenIM wire, §4.6 step 9, §6.5).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from openim_ray.domain.group import AtType
from openim_ray.domain.ids import ConversationID
from openim_ray.ports import DirectoryStore

if TYPE_CHECKING:
    from openim_ray.core.shard_loads import MarkMentions
    from openim_ray.transactions import DirectoryTransaction

PAGE_MEMBERS: Final = 500
"""So many rows are changed in one transaction: others must have their turn while a large group is told."""


async def marked_pages(directory: DirectoryStore, mentions: MarkMentions) -> AsyncIterator[list[str]]:
    """
    Mark the members whom a message names, page by page, and yield those whose rows changed.

    Who wrote it is left out. Doing it again is harmless. Unavailable if the directory can't be reached; what was marked, stays.
    """
    group_id, named = mentions.home_key, frozenset(mentions.user_ids)
    if mentions.everybody:
        # The named ones first, in case that they are not members any more when the others are read.
        everybody = await directory.view(lambda view: view.member_ids(group_id))
        user_ids: Sequence[str] = [*mentions.user_ids, *(one for one in everybody if one not in named)]
    else:
        user_ids = mentions.user_ids
    user_ids = [one for one in user_ids if one != mentions.sender_id]
    for begin in range(0, len(user_ids), PAGE_MEMBERS):
        page = user_ids[begin : begin + PAGE_MEMBERS]
        changed = await directory.change(partial(_mark, mentions=mentions, user_ids=page))
        yield changed.result


def _mark(change: DirectoryTransaction, mentions: MarkMentions, user_ids: Sequence[str]) -> list[str]:
    marked: list[str] = []
    conversation_id = ConversationID(mentions.conversation_id)
    for user_id in change.members(mentions.home_key, user_ids):
        row = change.conversation_rows(user_id, [conversation_id]).get(conversation_id)
        at_type = _at_type(mentions, user_id)
        if row is not None and row.group_at_type != at_type:
            change.put_conversation(replace(row, group_at_type=at_type))
            marked.append(user_id)
    return marked


def _at_type(mentions: MarkMentions, user_id: str) -> AtType:
    if mentions.is_notice:
        return AtType.NOTICE
    if user_id not in mentions.user_ids:
        return AtType.ALL
    return AtType.ALL_AND_ME if mentions.everybody else AtType.ME
