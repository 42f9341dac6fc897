"""
Per-message gzip (OpenIM wire, §2.1): every binary message is one complete gzip stream.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from isal import igzip, isal_zlib

from openim_ray.protocol.malformed import ProtocolError

STORED_BELOW_BYTES: Final = 1000
"""Smaller messages are not compressed, only wrapped: it costs a checksum, and an answer fits one packet anyway."""

_GZIP_WINDOW_BITS: Final = 31
"""zlib's way to say: a gzip header and trailer around the stream."""

_LEVEL: Final = 1

# Magic, method 8 (deflate), no flags, no time, no hints, unknown system (RFC 1952); then one final stored
# block (RFC 1951): type byte, length, its complement.
_STORED_HEAD: Final = struct.Struct("<10sBHH")
_GZIP_HEADER: Final = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_FINAL_STORED_BLOCK: Final = 1
_TRAILER: Final = struct.Struct("<II")


def compress(data: bytes) -> bytes:
    """
    Return `data` as one gzip stream, the smallest messages uncompressed within it.
    """
    size = len(data)
    if size >= STORED_BELOW_BYTES:
        return igzip.compress(data, _LEVEL, mtime=0)
    return (
        _STORED_HEAD.pack(_GZIP_HEADER, _FINAL_STORED_BLOCK, size, size ^ 0xFFFF)
        + data
        + _TRAILER.pack(isal_zlib.crc32(data), size)
    )


def decompress(data: bytes, limit: int) -> bytes:
    """
    Return what one gzip stream holds.

    Never produces more than `limit` + 1 bytes. Peers send one stream a message, so a second member is refused like
    any other trailing bytes. zlib and not isal, because these bytes are hostile and small.

    Raises:
        ProtocolError: not a gzip stream, damaged, cut short, followed by something, or larger than `limit` bytes.
    """
    stream = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        result = stream.decompress(data, limit + 1)
    except zlib.error:
        raise ProtocolError("gzip: damaged") from None
    if len(result) > limit:
        raise ProtocolError("gzip: larger than allowed")
    if not stream.eof:
        raise ProtocolError("gzip: truncated")
    if stream.unused_data:
        raise ProtocolError("gzip: bytes after the stream")
    return result
