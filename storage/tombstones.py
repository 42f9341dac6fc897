"""
What a store puts in the place of rows that concern an erased account, whatever the backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.message import StoredMessage
from openim_ray.protocol.tombstones import RECEIPTS, tells_of, tombstone_body, without_profile, without_words_of
from openim_ray.storage.envelope import Damaged, unseal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.envelope import Columns


class Replacement(NamedTuple):
    """
    A row that concerns the account, as it is to stand, and whether that is another one than before.
    """

    row: StoredMessage
    is_new: bool


def replacements(
    conversation_id: ConversationID, rows: Iterable[Columns], user_id: str
) -> list[tuple[Columns, Replacement]]:
    """
    Return what is to stand in the place of those rows, as they are stored, that concern an account.

    A damaged row of hers becomes a tombstone, too: it may still hold what was said.
    """
    found = ((columns, _replacement(conversation_id, columns, user_id)) for columns in rows)
    return [(columns, there) for columns, there in found if there is not None]


def replacement(row: StoredMessage, user_id: str) -> Replacement | None:
    """
    Return what is to stand in the place of a row, with a higher `rev` unless nothing is left to be taken from it; None if it doesn't concern her.

    The seq stays taken and the key that de-duplicates stays known. What two stores make of the same row is the same.
    """
    if row.sender_id != user_id:
        return _replaced(row, without_words_of(row, user_id), row.operation_id) if tells_of(row, user_id) else None
    keeps_content = is_notification_stream(row.conversation_id) and row.content_type in RECEIPTS
    # Who calls chooses the operationID.
    return _replaced(row, without_profile(row) if keeps_content else tombstone_body(row), "")


def _replacement(conversation_id: ConversationID, columns: Columns, user_id: str) -> Replacement | None:
    try:
        return replacement(unseal(conversation_id, columns), user_id)
    except Damaged:
        seq, sender_id, client_id, server_id, send_time, rev, _ = columns
    if sender_id != user_id:
        return None
    there = StoredMessage(
        conversation_id,
        seq,  # type: ignore[arg-type]
        sender_id,  # type: ignore[arg-type]
        client_id,  # type: ignore[arg-type]
        server_id,  # type: ignore[arg-type]
        send_time,
        0,
        sender_sync=True,
        operation_id="",
        body=b"",
        rev=rev,
    )
    return _replaced(there, tombstone_body(there), "")


def _replaced(row: StoredMessage, body: bytes, operation_id: str) -> Replacement:
    if (body, operation_id) == (row.body, row.operation_id):
        return Replacement(row, is_new=False)
    return Replacement(row._replace(operation_id=operation_id, body=body, rev=row.rev + 1), is_new=True)
