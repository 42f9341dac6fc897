"""
Effects: what a change of the directory does to a log and to who reads it, on its way through the outbox.

A service writes effects in the transaction of its change. The owner of the log applies them strictly in the order of their numbers:
clone and stored notification exactly once (their key is their clientMsgID), what is not stored at least once within `UNSTORED_SECONDS`.
"""

from __future__ import annotations

import msgspec

UNSTORED_SECONDS = 60
"""A notification that is not stored is dropped if it could not be delivered so long after its commit: version lists cover it."""

_VERSION = b"\x01"


class Effect(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """
    One effect; what is empty, doesn't happen. In this order: the clone is appended; with its seq who joins or leaves is cut; the clone
    is pushed; then the notification; then each user who was cut hears 1300.

    Args:
        sender_id, client_id, content_type, operation_id: of notification and clone.
        stream: the `n_…` id that the notification is pushed in.
        notification: its encoded MsgData without seq and sendTime; empty = none.
        clone_id: the chat in which a clone is stored; empty = none.
        clone: its encoded MsgData without seq and sendTime.
        receivers: of a single notification. None = all members of the group of this log.
        also: further receivers of a group's effect: who was just removed.
        joined, left: members of the group of this log who come and go with this effect.
        with_history: those who join see what was written before.
        forget_facts: what admission remembers of this log is read anew before the next message.
        dissolved: the group is over: nobody is delivered to any more after this effect.
        sender_sync: the sender's own devices get it, too.
        stored: the notification gets a seq of its stream (reliability level 2, OpenIM wire, §5.2).
        cut_at: the first seq behind the cut of who joins or leaves without a clone, once some owner of the log has written it. Of who
            cleared: the first seq that she sees.
        cleared: users who see nothing any more of what `clears` held; their rows have said so since the commit.
        clears: the conversation that they cleared.
    """

    sender_id: str = ""
    client_id: str = ""
    content_type: int = 0
    operation_id: str = ""
    stream: str = ""
    notification: bytes = b""
    clone_id: str = ""
    clone: bytes = b""
    receivers: list[str] | None = None
    also: list[str] = []
    joined: list[str] = []
    left: list[str] = []
    with_history: bool = True
    forget_facts: bool = False
    dissolved: bool = False
    sender_sync: bool = True
    stored: bool = False
    cut_at: int = 0
    cleared: list[str] = []
    clears: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Effect)


def encode_effect(effect: Effect) -> bytes:
    """
    Return an effect as it stands in the outbox, led by a version byte.
    """
    return _VERSION + _encode(effect)


def decode_effect(payload: bytes) -> Effect:
    """
    Read an effect; ValueError if its version is not ours or it is malformed.
    """
    if payload[:1] != _VERSION:
        msg = f"effect of version {payload[:1].hex()}, expected {_VERSION.hex()}"
        raise ValueError(msg)
    try:
        return _decoder.decode(payload[1:])
    except msgspec.DecodeError as error:
        msg = f"malformed effect: {error}"
        raise ValueError(msg) from error
