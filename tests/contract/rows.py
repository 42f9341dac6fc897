"""
Messages and writes for tests of stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.conversation import home_key
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import LogWrite, MessageRef, StoredMessage
from openim_ray.domain.sequence import ConversationSeq

if TYPE_CHECKING:
    from collections.abc import Sequence

CHAT = ConversationID("si_alice_bob")
STREAM = ConversationID("n_alice_bob")
KEY = home_key(CHAT)
PAIR = ("alice", "bob")
TIME = 1_764_000_000_000


def message(
    seq: int,
    client: str = "",
    *,
    server: str = "",
    sender: str = "alice",
    conversation: str = CHAT,
    body: bytes = b"hi",
) -> StoredMessage:
    """Return a row; its ids follow from the client's id, or from its seq."""
    client = client or f"c{seq}"
    return StoredMessage(
        ConversationID(conversation),
        ConversationSeq(seq),
        UserID(sender),
        ClientMessageID(client),
        ServerMessageID(server or f"s-{conversation}-{client}"),
        TIME + seq,
        101,
        sender_sync=True,
        operation_id=f"op{seq}",
        body=body,
    )


def reference(row: StoredMessage) -> MessageRef:
    """Return where a row stands."""
    return MessageRef(row.seq, row.server_id, row.send_time)


def write(
    *rows: StoredMessage,
    read: dict[str, int] | None = None,
    epoch: int = 0,
    participants: Sequence[str] = PAIR,
    key: str | None = None,
) -> LogWrite:
    """Return a write of one log's rows."""
    if key is None:
        key = home_key(rows[0].conversation_id) if rows else KEY
    return LogWrite("p", epoch, key, tuple(participants), rows, read or {})
