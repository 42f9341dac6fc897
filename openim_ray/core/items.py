"""
What actors say to each other: items, carried in batches by the channels (`core/channel.py`).

Items are msgpack arrays with a tag; fields are only ever appended, with a default, so that actors of neighbouring versions
understand each other. `call` numbers pair a request with its `Reply`; they are unique per sending process.
Every request may arrive twice (its sender repeats it when a channel broke), so each is idempotent.
"""

from __future__ import annotations

import msgspec

Address = tuple[str, int]
"""A connection: name of its gateway and the connection's number there."""


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Base of all items.
    """


# --- gateway to shard -------------------------------------------------------------------------------------------------


class Submit(Item, tag=1, frozen=True, array_like=True, gc=False):
    """
    A message that passed what needs no shared state; to the home of its conversation.

    `body` is the encoded MsgData without seq and sendTime. `stored` is false for online-only messages (option
    `history`), which get no seq. `sender_sync` false: not echoed to the sender. `receiver_id` is a user, or a group.
    """

    call: int
    conversation_id: str
    sender_id: str
    receiver_id: str
    client_id: str
    server_id: str
    content_type: int
    operation_id: str
    body: bytes
    stored: bool = True
    sender_sync: bool = True


class MarkRead(Item, tag=2, frozen=True, array_like=True, gc=False):
    """
    Read receipt of a single chat; to the home of the conversation. Answered when marks and 2200 are durable.

    `command_id` is the clientMsgID of the 2200, so that a repetition finds the first one.
    """

    call: int
    user_id: str
    conversation_id: str
    has_read_seq: int
    seqs: list[int]
    operation_id: str
    command_id: str


class SetPosition(Item, tag=3, frozen=True, array_like=True, gc=False):
    """
    Set a user's read position; to her inbox. `exact` false: only ever raises it.
    """

    call: int
    user_id: str
    conversation_id: str
    has_read_seq: int
    exact: bool
    operation_id: str
    notify: bool


class Register(Item, tag=4, frozen=True, array_like=True, gc=False):
    """
    A connection of a user is up (or still is, `again`); to her inbox.

    `order` is the login order within the gateway. `since_ms` (wall clock): the session may have missed what is younger.
    """

    call: int
    user_id: str
    connection: int
    platform_id: int
    token_digest: str
    token_expires_at: int
    client: str
    accepted_ms: int
    order: int
    again: bool = False
    since_ms: int = 0
    background: bool = False


class Unregister(Item, tag=5, frozen=True, array_like=True, gc=False):
    """
    A connection is gone; to the user's inbox. Unanswered: a lost one is made good by the next registration or lease.

    `unsynced`: it was closed because no sync came in the time after which the next connect of a Go SDK syncs (OpenIM wire, §8.1).
    """

    user_id: str
    connection: int
    unsynced: bool = False


class AskStates(Item, tag=6, frozen=True, array_like=True, gc=False):
    """
    Ask for conversation states; to the user's inbox. `conversation_ids` None = all.

    `sync_platform` non-zero: this is a 1001 of that platform (the inbox remembers when it came).
    """

    call: int
    user_id: str
    conversation_ids: list[str] | None = None
    sync_platform: int = 0


class ForceLogout(Item, tag=7, frozen=True, array_like=True, gc=False):
    """
    Kick a user's connections on a platform; to her inbox.
    """

    call: int
    user_id: str
    platform_id: int


class Heartbeat(Item, tag=8, frozen=True, array_like=True, gc=False):
    """
    Nothing to say but: alive. Renews the lease of the sender's registrations.
    """


class Watch(Item, tag=60, frozen=True, array_like=True, gc=False):
    """
    Clients of this gateway watch these users' presence; to their inboxes. Each is answered in a `Presences`, or in a `WatchEnded`.

    A user comes with the platforms that the gateway has shown so far, None if nothing.
    """

    users: list[tuple[str, list[int] | None]]


class Unwatch(Item, tag=61, frozen=True, array_like=True, gc=False):
    """
    No client of this gateway watches these users any more; to their inboxes. Unanswered: a lost one is made good by the lease.
    """

    user_ids: list[str]


class AskPresence(Item, tag=62, frozen=True, array_like=True, gc=False):
    """
    Ask which devices some users have connected; to the actor that hosts their inboxes. The Reply's value is a `PresenceAnswer`.
    """

    call: int
    user_ids: list[str]


class Subscribe(Item, tag=65, frozen=True, array_like=True, gc=False):
    """
    Let a user's connections, as many as there are now, watch other users or no more; to her inbox. Answered when the gateways are told.
    """

    call: int
    user_id: str
    subscribe: list[str]
    unsubscribe: list[str]


class ApplyEffects(Item, tag=9, frozen=True, array_like=True, gc=False):
    """
    Something waits in the outbox for a log; to its owner. Answered when what was there is applied (`core/effects.py`).
    """

    call: int
    home_key: str


class ForgetReceiver(Item, tag=10, frozen=True, array_like=True, gc=False):
    """
    A user has changed what she receives; to every owner of logs. Answered when admission has forgotten what it knew of messages to her.
    """

    call: int
    user_id: str


Request = (
    Submit
    | MarkRead
    | SetPosition
    | Register
    | AskStates
    | ForceLogout
    | ApplyEffects
    | ForgetReceiver
    | AskPresence
    | Subscribe
)
"""What a shard answers."""


# --- shard to gateway -------------------------------------------------------------------------------------------------


class Reply(Item, tag=20, frozen=True, array_like=True, gc=False):
    """
    Answer to a request: `code` 0, or an error's code and detail. `value` depends on the request.
    """

    call: int
    code: int = 0
    detail: str = ""
    value: bytes = b""


class Accepted(Item, tag=21, frozen=True, array_like=True, gc=False):
    """
    Answer to a Submit: the message is durable (or, seq 0, was passed on).
    """

    call: int
    seq: int
    server_id: str
    send_time: int


class Delivery(Item, tag=22, frozen=True, array_like=True, gc=False):
    """
    A message for some connections of one gateway. `body` is the encoded MsgData with seq and sendTime.
    """

    conversation_id: str
    seq: int
    sender_id: str
    client_id: str
    operation_id: str
    body: bytes
    connections: list[int]
    begins: int = 0
    """
    The user of these connections just came to the group with this message, or with this one before it: who has nothing of the
    group yet begins there. 0 = she didn't.
    """

    hides: bool = False
    """And what was before that is hidden from her."""


class Kick(Item, tag=23, frozen=True, array_like=True, gc=False):
    """
    Close these connections with a 2002 (OpenIM wire, §1.6).
    """

    connections: list[int]


class Repair(Item, tag=24, frozen=True, array_like=True, gc=False):
    """
    The max seqs a session may have missed pushes of; it fills what it lacks.
    """

    connection: int
    maxima: dict[str, int]
    minima: dict[str, int] = {}
    """The first seqs that the user may see, where they are above 1."""

    begins: dict[str, int] = {}
    """The messages with which she came to groups, as in `Delivery`."""


class Moved(Item, tag=25, frozen=True, array_like=True, gc=False):
    """
    Refusal: the receiver does not own the key. Ask the supervisor where it lives and say it again there.
    """

    call: int
    placement_epoch: int


class Expired(Item, tag=26, frozen=True, array_like=True, gc=False):
    """
    Registrations ended: because their gateway was silent for too long, or because their inbox moved. Since then (wall clock) nothing was
    delivered to them.

    `connections` None = all of the gateway. `placement_epoch` is that of the move: somebody who missed it, and the move back, would
    find nothing changed.
    """

    since_ms: int
    connections: list[int] | None = None
    placement_epoch: int = 0


class Presences(Item, tag=63, frozen=True, array_like=True, gc=False):
    """
    On which platforms watched users are online now (OpenIM wire, §1.7); empty: on none.
    """

    states: list[tuple[str, list[int]]]


class Subscribed(Item, tag=66, frozen=True, array_like=True, gc=False):
    """
    Let these connections watch users, or no more, and be told by notifications, too (1304).
    """

    connections: list[int]
    subscribe: list[str]
    unsubscribe: list[str]


class WatchEnded(Item, tag=64, frozen=True, array_like=True, gc=False):
    """
    These users are watched here no more, or never were: their inboxes live elsewhere. The gateway watches them there.
    """

    user_ids: list[str]
    placement_epoch: int


class PresentDevice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A connected device of a user.
    """

    platform_id: int
    gateway: str
    connection: int
    background: bool
    token_digest: str


