"""
A second, independent reading of MsgData and of answers: what a strict proto3 decoder such as Go's accepts.

Written from the field tables only (OpenIM wire, §3 and Appendix A), with nothing of the code under test. It is stricter
than needed: an unknown field is refused, because the server writes none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

SAFE_INTEGER_MAX = 2**53 - 1


class Unreadable(Exception):
    """A receiver would refuse these bytes."""


def read_msg_data(data: bytes) -> dict[str, Any]:
    """Return the fields of a MsgData by name, as a receiver sees them."""
    return _read(data, _MSG_DATA)


def read_pulled(data: bytes) -> dict[str, Any]:
    """Return PushMessages, PullMessageBySeqsResp or GetSeqMessageResp: they have the same fields."""
    return _read(data, _PULLED)


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if not 1 <= number < 1 << 29:
            raise Unreadable(f"field number {number}")
        if wire_type == 0:
            number_value, position = _varint(data, position)
            yield number, wire_type, number_value
        elif wire_type == 2:
            length, position = _varint(data, position)
            start, position = position, position + length
            if position > len(data):
                raise Unreadable("truncated")
            yield number, wire_type, data[start:position]
        else:
            raise Unreadable(f"wire type {wire_type}")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if position >= len(data):
            raise Unreadable("truncated")
        byte = data[position]
        position += 1
        value |= (byte & 127) << 7 * index
        if byte < 128:
            if value >= 1 << 64:
                raise Unreadable("varint over 64 bits")
            return value, position
    raise Unreadable("varint over 10 bytes")


def _int32(value: int) -> int:
    signed = value - (1 << 64) if value >= 1 << 63 else value
    if not -(1 << 31) <= signed < 1 << 31:
        raise Unreadable("int32 out of range")
    return signed


def _int64(value: int) -> int:
    signed = value - (1 << 64) if value >= 1 << 63 else value
    if abs(signed) > SAFE_INTEGER_MAX:
        raise Unreadable("int64 beyond what JavaScript holds")
    return signed


def _bool(value: int) -> bool:
    if value not in (0, 1):
        raise Unreadable("bool")
    return bool(value)


def _string(value: bytes) -> str:
    try:
        return value.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise Unreadable("string is not UTF-8") from error


Kind = tuple[str, int, Callable[[Any], Any]]
"""How often a field occurs (`one`, `many`, `map`), its wire type, and how its value is read."""


def _read(data: bytes, kinds: dict[int, tuple[str, Kind]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, wire_type, raw in _fields(data):
        if number not in kinds:
            raise Unreadable(f"unknown field {number}")
        name, (occurrence, wanted, read) = kinds[number]
        if wire_type != wanted:
            raise Unreadable(f"wire type of {name}")
        value = read(raw)
        if occurrence == "one":
            found[name] = value
        elif occurrence == "many":
            found.setdefault(name, []).append(value)
        else:
            found.setdefault(name, {})[value.get("key", "")] = value.get("value", read.default)  # type: ignore[attr-defined]
    return found


def _message(kinds: dict[int, tuple[str, Kind]]) -> Callable[[bytes], dict[str, Any]]:
    return lambda data: _read(data, kinds)


def _map(value: Kind, default: Any) -> Kind:
    def read(data: bytes) -> dict[str, Any]:
        return _read(data, {1: ("key", STRING), 2: ("value", value)})

    read.default = default  # type: ignore[attr-defined]
    return "map", 2, read


STRING: Kind = ("one", 2, _string)
STRINGS: Kind = ("many", 2, _string)
BYTES: Kind = ("one", 2, bytes)
INT32: Kind = ("one", 0, _int32)
INT64: Kind = ("one", 0, _int64)
BOOL: Kind = ("one", 0, _bool)

_PUSH_INFO: dict[int, tuple[str, Kind]] = {
    1: ("title", STRING),
    2: ("desc", STRING),
    3: ("ex", STRING),
    4: ("iOSPushSound", STRING),
    5: ("iOSBadgeCount", BOOL),
    6: ("signalInfo", STRING),
}
_MSG_DATA: dict[int, tuple[str, Kind]] = {
    1: ("sendID", STRING),
    2: ("recvID", STRING),
    3: ("groupID", STRING),
    4: ("clientMsgID", STRING),
    5: ("serverMsgID", STRING),
    6: ("senderPlatformID", INT32),
    7: ("senderNickname", STRING),
    8: ("senderFaceURL", STRING),
    9: ("sessionType", INT32),
    10: ("msgFrom", INT32),
    11: ("contentType", INT32),
    12: ("content", BYTES),
    14: ("seq", INT64),
    15: ("sendTime", INT64),
    16: ("createTime", INT64),
    17: ("status", INT32),
    18: ("isRead", BOOL),
    19: ("options", _map(BOOL, False)),
    20: ("offlinePushInfo", ("one", 2, _message(_PUSH_INFO))),
    21: ("atUserIDList", STRINGS),
    22: ("attachedInfo", STRING),
    23: ("ex", STRING),
}
_PULL_MSGS: dict[int, tuple[str, Kind]] = {
    1: ("Msgs", ("many", 2, _message(_MSG_DATA))),
    2: ("isEnd", BOOL),
    3: ("endSeq", INT64),
}
_PULLED: dict[int, tuple[str, Kind]] = {
    1: ("msgs", _map(("one", 2, _message(_PULL_MSGS)), {})),
    2: ("notificationMsgs", _map(("one", 2, _message(_PULL_MSGS)), {})),
}
