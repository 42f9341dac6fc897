"""
What a store puts in the place of a row whose sender is erased, whatever the backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.message import StoredMessage
from openim_ray.protocol.tombstones import RECEIPTS, tombstone_body, without_profile
from openim_ray.storage.envelope import Damaged, unseal

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID
    from openim_ray.storage.envelope import Columns


def erased_columns(conversation_id: ConversationID, columns: Columns) -> tuple[StoredMessage, bool]:
    """
    Return what is to stand in the place of a row as it is stored, and whether that is another one.

    A damaged row becomes a tombstone, too: it may still hold what was said.
    """
    try:
        there = unseal(conversation_id, columns)
    except Damaged:
        seq, sender_id, client_id, server_id, send_time, rev, _ = columns
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
        return _tombstone(there), True
    row = erased(there)
    return row, row is not there


def erased(row: StoredMessage) -> StoredMessage:
    """
    Return what is to stand in the place of a row, with a higher `rev`; the row itself if nothing is left to be taken from it.

    The seq stays taken and the key that de-duplicates stays known. What two stores make of the same row is the same.
    """
    keeps_content = is_notification_stream(row.conversation_id) and row.content_type in RECEIPTS
    bare = _without_profile(row) if keeps_content else _tombstone(row)
    return row if (bare.body, bare.operation_id) == (row.body, row.operation_id) else bare


def _tombstone(row: StoredMessage) -> StoredMessage:
    return row._replace(operation_id="", body=tombstone_body(row), rev=row.rev + 1)


def _without_profile(row: StoredMessage) -> StoredMessage:
    return row._replace(operation_id="", body=without_profile(row), rev=row.rev + 1)
