"""
Messages and logs as they are stored, and what a store answers to a write.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.sequence import ConversationSeq


class StoredMessage(NamedTuple):
    """
    One row of a conversation log. `send_time` is in Unix milliseconds.

    `body` is the encoded MsgData including seq and sendTime; `rev` is raised by every later mutation.
    `sender_sync` false means: the sender's own devices don't see it (option `senderSync`, OpenIM wire, §4.5).
    """

    conversation_id: ConversationID
    seq: ConversationSeq
    sender_id: UserID
    client_id: ClientMessageID
    server_id: ServerMessageID
    send_time: int
    content_type: int
    sender_sync: bool
    operation_id: str
    body: bytes
    rev: int = 0


class MessageRef(NamedTuple):
    """
    Where a message stands: what a sender is told, and what de-duplication remembers.
    """

    seq: ConversationSeq
    server_id: ServerMessageID
    send_time: int


class StreamHead(NamedTuple):
    """
    What is durably known of one stream (a chat, or its `n_` stream): max seq and time of the newest message.
    """

    conversation_id: ConversationID
    max_seq: ConversationSeq
    max_time: int
    sent: dict[str, int]
    """Each sender's newest seq: what makes own messages count as read after any crash."""


class LogState(NamedTuple):
    """
    What a log's owner needs to go on after any crash: heads, marks and the newest rows.

    A log is everything with one home key: a chat and its `n_` stream. `participants` are the two users of a
    single chat (sorted), fixed when the log is made. `read` maps a reader to the mark up to which she has read
    the other side's messages (the source of `isRead`).
    """

    participants: tuple[str, ...]
    heads: dict[ConversationID, StreamHead]
    read: dict[str, int]
    tail: tuple[StoredMessage, ...]


class LogWrite(NamedTuple):
    """
    One atomic write of a log's owner: rows in dense ascending order per stream, and marks, all or nothing.

    `partition` and `epoch` fence: a store that knows a higher epoch for the partition refuses (SUPERSEDED).
    `read` raises read marks, never lowers them.
    """

    partition: str
    epoch: int
    home_key: str
    participants: tuple[str, ...]
    rows: tuple[StoredMessage, ...]
    read: dict[str, int]


class Outcome(Enum):
    """
    What became of a LogWrite.
    """

    STORED = "stored"
    """Durable; also the answer to a repetition of the same write."""

    DUPLICATE = "duplicate"
    """Nothing was written: some rows' (sender, clientMsgID) already stand in the log, see `existing`."""

    CONFLICT = "conflict"
    """Nothing was written: a seq is taken by another message or does not continue the head. Reload."""

    SUPERSEDED = "superseded"
    """Nothing was written: a newer owner holds the partition. Answer nothing."""


class WriteResult(NamedTuple):
    """
    Answer to a LogWrite; `existing` maps the index of a duplicate row to the place of the first one.
    """

    outcome: Outcome
    existing: dict[int, MessageRef]


class ReadPosition(NamedTuple):
    """
    How far a user has read a conversation, as she said; her own sends count besides.

    `has_read_seq` is what was set; own messages up to `sent_seen` don't raise it (it may have been lowered on purpose).
    `min_seq` is the first seq she may see (0 = from the beginning).
    """

    has_read_seq: int = 0
    sent_seen: int = 0
    min_seq: int = 0

    def effective(self, sent_seq: int) -> int:
        """
        Return the read position, given the seq of the user's own newest message.

        A user has read what she wrote (OpenIM wire, §4.6 step 8): own messages never count as unread.
        """
        return max(self.has_read_seq, sent_seq if sent_seq > self.sent_seen else 0)
