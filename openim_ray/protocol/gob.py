"""
The one corner of Go's gob format that the socket uses (OpenIM wire, §2.3): a struct of numbers, texts and bytes.

Every frame is a stream of its own: definitions of the struct, then one value. Clients differ in type id, struct name
and field order, so fields are found by name. A definition is parsed once and remembered: real clients send one
of two, byte for byte.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.malformed import ProtocolError

# Type ids that gob fixes (OpenIM wire, §2.3).
_BOOL, _INT, _UINT, _FLOAT, _BYTES, _STRING, _COMPLEX = 1, 2, 3, 4, 5, 6, 7

_FIRST_USER_TYPE: Final = 64
_DEFINITION_BYTES_MAX: Final = 4096
"""The real ones have 95 to 102 bytes."""

_DEFINITIONS_MAX: Final = 16
"""Definitions in one frame; real clients send one."""

_REMEMBERED_MAX: Final = 64
"""Definitions kept for later frames, at most 128 bytes each."""

_IGNORED: Final = -1


class _Definition(NamedTuple):
    """
    A peer's struct: of each field its gob type, and the slot its value goes to (`_IGNORED`: nowhere).

    `fields` is None for a type that is no struct of basic fields: fine unless the value is of it.
    """

    type_id: int
    fields: tuple[tuple[int, int], ...] | None


_Types = dict[int, tuple[tuple[int, int], ...] | None]
"""Type id -> `_Definition.fields`."""


class _Schema(NamedTuple):
    """
    What we look for: field name -> (slot, kind), and the values of absent fields by slot.
    """

    slots: dict[bytes, tuple[int, int]]
    defaults: tuple[int | str | bytes, ...]


_REQUEST_SCHEMA: Final = _Schema(
    {
        b"ReqIdentifier": (0, _INT),
        b"Token": (1, _STRING),
        b"SendID": (2, _STRING),
        b"OperationID": (3, _STRING),
        b"MsgIncr": (4, _STRING),
        b"Data": (5, _BYTES),
    },
    (0, "", "", "", "", b""),
)
_RESPONSE_SCHEMA: Final = _Schema(
    {
        b"ReqIdentifier": (0, _INT),
        b"MsgIncr": (1, _STRING),
        b"OperationID": (2, _STRING),
        b"ErrCode": (3, _INT),
        b"ErrMsg": (4, _STRING),
        b"Data": (5, _BYTES),
    },
    (0, "", "", 0, "", b""),
)


def decode_request(frame: bytes | memoryview) -> Request:
    """
    Read a client's frame.

    Raises:
        ProtocolError: the bytes are not one request; raised for every malformed input.
    """
    return Request(*_REQUESTS.read(bytes(frame)))  # type: ignore[arg-type]


def decode_response(frame: bytes | memoryview) -> Response:
    """
    Read a server's frame.

    Raises:
        ProtocolError: the bytes are not one response.
    """
    return Response(*_RESPONSES.read(bytes(frame)))  # type: ignore[arg-type]


def encode_response(response: Response) -> bytes:
    """
    Return the frame with the fields in the one order that every client reads (OpenIM wire, §12 row 1).
    """
    return _RESPONSE_PREFIX + _chunk(
        _encode_fields(
            (
                response.req_identifier,
                response.msg_incr,
                response.operation_id,
                response.err_code,
                response.err_msg,
                response.data,
            )
        )
    )


def encode_request(request: Request) -> bytes:
    """
    Return the frame as the official browser build writes it.
    """
    return _REQUEST_PREFIX + _chunk(
        _encode_fields(
            (
                request.req_identifier,
                request.token,
                request.send_id,
                request.operation_id,
                request.msg_incr,
                request.data,
            )
        )
    )


# Decoding


class _Reader:
    """
    Reads the frames of one direction into values in the order of `schema.defaults`.
    """

    def __init__(self, schema: _Schema) -> None:
        self._schema = schema
        self._known: dict[bytes, _Definition] = {}
        """First chunk of a frame -> what it defines. Full at `_REMEMBERED_MAX`: then others are parsed each time."""

    def read(self, data: bytes) -> list[int | str | bytes]:
        """
        Return the values of one frame.

        Raises:
            ProtocolError: the bytes are anything else.
        """
        try:
            definition = self._known.get(data[: data[0] + 1])
            if definition is None:
                return self._read_chunks(data, 0, {})
            return self._read_chunks(data, data[0] + 1, {definition.type_id: definition.fields})
        except IndexError:
            raise ProtocolError("gob: truncated") from None
        except UnicodeDecodeError:
            raise ProtocolError("gob: text is not UTF-8") from None

    def remember(self, chunk: bytes, definition: _Definition) -> None:
        """
        Keep a definition for the frames to come. Only one-byte lengths are looked up by `read`.
        """
        if len(self._known) < _REMEMBERED_MAX and chunk[0] <= 127:
            self._known[chunk] = definition

    def _read_chunks(self, data: bytes, start: int, types: _Types) -> list[int | str | bytes]:
        """
        Read definitions into `types`, then the value, from `start` to the end.
        """
        while True:
            length, body = _unsigned(data, start)
            end = body + length
            type_id, position = _signed(data, body)
            if type_id > 0:
                break
            definition = self._define(data[body:end], types)
            if start == 0:
                self.remember(data[:end], definition)
            start = end
        if end != len(data):
            raise ProtocolError("gob: truncated, or bytes after the value")
        fields = types.get(type_id)
        if fields is None:
            raise ProtocolError("gob: value of an unknown type")
        return _read_fields(data, position, fields, list(self._schema.defaults))

    def _define(self, body: bytes, types: _Types) -> _Definition:
        if len(body) > _DEFINITION_BYTES_MAX or len(types) >= _DEFINITIONS_MAX:
            raise ProtocolError("gob: too many or too long type definitions")
        definition = _parse_definition(body, self._schema)
        if definition.type_id in types:
            raise ProtocolError("gob: type defined twice")
        types[definition.type_id] = definition.fields
        return definition


def _read_fields(
    data: bytes, position: int, fields: tuple[tuple[int, int], ...], values: list[int | str | bytes]
) -> list[int | str | bytes]:
    """
    Read a struct value that ends where `data` ends.

    The hot loop: one-byte numbers are read in place, longer ones by `_unsigned`.
    """
    size = len(data)
    index = -1
    while delta := data[position]:
        position += 1
        if delta > 127:
            delta, position = _unsigned(data, position - 1)
        index += delta
        if index >= len(fields):
            raise ProtocolError("gob: field number out of range")
        kind, slot = fields[index]
        number = data[position]
        position += 1
        if number > 127:
            number, position = _unsigned(data, position - 1)
        if kind == _STRING or kind == _BYTES:
            start, position = position, position + number
            if position > size:
                raise ProtocolError("gob: truncated")
            if slot >= 0:
                values[slot] = data[start:position].decode() if kind == _STRING else data[start:position]
        elif kind == _COMPLEX:
            _, position = _unsigned(data, position)
        elif slot >= 0:
            values[slot] = _int32(number if kind == _UINT else _unfold(number))
    if position + 1 != size:
        raise ProtocolError("gob: bytes after the value")
    return values


def _unsigned(data: bytes, position: int) -> tuple[int, int]:
    """
    Read an unsigned number; return it and the position behind it.

    Raises:
        IndexError: the data ends inside the number.
    """
    first = data[position]
    if first <= 127:
        return first, position + 1
    length = 256 - first
    if length > 8:
        raise ProtocolError("gob: number of more than 8 bytes")
    end = position + 1 + length
    if end > len(data):
        raise ProtocolError("gob: truncated")
    return int.from_bytes(data[position + 1 : end], "big"), end


def _signed(data: bytes, position: int) -> tuple[int, int]:
    number, position = _unsigned(data, position)
    return _unfold(number), position


def _unfold(number: int) -> int:
    return ~(number >> 1) if number & 1 else number >> 1


def _int32(number: int) -> int:
    """
    Both numbers of the frames are 32-bit integers in the official server.
    """
    if not -0x8000_0000 <= number <= 0x7FFF_FFFF:
        raise ProtocolError("gob: number does not fit 32 bits")
    return number


# Definitions


def _parse_definition(body: bytes, schema: _Schema) -> _Definition:
    """
    Read a definition chunk: negative type id, then gob's own `wireType` struct.

    Only its member `StructT` (third field) is of interest.
    """
    negated, position = _signed(body, 0)
    type_id = -negated
    if type_id < _FIRST_USER_TYPE:
        raise ProtocolError("gob: basic type redefined")
    delta, position = _unsigned(body, position)
    if delta != 3:
        return _Definition(type_id, None)
    position = _skip_common_type(body, _expect(body, position, 1))
    count, position = _unsigned(body, _expect(body, position, 1))
    # A field takes at least five bytes, so the data bounds the loop whatever `count` says.
    fields = []
    for _ in range(count):
        name, kind, position = _parse_field(body, position)
        fields.append((kind, _slot(name, kind, schema)))
    position = _expect(body, position, 0)  # ends structType
    position = _expect(body, position, 0)  # ends wireType
    if position != len(body):
        raise ProtocolError("gob: bytes after a definition")
    usable = all(kind <= _COMPLEX for kind, _ in fields)
    return _Definition(type_id, tuple(fields) if usable else None)


def _slot(name: bytes, kind: int, schema: _Schema) -> int:
    slot, wanted = schema.slots.get(name, (_IGNORED, kind))
    if kind != wanted and not (wanted == _INT and kind == _UINT):
        raise ProtocolError(f"gob: field {name.decode()} has another type")
    return slot


def _skip_common_type(body: bytes, position: int) -> int:
    """
    Skip {Name string, Id int}, either of which may be absent.
    """
    delta, position = _unsigned(body, position)
    if delta == 1:
        _, position = _text(body, position)
        delta, position = _unsigned(body, position)
        delta += 1 if delta else 0
    if delta == 2:
        _, position = _unsigned(body, position)
        delta, position = _unsigned(body, position)
    if delta:
        raise ProtocolError("gob: malformed definition")
    return position


def _parse_field(body: bytes, position: int) -> tuple[bytes, int, int]:
    """
    Read {Name string, Id int}; return name, type id and the position behind.
    """
    name, position = _text(body, _expect(body, position, 1))
    kind, position = _signed(body, _expect(body, position, 1))
    if kind < _BOOL:
        raise ProtocolError("gob: malformed definition")
    return name, kind, _expect(body, position, 0)


def _text(body: bytes, position: int) -> tuple[bytes, int]:
    length, position = _unsigned(body, position)
    end = position + length
    if end > len(body):
        raise ProtocolError("gob: truncated")
    return body[position:end], end


def _expect(body: bytes, position: int, byte: int) -> int:
    if body[position] != byte:
        raise ProtocolError("gob: malformed definition")
    return position + 1


# Encoding


_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(128))


def _encode_unsigned(number: int) -> bytes:
    if number < 128:
        return _ONE_BYTE[number]
    length = (number.bit_length() + 7) // 8
    return bytes((256 - length,)) + number.to_bytes(length, "big")


def _encode_signed(number: int) -> bytes:
    return _encode_unsigned(~number * 2 + 1 if number < 0 else number * 2)


def _encode_fields(values: tuple[int | str | bytes, ...]) -> bytes:
    """
    Return the type id and a struct value; zero values are left out.
    """
    parts = [b"\xff\x80"]
    delta = 1
    for value in values:
        if not value:
            delta += 1
            continue
        parts.append(_ONE_BYTE[delta])
        delta = 1
        if isinstance(value, int):
            parts.append(_encode_signed(value))
            continue
        payload = value.encode() if isinstance(value, str) else value
        parts.append(_encode_unsigned(len(payload)))
        parts.append(payload)
    parts.append(b"\0")
    return b"".join(parts)


def _chunk(body: bytes) -> bytes:
    return _encode_unsigned(len(body)) + body


def _definition(name: str, schema: _Schema, type_id: int) -> bytes:
    """
    Return the chunk that defines a struct.
    """
    fields = b"".join(
        b"\x01" + _chunk(field) + b"\x01" + _encode_signed(kind) + b"\0" for field, (_, kind) in schema.slots.items()
    )
    common = b"\x01" + _chunk(name.encode()) + b"\x01" + _encode_signed(type_id) + b"\0"
    structure = b"\x01" + common + b"\x01" + _encode_unsigned(len(schema.slots)) + fields + b"\0"
    return _chunk(_encode_signed(-type_id) + b"\x03" + structure + b"\0")


_REQUEST_PREFIX: Final = _definition("GeneralWsReq", _REQUEST_SCHEMA, _FIRST_USER_TYPE)
_RESPONSE_PREFIX: Final = _definition("Resp", _RESPONSE_SCHEMA, _FIRST_USER_TYPE)

_REQUESTS: Final = _Reader(_REQUEST_SCHEMA)
_RESPONSES: Final = _Reader(_RESPONSE_SCHEMA)

# What real clients send is remembered before anybody can fill the memory: native programs that registered
# another type first use id 65, all others 64.
for _type_id in (_FIRST_USER_TYPE, _FIRST_USER_TYPE + 1):
    _chunk_bytes = _definition("GeneralWsReq", _REQUEST_SCHEMA, _type_id)
    _REQUESTS.remember(_chunk_bytes, _parse_definition(_chunk_bytes[1:], _REQUEST_SCHEMA))
