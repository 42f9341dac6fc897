"""
Messages and logs as they are stored, and what a store answers to a write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.sequence import ConversationSeq, SeqRange


class Outgoing(NamedTuple):
    """
    A message that passed what needs no shared state, and may go to its conversation's owner.

    `body` is the encoded MsgData without seq and sendTime, `receiver_id` a user or a group. `stored` false: it is for who is online only.
    """

    conversation_id: str
    sender_id: str
    receiver_id: str
    client_id: str
    server_id: str
    content_type: int
    body: bytes
    stored: bool
    sender_sync: bool


class Draft(NamedTuple):
    """
    A message on its way into the log; `body` is the encoded MsgData without seq and sendTime.
    """

    conversation_id: ConversationID
    sender_id: UserID
    client_id: ClientMessageID
    server_id: ServerMessageID
    content_type: int
    sender_sync: bool
    operation_id: str
    body: bytes
    read: tuple[str, int] | None = None
    """A read mark (reader, seq) that becomes durable with the message."""


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


class DamagedRow(NamedTuple):
    """
    What a reader finds in place of a row that is not what was written: neither a message nor absent.

    Its seq is left out of what clients get. A placeholder would tell them for ever that the message is deleted.
    """

    seq: ConversationSeq


def intact(rows: Iterable[StoredMessage | DamagedRow]) -> list[StoredMessage]:
    """
    Return the messages among rows.
    """
    return [row for row in rows if isinstance(row, StoredMessage)]


def whole_from(
    first: int, found: Iterable[StoredMessage | DamagedRow], skipped: Sequence[SeqRange]
) -> tuple[list[StoredMessage], int]:
    """
    Return rows from a seq on, as far as there is no hole and no damage, and up to which seq that is; a skipped range is no hole.
    """
    ends = {one.first: one.last for one in skipped}
    seq = next((one.last + 1 for one in skipped if one.first <= first <= one.last), first)
    rows: list[StoredMessage] = []
    for row in found:
        seq = ends.get(seq, seq - 1) + 1
        if not isinstance(row, StoredMessage) or row.seq != seq:
            break
        rows.append(row)
        seq += 1
    return rows, ends.get(seq, seq - 1)


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

    participants: tuple[str, ...] = ()
    """
    The two users of a single chat (and of its stream), as its log has them; of a group's log its id alone. Empty where there is no such rule.
    """

    floor: ConversationSeq = ConversationSeq(1)
    """The first seq whose row the message store still has to have; those below may be in the history only."""

    skipped: tuple[SeqRange, ...] = ()
    """Seqs that no message ever had, ascending: a restored backup goes on behind what clients may have seen since it was made."""

    def belongs_to(self, user_id: str) -> bool:
        """
        Tell whether a user has part in it: two pairs of users can make one conversation id, and it is that of the first pair.

        Of a group the rows decide: who has one, has part in it.
        """
        return len(self.participants) < 2 or user_id in self.participants


class LogState(NamedTuple):
    """
    What a log's owner needs to go on after any crash: heads, marks and the newest rows.

    A log is everything with one home key: a chat and its `n_` stream. `participants` are the two users of a
    single chat (sorted), or the id of a group alone; fixed when the log is made. `read` maps a reader to the mark up to which she has read
    the other side's messages (the source of `isRead`).
    """

    participants: tuple[str, ...]
    heads: dict[ConversationID, StreamHead]
    read: dict[str, int]
    tail: tuple[StoredMessage, ...]


class LogWrite(NamedTuple):
    """
    One write of a log's owner: rows in dense ascending order per stream, and marks; how far all or nothing, `ports.MessageStore.write` says.

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
    """Refused: some rows' (sender, clientMsgID) already stand in the log, see `existing`."""

    CONFLICT = "conflict"
    """Refused: a seq is taken by another message or does not continue the head. Reload."""

    SUPERSEDED = "superseded"
    """Refused: a newer owner holds the partition. Answer nothing: what was written all the same, is the newer owner's."""


class WriteResult(NamedTuple):
    """
    Answer to a LogWrite; `existing` maps the index of a duplicate row to the place of the first one.
    """

    outcome: Outcome
    existing: dict[int, MessageRef]
