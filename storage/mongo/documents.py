"""
How rows stand in the collection `messages`.

Text of users is never the name of a field. `stored_at` is set by the server's clock (an empty BSON timestamp in an insert says so): retention
goes by it, and a writer whose clock is wrong must not decide what is old. `_id` is given by the server, too: it begins with the time.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import bson
from bson import Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from openim_ray.domain.errors import ArgsError
from openim_ray.domain.message import MessageRef
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.storage.envelope import seal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openim_ray.domain.message import StoredMessage
    from openim_ray.storage.envelope import Columns

DOCUMENT_BYTES_MAX = 16 << 20
"""What MongoDB takes as one document."""

WHOLE = {"_id": False, "conversation": True, "seq": True, "sender": True, "client": True, "server": True} | {
    "send_time": True,
    "rev": True,
    "envelope": True,
    "read": True,
}
"""Fields that make a row and what it says about heads."""

HEADLINE = {"_id": False, "conversation": True, "seq": True, "sender": True, "send_time": True, "read": True}
"""Fields of a row that heads, newest seqs of senders, and marks follow from."""

_BY_THE_SERVER = Timestamp(0, 0)

PLACE = {"_id": False, "conversation": True, "seq": True, "server": True}
REFERENCE = PLACE | {"sender": True, "client": True, "send_time": True}


def encode_row(row: StoredMessage, read: Mapping[str, int]) -> RawBSONDocument:
    """
    Return the document of a row, encoded; `read` are marks that become durable with it.

    Raises:
        ArgsError: it is larger than MongoDB takes.
        UnicodeEncodeError, OverflowError: half a surrogate pair, a number beyond 64 bits.
    """
    columns = (row.seq, row.sender_id, row.client_id, row.server_id, row.send_time, row.rev, seal(row))
    document = _document(row.conversation_id, columns)
    if read:
        document["read"] = encode_marks(read)
    return _encoded(document)


def encode_copy(conversation_id: str, columns: Columns, stored_ms: int) -> RawBSONDocument:
    """
    Return the document of a row as another store has it, damaged or not; `stored_ms` is when it was stored there, in Unix milliseconds.

    Raises: as `encode_row`.
    """
    seconds = max(stored_ms // 1000, 1)
    # Retention looks at the oldest ids first.
    oldest = {"_id": ObjectId(struct.pack(">I", seconds) + ObjectId().binary[4:])}
    return _encoded(oldest | _document(conversation_id, columns) | {"stored_at": Timestamp(seconds, 1)})


def _document(conversation_id: str, columns: Columns) -> dict[str, Any]:
    seq, sender_id, client_id, server_id, send_time, rev, envelope = columns
    return {
        "conversation": conversation_id,
        "seq": seq,
        "sender": sender_id,
        "client": client_id,
        "server": server_id,
        "send_time": send_time,
        "rev": rev,
        "stored_at": _BY_THE_SERVER,
        "envelope": envelope,
    }


def _encoded(document: dict[str, Any]) -> RawBSONDocument:
    encoded = bson.encode(document)
    if len(encoded) > DOCUMENT_BYTES_MAX:
        raise ArgsError(f"a message of {len(encoded)} bytes can't be stored")
    return RawBSONDocument(encoded)


def encode_marks(read: Mapping[str, int]) -> list[dict[str, Any]]:
    """
    Return marks as a list of documents.
    """
    return [{"reader": reader, "seq": seq} for reader, seq in read.items()]


def columns_of(document: Mapping[str, Any]) -> Columns:
    """
    Return what the envelope's checksum covers; a field that is missing or has another type makes the row a damaged one.
    """
    return (
        int(document["seq"]),
        document.get("sender", ""),
        document.get("client", ""),
        document.get("server", ""),
        _integer(document.get("send_time")),
        _integer(document.get("rev")),
        document.get("envelope", b""),
    )


def reference_of(document: Mapping[str, Any]) -> MessageRef:
    """
    Return where a row stands.
    """
    return MessageRef(ConversationSeq(int(document["seq"])), document["server"], int(document["send_time"]))


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, Int64) else value