class PresenceAnswer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Value of the Reply to an AskPresence. Who is left out has her inbox elsewhere, or is not known yet: she is to be asked for again.
    """

    placement_epoch: int
    devices: dict[str, list[PresentDevice]]


class Registered(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Value of the Reply to a Register.

    `sync_due` true: this user and platform synced less than five seconds before, so a Go SDK may stay silent
    (OpenIM wire, §8.1); the gateway must make it sync.
    """

    sync_due: bool = False


# --- shard to shard ---------------------------------------------------------------------------------------------------


class Fanout(Item, tag=30, frozen=True, array_like=True, gc=False):
    """
    A message for the inboxes of some users, from the log that stored it.
    """

    user_ids: list[str]
    conversation_id: str
    seq: int
    sender_id: str
    client_id: str
    operation_id: str
    send_time: int
    body: bytes
    sender_sync: bool = True
    forwarded: bool = False
    """Already forwarded once by a shard that no longer owned an inbox; not forwarded again."""


class GroupFanout(Item, tag=31, frozen=True, array_like=True, gc=False):
    """
    A message for the inboxes of a group's members (those who are active at the receiver), from the log that stored it; to every shard.

    `also`: users who get it though they are no members any more. `seq` is 0 for what is not stored.
    """

    group_id: str
    conversation_id: str
    seq: int
    sender_id: str
    client_id: str
    operation_id: str
    send_time: int
    body: bytes
    sender_sync: bool = True
    also: list[str] = []


