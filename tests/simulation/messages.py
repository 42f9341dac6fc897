"""
Messages as clients make them and as gateways pass them on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from openim_ray.domain.conversation import group_chat_id, single_chat_id
from openim_ray.domain.ids import GroupID
from openim_ray.protocol.messages import encode_unplaced
from openim_ray.protocol.pb.sdkws_pb2 import MsgData

TEXT = 101
AT_TEXT = 106
TYPING = 113
RECEIPT = 2200


class Outgoing(NamedTuple):
    """
    A message that may go to its conversation's owner.
    """

    conversation_id: str
    receiver_id: str
    client_id: str
    body: bytes
    stored: bool
    sender_sync: bool


class Seen(NamedTuple):
    """
    What a client reads of a message.
    """

    seq: int
    server_id: str
    client_id: str
    sender_id: str
    send_time: int
    content_type: int
    deleted: bool


def chat_of(message: MsgData) -> str:
    """
    Return the conversation that a message goes to.
    """
    if message.groupID:
        return group_chat_id(GroupID(message.groupID))
    return single_chat_id(message.sendID, message.recvID)


def prepare(message: MsgData, sender_id: str, server_id: str) -> Outgoing:
    """
    Put the server's view into a client's message, as `services/sending.py` does.
    """
    message.sendID = sender_id
    message.serverMsgID = server_id
    message.status = 2
    return Outgoing(
        chat_of(message),
        message.groupID or message.recvID,
        message.clientMsgID,
        encode_unplaced(message),
        message.options.get("history", True),
        message.options.get("senderSync", True),
    )


@lru_cache(maxsize=4096)
def seen(body: bytes) -> Seen:
    """
    Read a message that was pushed or pulled.
    """
    message = MsgData.FromString(body)
    return seen_message(message)


def seen_message(message: MsgData) -> Seen:
    """
    Read a parsed message.
    """
    return Seen(
        message.seq,
        message.serverMsgID,
        message.clientMsgID,
        message.sendID,
        message.sendTime,
        message.contentType,
        message.status == 4,
    )
