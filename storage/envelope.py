"""
What of a message isn't a column: a version byte, a CRC-32 and msgpack.

The checksum covers the columns, too, so a row that the disk changed is told from the one that was written.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

import msgpack
import msgspec

from openim_ray.domain.message import StoredMessage

if TYPE_CHECKING:
    from openim_ray.domain.ids import ConversationID

VERSION = 1
_HEADER = struct.Struct(">BI")
_encode = msgspec.msgpack.Encoder().encode

Columns = tuple[int, str, str, str, int, int, bytes]
"""(seq, sender_id, client_id, server_id, send_time, rev, envelope) as they stand beside each other in a store."""


class Damaged(Exception):
    """
    A row isn't what was written.
    """


def seal(row: StoredMessage) -> bytes:
    """
    Return the envelope of a message.
    """
    content = _encode((row.content_type, row.sender_sync, row.operation_id, row.body))
    columns = (row.seq, row.sender_id, row.client_id, row.server_id, row.send_time, row.rev)
    return _HEADER.pack(VERSION, _checksum(row.conversation_id, columns, content)) + content


def unseal(conversation_id: ConversationID, columns: Columns) -> StoredMessage:
    """
    Return the message of a row; Damaged if a bit of it changed or its version is unknown.
    """
    seq, sender_id, client_id, server_id, send_time, rev, envelope = columns
    try:
        version, checksum = _HEADER.unpack_from(envelope)
        if version != VERSION:
            raise Damaged(f"version {version}")
        content = envelope[_HEADER.size :]
        if checksum != _checksum(conversation_id, columns[:6], content):
            raise Damaged("checksum")
        content_type, sender_sync, operation_id, body = msgpack.unpackb(content)
    except (TypeError, ValueError, struct.error, msgpack.UnpackException) as error:
        raise Damaged(type(error).__name__) from error
    return StoredMessage(
        conversation_id,
        seq,  # type: ignore[arg-type]
        sender_id,  # type: ignore[arg-type]
        client_id,  # type: ignore[arg-type]
        server_id,  # type: ignore[arg-type]
        send_time,
        content_type,
        sender_sync,
        operation_id,
        body,
        rev,
    )


def _checksum(conversation_id: str, columns: tuple[int, str, str, str, int, int], content: bytes) -> int:
    return crc32(content, crc32(repr((conversation_id, columns)).encode()))