class Membership(Item, tag=32, frozen=True, array_like=True, gc=False):
    """
    Who comes to and goes from a group with the message `seq`; to every shard, before that message. It is durable in the members' rows.

    Args:
        last: the last seq that those who go may see: `seq`, or the one before it if nothing in the chat says that they go.
        first: the first seq that those who come may see; 0 = whatever their rows say.
        sent: newest seqs of those among them who wrote before, when they were here before.
        stream_seq, stream_time: where the group's notification stream stands.
        is_late: messages behind `seq` may have been passed on already.
        is_over: the group is dissolved: everybody goes.
    """

    group_id: str
    seq: int
    last: int
    joined: list[str]
    left: list[str]
    first: int = 0
    sent: dict[str, int] = {}
    stream_seq: int = 0
    stream_time: int = 0
    is_late: bool = False
    is_over: bool = False


class RowsChanged(Item, tag=33, frozen=True, array_like=True, gc=False):
    """
    These users' rows of a conversation changed; to every shard. Each who is active hears an unstored 1300 (OpenIM wire, §5.4).

    `first`: they cleared it, and see nothing below this seq any more; 0 = what they see is as before.
    """

    user_ids: list[str]
    conversation_id: str
    operation_id: str
    command_id: str
    first: int = 0


# --- shard to persistence ---------------------------------------------------------------------------------------------


class StoreRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    A row of a StoreLog: `domain.message.StoredMessage` without what never varies.
    """

    conversation_id: str
    seq: int
    sender_id: str
    client_id: str
    server_id: str
    send_time: int
    content_type: int
    sender_sync: bool
    operation_id: str
    body: bytes


class StoreLog(Item, tag=40, frozen=True, array_like=True, gc=False):
    """
    A log write (`domain.message.LogWrite`); answered by StoredLog.
    """

    call: int
    partition: str
    epoch: int
    home_key: str
    participants: tuple[str, ...]
    rows: list[StoreRow]
    read: dict[str, int]


class SavePositions(Item, tag=41, frozen=True, array_like=True, gc=False):
    """
    Read positions to be made durable: conversation id -> (has_read_seq, sent_seen, min_seq). Answered by Reply.
    """

    call: int
    user_id: str
    positions: dict[str, tuple[int, int, int]]


class SaveTokens(Item, tag=42, frozen=True, array_like=True, gc=False):
    """
    Token records to be made durable: (digest, user, platform, state, expires_at). Answered by Reply.
    """

    call: int
    records: list[tuple[str, str, int, int, int]]


class StoredLog(Item, tag=50, frozen=True, array_like=True, gc=False):
    """
    Answer to a StoreLog. `outcome` as `domain.message.Outcome`, or "unavailable": not known, say it again.

    `existing`: index of a duplicate row -> (seq, server_id, send_time) of the first one.
    """

    call: int
    outcome: str
    existing: dict[int, tuple[int, str, int]] = {}


AnyItem = (
    Submit
    | MarkRead
    | SetPosition
    | Register
    | Unregister
    | AskStates
    | ForceLogout
    | Heartbeat
    | Watch
    | Unwatch
    | AskPresence
    | Subscribe
    | ApplyEffects
    | ForgetReceiver
    | Reply
    | Accepted
    | Delivery
    | Kick
    | Repair
    | Moved
    | Expired
    | Presences
    | WatchEnded
    | Subscribed
    | Fanout
    | GroupFanout
    | Membership
    | RowsChanged
    | StoreLog
    | SavePositions
    | SaveTokens
    | StoredLog
)


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    Items on their way from one process to another, numbered per channel.

    `version` guards the format. A channel is one pair of (sender incarnation, channel number) at one receiver
    incarnation; `number` counts its batches from 1. `refuses` is the channel of the other direction that is over at the sender of
    this batch: its end begins a new one.
    """

    version: int
    sender: str
    sender_incarnation: str
    receiver_incarnation: str
    channel: int
    number: int
    items: list[AnyItem]
    refuses: int = 0


BATCH_VERSION = 1

encode_batch = msgspec.msgpack.Encoder().encode
_batch_decoder = msgspec.msgpack.Decoder(Batch)


def decode_batch(data: bytes) -> Batch:
    """
    Decode a batch; ValueError if its version is not ours or it is malformed.
    """
    try:
        batch = _batch_decoder.decode(data)
    except msgspec.DecodeError as error:
        msg = f"malformed batch: {error}"
        raise ValueError(msg) from error
    if batch.version != BATCH_VERSION:
        msg = f"batch version {batch.version}, expected {BATCH_VERSION}"
        raise ValueError(msg)
    return batch
