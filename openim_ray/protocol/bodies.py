"""
Protobuf messages as JSON in the official server's style (OpenIM wire, §6.1): HTTP bodies and notification details.

Not protobuf's own JSON form: keys are the names in the `.proto` files, all fields are present, 64-bit integers are
numbers, empty lists and absent messages null. Empty maps are left out, and one absent message (`SendMsgResp.modify`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from openim_ray.protocol.malformed import ProtocolError

Json = Any
"""What a JSON parser yields: dict, list, str, int, float, bool or None."""

_Message = TypeVar("_Message", bound=Message)

_OMITTED_WHEN_ABSENT: Final = frozenset({"openim.msg.SendMsgResp.modify"})
"""Seen in recorded traffic; every other absent message is null there."""

_HOLDS_JSON: Final = frozenset(
    {"openim_ray.sending.SendMessageReq.content", "openim_ray.sending.BatchSendMessageReq.content"}
)
"""Bytes that are a JSON object of its own in a body, whose form depends on another field."""

_WRAPPERS_PACKAGE: Final = "google.protobuf"

_RANGES: Final = {
    FieldDescriptor.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.TYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_UINT64: (0, (1 << 64) - 1),
    FieldDescriptor.TYPE_ENUM: (-(1 << 31), (1 << 31) - 1),
}


def to_json_dict(message: Message) -> dict[str, Json]:
    """
    Return the message as a dict that any JSON encoder writes in the official style.
    """
    body: dict[str, Json] = {}
    for writer in _writers(message.DESCRIPTOR):
        value = getattr(message, writer.name)
        if writer.is_map:
            if value:
                body[writer.name] = writer.convert(value)
        elif writer.has_presence and not message.HasField(writer.name):
            if not writer.is_omitted:
                body[writer.name] = None
        else:
            body[writer.name] = writer.convert(value)
    return body


def from_json_dict(message_class: type[_Message], body: Json) -> _Message:
    """
    Read a body; unknown keys are ignored, missing and null ones are zero values.

    Names are also found in another case, as Go does it: callers' back ends rely on that without knowing.

    Raises:
        ProtocolError: a value has the wrong type or range; the detail names its field.
    """
    message = message_class()
    _read_into(message, body, message.DESCRIPTOR.name)
    return message


# Writing


class _Writer(NamedTuple):
    name: str
    is_map: bool
    has_presence: bool
    is_omitted: bool
    """Left out when absent, where the official server was seen to do so."""

    convert: Callable[[Any], Json]


@lru_cache(maxsize=1024)
def _writers(descriptor: Descriptor) -> tuple[_Writer, ...]:
    return tuple(
        _Writer(
            field.name,
            _is_map(field),
            field.has_presence,
            field.full_name in _OMITTED_WHEN_ABSENT,
            _field_writer(field),
        )
        for field in descriptor.fields
    )


def _field_writer(field: FieldDescriptor) -> Callable[[Any], Json]:
    if _is_map(field):
        write = _value_writer(_message_type(field).fields_by_name["value"])
        return lambda entries: {key: write(entries[key]) for key in entries}
    if field.is_repeated:
        write = _value_writer(field)
        return lambda values: [write(value) for value in values] or None
    return _value_writer(field)


def _value_writer(field: FieldDescriptor) -> Callable[[Any], Json]:
    if _is_wrapper(field):
        return lambda wrapper: wrapper.value
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return to_json_dict
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda data: b64encode(data).decode()
    return lambda scalar: scalar


# Reading


class _Reader(NamedTuple):
    name: str
    read: Callable[[Message, Json, str], None]
    """Sets the field of a message from a value that is not null; the text is the path for errors."""


@lru_cache(maxsize=1024)
def _readers(descriptor: Descriptor) -> dict[str, _Reader]:
    """
    Return the readers by name, and by name in lower case where that names no other field.
    """
    readers = {field.name: _Reader(field.name, _field_reader(field)) for field in descriptor.fields}
    return {name.lower(): reader for name, reader in readers.items()} | readers


def _read_into(message: Message, body: Json, path: str) -> None:
    if not isinstance(body, dict):
        raise ProtocolError(f"{path}: not an object")
    readers = _readers(message.DESCRIPTOR)
    for key, value in body.items():
        reader = readers.get(key) or readers.get(key.lower())
        if reader is not None and value is not None:
            reader.read(message, value, f"{path}.{reader.name}")


def _field_reader(field: FieldDescriptor) -> Callable[[Message, Json, str], None]:
    if _is_map(field):
        return _map_reader(field)
    if field.is_repeated:
        return _list_reader(field)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return _message_reader(field)
    name, check = field.name, _scalar_reader(field)
    return lambda message, value, path: setattr(message, name, check(value, path))


def _message_reader(field: FieldDescriptor) -> Callable[[Message, Json, str], None]:
    name = field.name
    if _is_wrapper(field):
        check = _scalar_reader(_message_type(field).fields_by_name["value"])

        def read_wrapper(message: Message, value: Json, path: str) -> None:
            wrapper = getattr(message, name)
            wrapper.SetInParent()
            wrapper.value = check(value, path)

        return read_wrapper

    def read_message(message: Message, value: Json, path: str) -> None:
        part = getattr(message, name)
        part.SetInParent()
        _read_into(part, value, path)

    return read_message


def _list_reader(field: FieldDescriptor) -> Callable[[Message, Json, str], None]:
    name = field.name
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    check = None if is_message else _scalar_reader(field)

    def read_list(message: Message, value: Json, path: str) -> None:
        if not isinstance(value, list):
            raise ProtocolError(f"{path}: not a list")
        target = getattr(message, name)
        target.clear()
        for index, item in enumerate(value):
            place = f"{path}[{index}]"
            if check is not None:
                target.append(check(item, place))
            else:
                _read_into(target.add(), item, place)

    return read_list


def _map_reader(field: FieldDescriptor) -> Callable[[Message, Json, str], None]:
    name = field.name
    value_field = _message_type(field).fields_by_name["value"]
    is_message = value_field.type == FieldDescriptor.TYPE_MESSAGE
    check = None if is_message else _scalar_reader(value_field)
    check_key = _scalar_reader(_message_type(field).fields_by_name["key"])

    def read_map(message: Message, value: Json, path: str) -> None:
        if not isinstance(value, dict):
            raise ProtocolError(f"{path}: not an object")
        target = getattr(message, name)
        for key, item in value.items():
            checked_key = check_key(key, path)
            place = f"{path}[{checked_key}]"
            if check is not None:
                target[checked_key] = check(item, place)
            else:
                _read_into(target[checked_key], item, place)

    return read_map


def _scalar_reader(field: FieldDescriptor) -> Callable[[Json, str], Any]:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _string
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _boolean
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _json_object if field.full_name in _HOLDS_JSON else _bytes
    low, high = _RANGES[field.type]

    def integer(value: Json, path: str) -> int:
        if type(value) is not int:
            raise ProtocolError(f"{path}: not an integer")
        if not low <= value <= high:
            raise ProtocolError(f"{path}: out of range")
        return value

    return integer


def _string(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise ProtocolError(f"{path}: not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ProtocolError(f"{path}: not valid Unicode") from None
    if "\0" in value:  # not every store can hold it, or look for it
        raise ProtocolError(f"{path}: contains a NUL character")
    return value


def _boolean(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(f"{path}: not a boolean")
    return value


def _bytes(value: Json, path: str) -> bytes:
    if not isinstance(value, str):
        raise ProtocolError(f"{path}: not base64")
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise ProtocolError(f"{path}: not base64") from None


def _json_object(value: Json, path: str) -> bytes:
    if not isinstance(value, dict):
        raise ProtocolError(f"{path}: not an object")
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise ProtocolError(f"{path}: not valid Unicode") from None
    except RecursionError:
        raise ProtocolError(f"{path}: nested too deeply") from None


# Kinds of fields


def _is_map(field: FieldDescriptor) -> bool:
    is_message = field.type == FieldDescriptor.TYPE_MESSAGE
    return field.is_repeated and is_message and bool(_message_type(field).GetOptions().map_entry)


def _is_wrapper(field: FieldDescriptor) -> bool:
    """
    A message that only makes a scalar optional, such as `google.protobuf.StringValue`.
    """
    return field.type == FieldDescriptor.TYPE_MESSAGE and _message_type(field).file.package == _WRAPPERS_PACKAGE


def _message_type(field: FieldDescriptor) -> Descriptor:
    descriptor = field.message_type
    if descriptor is None:
        raise TypeError(f"{field.full_name} is no message")
    return descriptor
