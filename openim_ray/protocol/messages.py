"""
Messages as bytes: parsed once at admission, encoded once, and from then on only wrapped.

What is pushed and pulled are maps of lists of messages (OpenIM wire, §3.2, §3.4, §3.8). All three answers have
the same fields, so already encoded messages are put into them here by hand, without parsing them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from openim_ray.protocol.identifiers import MessageStatus
from openim_ray.protocol.malformed import ProtocolError
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, SubUserOnlineStatusElem, SubUserOnlineStatusTips

_Message = TypeVar("_Message", bound=Message)

SAFE_INTEGER_MAX: Final = (1 << 53) - 1
"""The largest integer the pure-JavaScript client reads; beyond it, decoding throws there (OpenIM wire, §10.3)."""

# Keys of fields: number << 3 | wire type (0 varint, 2 length-delimited). Numbers: OpenIM wire, §3.2 and §3.10.
_MSG_DATA_SEQ: Final = b"\x70"
_MSG_DATA_SEND_TIME: Final = b"\x78"
_MSG_DATA_STATUS: Final = b"\x88\x01"
_MSG_DATA_IS_READ: Final = b"\x90\x01\x01"
_PULL_MSGS_MSGS: Final = b"\x0a"
_PULL_MSGS_IS_END: Final = b"\x10\x01"
_PULL_MSGS_END_SEQ: Final = b"\x18"
_TIPS_NOTHING: Final = b"\x10\x00"
_ENTRY_KEY: Final = b"\x0a"
_ENTRY_VALUE: Final = b"\x12"
_CHATS: Final = b"\x0a"
_NOTIFICATIONS: Final = b"\x12"


class PulledMessages(NamedTuple):
    """
    The messages of one conversation in an answer, each an encoded MsgData, ascending.

    `is_end` and `end_seq` tell the client where the conversation ends (OpenIM wire, §3.2, §3.4, §7.5).
    """

    messages: Sequence[bytes]
    is_end: bool = False
    end_seq: int = 0


def parse_message(data: bytes) -> MsgData:
    """
    Read a MsgData from a client, without the fields that this version doesn't know.

    What is returned can be read by every receiver once it is encoded again: texts are UTF-8, and integers are what
    JavaScript can hold. seq and sendTime aren't checked, because the server sets them.

    Raises:
        ProtocolError: the bytes are no such message.
    """
    message = parse_protobuf(MsgData, data)
    if not -SAFE_INTEGER_MAX <= message.createTime <= SAFE_INTEGER_MAX:
        raise ProtocolError("MsgData.createTime: out of range")
    message.DiscardUnknownFields()
    return message


def parse_protobuf(message_class: type[_Message], data: bytes) -> _Message:
    """
    Read the payload of any other request, unknown fields included.

    Raises:
        ProtocolError: the bytes are no such message.
    """
    try:
        return message_class.FromString(data)
    except DecodeError:
        raise ProtocolError(f"{message_class.DESCRIPTOR.name}: malformed") from None


def encode_unplaced(message: MsgData) -> bytes:
    """
    Return the bytes that `with_position` completes. Clears seq and sendTime of `message`.
    """
    message.ClearField("seq")
    message.ClearField("sendTime")
    return message.SerializeToString()


def with_position(encoded: bytes, seq: int, send_time: int) -> bytes:
    """
    Return an encoded MsgData with its seq and sendTime (Unix milliseconds); the later of two fields wins.

    Raises:
        ValueError: a negative number; varints of those are another form that nothing here needs.
    """
    return encoded + _MSG_DATA_SEQ + _varint(seq) + _MSG_DATA_SEND_TIME + _varint(send_time)


def placeholder(seq: int, send_time: int) -> bytes:
    """
    Return the encoded MsgData that stands for a message that is gone (OpenIM wire, §3.5).

    `send_time` is that of the nearest earlier message: SDKs sort a page by it.
    """
    return with_position(_MSG_DATA_STATUS + _varint(MessageStatus.DELETED), seq, send_time)


def marked_read(encoded: bytes) -> bytes:
    """
    Return an encoded MsgData with isRead set: its receiver has read it (OpenIM wire, §7.7).
    """
    return encoded + _MSG_DATA_IS_READ


def push_messages(conversation_id: str, messages: Iterable[bytes], *, notification: bool = False) -> bytes:
    """
    Return PushMessages (2001) with consecutive ascending messages of one chat, or of one `n_` stream.
    """
    return _entry(_NOTIFICATIONS if notification else _CHATS, conversation_id, _messages(messages))


def pull_response(chats: Mapping[str, PulledMessages], notifications: Mapping[str, PulledMessages]) -> bytes:
    """
    Return PullMessageBySeqsResp (1002) or GetSeqMessageResp (1005); also PushMessages of several conversations.
    """
    entries = [_entry(_CHATS, key, _pulled(pulled)) for key, pulled in chats.items()]
    entries += [_entry(_NOTIFICATIONS, key, _pulled(pulled)) for key, pulled in notifications.items()]
    return b"".join(entries)


def presence_tips(states: Iterable[tuple[str, Iterable[int]]]) -> bytes:
    """
    Return SubUserOnlineStatusTips (2005): users with the platforms on which they are online.

    Never zero bytes: the pure-JavaScript client takes those for null, and most of its builds then fail in an unsubscription. A field that the
    message doesn't have is read over by everybody.
    """
    return b"".join([_subscriber(user_id, tuple(platforms)) for user_id, platforms in states]) or _TIPS_NOTHING


@lru_cache(maxsize=16_384)
def _subscriber(user_id: str, platforms: tuple[int, ...]) -> bytes:
    """Return one user of SubUserOnlineStatusTips; kept, about 300 bytes each, as who is watched by many is encoded for each of them."""
    element = SubUserOnlineStatusElem(userID=user_id, onlinePlatformIDs=platforms)
    return SubUserOnlineStatusTips(subscribers=[element]).SerializeToString()


def _pulled(pulled: PulledMessages) -> bytes:
    body = _messages(pulled.messages)
    if pulled.is_end:
        body += _PULL_MSGS_IS_END
    if pulled.end_seq:
        body += _PULL_MSGS_END_SEQ + _varint(pulled.end_seq)
    return body


def _messages(messages: Iterable[bytes]) -> bytes:
    parts: list[bytes] = []
    for message in messages:
        parts += (_PULL_MSGS_MSGS, _varint(len(message)), message)
    return b"".join(parts)


def _entry(field: bytes, key: str, value: bytes) -> bytes:
    """
    Return one entry of a map<string, message>.
    """
    key_bytes = key.encode()
    head = _ENTRY_KEY + _varint(len(key_bytes)) + key_bytes + _ENTRY_VALUE + _varint(len(value))
    return field + _varint(len(head) + len(value)) + head + value


_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(128))


def _varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _ONE_BYTE[number]
    if number < 0:
        raise ValueError("negative number")
    groups = bytearray()
    while number > 127:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
