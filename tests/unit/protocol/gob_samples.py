"""Frames as real Go programs write them (OpenIM wire, Appendix B), and frames of other shapes for tests."""

from __future__ import annotations

RESPONSE_DEFINITION = bytes.fromhex(
    "5f7f030101045265737001ff80000106010d5265714964656e74696669657201040001074d7367496e6372010c00010b4f7065"
    "726174696f6e4944010c000107457272436f646501040001064572724d7367010c00010444617461010a000000"
)
_REQUEST_FIELDS = (
    "0106010d5265714964656e74696669657201040001"
    "05546f6b656e010c00010653656e644944010c00010b4f7065726174696f6e4944010c00"
    "01074d7367496e6372010c00010444617461010a000000"
)
REQUEST_DEFINITION_64 = bytes.fromhex("657f0301010c47656e6572616c577352657101ff8000" + _REQUEST_FIELDS)
REQUEST_DEFINITION_65 = bytes.fromhex("66ff810301010c47656e6572616c577352657101ff8200" + _REQUEST_FIELDS)

INT, UINT, FLOAT, BYTES, STRING, COMPLEX, INTERFACE = 2, 3, 4, 5, 6, 7, 8


def unsigned(number: int) -> bytes:
    """Return gob's unsigned number."""
    if number < 128:
        return bytes([number])
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([256 - len(body)]) + body


def signed(number: int) -> bytes:
    """Return gob's signed number."""
    return unsigned(number * 2 if number >= 0 else ~number * 2 + 1)


def chunk(body: bytes) -> bytes:
    """Return a body behind its length."""
    return unsigned(len(body)) + body


def definition(type_id: int, fields: list[tuple[str, int]], name: str = "Anything") -> bytes:
    """Return the chunk that defines a struct."""
    common = (
        b"\x01" + chunk(name.encode()) + b"\x01" + signed(type_id) + b"\0"
        if name
        else b"\x02" + signed(type_id) + b"\0"
    )
    listed = b"".join(b"\x01" + chunk(field.encode()) + b"\x01" + signed(kind) + b"\0" for field, kind in fields)
    structure = b"\x01" + common + b"\x01" + unsigned(len(fields)) + listed + b"\0"
    return chunk(signed(-type_id) + b"\x03" + structure + b"\0")


def value(type_id: int, fields: list[tuple[int, bytes]]) -> bytes:
    """Return a value chunk of (field index, encoded value), ascending."""
    body, last = signed(type_id), -1
    for index, encoded in fields:
        body += unsigned(index - last) + encoded
        last = index
    return chunk(body + b"\0")
