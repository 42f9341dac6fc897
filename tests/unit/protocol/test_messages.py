"""
Differential tests: the hand-written bytes against the protobuf library, and both against a second strict reading.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from openim_ray.protocol.malformed import ProtocolError
from openim_ray.protocol.messages import (
    SAFE_INTEGER_MAX,
    PulledMessages,
    encode_unplaced,
    parse_message,
    parse_protobuf,
    placeholder,
    presence_tips,
    pull_response,
    push_messages,
    with_position,
)
from openim_ray.protocol.pb.msg_pb2 import GetSeqMessageResp
from openim_ray.protocol.pb.sdkws_pb2 import (
    MsgData,
    PullMessageBySeqsResp,
    PullMsgs,
    PushMessages,
    SubUserOnlineStatusTips,
)
from tests.compat import recorded
from tests.unit.protocol.gob_samples import chunk
from tests.unit.protocol.strict_protobuf import read_msg_data, read_pulled

NOW = 1_795_494_081_955

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
int32 = st.integers(-(1 << 31), (1 << 31) - 1)
safe_integer = st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX)
position = st.integers(0, SAFE_INTEGER_MAX)
messages = st.builds(
    MsgData,
    sendID=text,
    recvID=text,
    clientMsgID=text,
    senderPlatformID=int32,
    sessionType=int32,
    contentType=int32,
    content=st.binary(max_size=400),
    seq=safe_integer,
    sendTime=safe_integer,
    createTime=safe_integer,
    isRead=st.booleans(),
    options=st.dictionaries(text, st.booleans(), max_size=4),
    atUserIDList=st.lists(text, max_size=4),
    ex=text,
)
pulled = st.builds(
    PulledMessages,
    st.lists(messages.map(lambda message: message.SerializeToString()), max_size=4).map(tuple),
    st.booleans(),
    position,
)
conversations = st.dictionaries(text, pulled, max_size=3)


def as_protobuf(conversations: Mapping[str, PulledMessages]) -> dict[str, PullMsgs]:
    """Return what the protobuf library makes of the same values."""
    return {
        key: PullMsgs(
            Msgs=[MsgData.FromString(data) for data in value.messages], isEnd=value.is_end, endSeq=value.end_seq
        )
        for key, value in conversations.items()
    }


@given(messages, position, position)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_the_appended_position_wins(message: MsgData, seq: int, send_time: int) -> None:
    """Every reader sees the server's seq and sendTime and all else as sent."""
    expected = MsgData()
    expected.CopyFrom(message)
    expected.seq, expected.sendTime = seq, send_time

    assert expected == MsgData.FromString(with_position(message.SerializeToString(), seq, send_time))

    placed = with_position(encode_unplaced(parse_message(message.SerializeToString())), seq, send_time)
    assert expected == MsgData.FromString(placed)
    assert_equal(expected, read_msg_data(placed))


def test_the_clients_position_is_not_kept() -> None:
    """Before a message has its place, its bytes hold neither seq nor sendTime."""
    encoded = encode_unplaced(MsgData(seq=5, sendTime=6, sendID="ann"))

    assert encoded == MsgData(sendID="ann").SerializeToString()


@pytest.mark.parametrize("numbers", [(-1, 0), (0, -1)])
def test_a_negative_position_is_a_mistake(numbers: tuple[int, int]) -> None:
    """Seqs and times are not negative; such a call is refused."""
    with pytest.raises(ValueError, match="negative"):
        with_position(b"", *numbers)


@given(conversations, conversations)
@settings(max_examples=50, derandomize=True, deadline=None)
def test_pull_answers_equal_those_of_the_library(
    chats: dict[str, PulledMessages], notifications: dict[str, PulledMessages]
) -> None:
    """The bytes parse, as each of the three messages, to what the library would have built."""
    data = pull_response(chats, notifications)

    for message_class in (PullMessageBySeqsResp, GetSeqMessageResp, PushMessages):
        expected = message_class(msgs=as_protobuf(chats), notificationMsgs=as_protobuf(notifications))
        assert expected == message_class.FromString(data)
    assert set(chats) == set(read_pulled(data).get("msgs", {}))


@given(text, st.lists(messages, min_size=1, max_size=3), st.booleans())
@settings(max_examples=100, derandomize=True, deadline=None)
def test_pushes_equal_those_of_the_library(key: str, sent: list[MsgData], notification: bool) -> None:
    """The bytes parse to what the library would have built."""
    data = push_messages(key, [message.SerializeToString() for message in sent], notification=notification)

    field = "notificationMsgs" if notification else "msgs"
    expected: dict[str, Any] = {field: {key: PullMsgs(Msgs=sent)}}
    assert PushMessages(**expected) == PushMessages.FromString(data)


def test_an_asked_conversation_without_messages_keeps_its_key() -> None:
    """The JavaScript client dereferences the key of each conversation it asked for."""
    answer = GetSeqMessageResp.FromString(pull_response({"si_a_b": PulledMessages(())}, {}))

    assert list(answer.msgs) == ["si_a_b"]


@given(position, position)
@settings(max_examples=50, derandomize=True, deadline=None)
def test_a_placeholder_is_a_deleted_message(seq: int, send_time: int) -> None:
    """It holds seq, sendTime and status 4, nothing else."""
    assert MsgData(seq=seq, sendTime=send_time, status=4) == MsgData.FromString(placeholder(seq, send_time))


# Admission


def test_fields_of_other_versions_are_dropped() -> None:
    """What we don't know, groups included, is not stored and reaches no receiver."""
    unknown = b"\xc0\x01\x01" + b"\xca\x01\x02hi" + b"\xf3\x06\xf4\x06" + b"\xfd\x06\x01\x02\x03\x04"

    message = parse_message(MsgData(sendID="ann").SerializeToString() + unknown)

    assert message.SerializeToString() == MsgData(sendID="ann").SerializeToString()


def test_unknown_fields_of_nested_messages_are_dropped() -> None:
    """Receivers see none of them either."""
    push_info = b"\xa2\x01" + chunk(b"\x0a\x01t" + b"\xfa\x06\x01x")
    option = b"\x9a\x01" + chunk(b"\x0a\x01k\x10\x01" + b"\xfa\x06\x01x")

    message = parse_message(push_info + option)

    assert b"\xfa\x06" not in message.SerializeToString()
    assert message.offlinePushInfo.title == "t"


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a\x01\xff",
        b"\x0a\x03\xed\xa0\x80",
        b"\x0a\x02\xc0\x80",
        b"\xaa\x01\x01\xff",
        b"\x9a\x01\x05\x0a\x01\xff\x10\x01",
        b"\xa2\x01\x03\x0a\x01\xff",
        b"\x0a\x05ann",
        b"\x0a",
        b"\x00\x01",
        b"\x0b",
        b"\x0c",
        b"\x0f",
        b"\x70" + b"\xff" * 10 + b"\x01",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\xfb\x06" * 200 + b"\xfc\x06" * 200,
    ],
    ids=[
        "text",
        "surrogate",
        "overlong",
        "list",
        "map key",
        "nested",
        "truncated",
        "no value",
        "field 0",
        "open group",
        "closed group",
        "wire type 7",
        "long varint",
        "long key",
        "deep groups",
    ],
)
def test_what_a_receiver_could_not_read_is_refused(data: bytes) -> None:
    """One such message, stored, would break every later pull of its receiver."""
    with pytest.raises(ProtocolError, match="malformed"):
        parse_message(data)


@pytest.mark.parametrize("number", [SAFE_INTEGER_MAX + 1, -SAFE_INTEGER_MAX - 1, (1 << 63) - 1, -(1 << 63)])
def test_times_that_javascript_cannot_hold_are_refused(number: int) -> None:
    """The pure-JavaScript client throws on them."""
    with pytest.raises(ProtocolError, match="createTime"):
        parse_message(MsgData(createTime=number).SerializeToString())


def test_other_payloads_are_parsed_or_refused() -> None:
    """The error names the message that was expected."""
    assert parse_protobuf(PullMsgs, PullMsgs(isEnd=True).SerializeToString()) == PullMsgs(isEnd=True)

    with pytest.raises(ProtocolError, match="PullMsgs: malformed"):
        parse_protobuf(PullMsgs, b"\x0a\x05")


def test_what_is_accepted_can_be_read_by_every_receiver() -> None:
    """Ten thousand damaged messages: each one that passes admission is readable in two independent ways, and alike."""
    dice = random.Random(2)
    samples = [*recorded.sent_messages(), b"", MsgData(options={"é": True}, atUserIDList=["ü"]).SerializeToString()]
    outcomes = {"accepted": 0, "refused": 0}

    for _ in range(10_000):
        data = mutate(dice, dice.choice(samples))
        try:
            message = parse_message(data)
        except ProtocolError:
            outcomes["refused"] += 1
            continue
        outcomes["accepted"] += 1
        placed = with_position(encode_unplaced(message), 7, NOW)
        assert_equal(MsgData.FromString(placed), read_msg_data(placed))
        push = push_messages("si_a_b", [placed])
        assert read_pulled(push) == {"msgs": {"si_a_b": {"Msgs": [read_msg_data(placed)]}}}

    assert min(outcomes.values()) > 1000


def mutate(dice: random.Random, data: bytes) -> bytes:
    """Damage bytes, or append a field that may make sense."""
    damaged = bytearray(data)
    for _ in range(dice.randint(1, 2)):
        action = dice.randrange(4)
        if action == 0 and damaged:
            damaged[dice.randrange(len(damaged))] = dice.choice((0, 1, 128, 255, dice.randrange(256)))
        elif action == 1:
            damaged.insert(dice.randint(0, len(damaged)), dice.randrange(256))
        elif action == 2 and damaged:
            del damaged[dice.randrange(len(damaged)) :]
        else:
            damaged += random_field(dice)
    return bytes(damaged)


def random_field(dice: random.Random) -> bytes:
    """Return one field: a known or unknown number, any wire type, odd contents."""
    number = dice.choice((*range(1, 26), 100, (1 << 29) - 1))
    wire_type = dice.choice((0, 0, 2, 2, 2, 5, 1, 3))
    key = varint(number << 3 | wire_type)
    if wire_type == 0:
        return key + varint(dice.choice((0, 1, 2, 1 << 31, 1 << 32, 1 << 53, (1 << 63) + 5, (1 << 64) - 1)))
    if wire_type == 2:
        return key + chunk(
            dice.choice((b"", b"a", b"\xff", b"\xf0\x9f\x98\x80", b"\x0a\x01k\x10\x02", b"\x0a\x01\xff", b"\x10\x01"))
        )
    if wire_type == 3:
        return key + varint(number << 3 | 4)
    return key + bytes(4 if wire_type == 5 else 8)


def varint(number: int) -> bytes:
    """Return a varint."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def assert_equal(expected: Message, actual: dict[str, Any]) -> None:
    """Compare a message of the library with the fields of the second reading; absent and zero are the same."""
    for field in expected.DESCRIPTOR.fields:
        value = getattr(expected, field.name)
        seen = actual.pop(field.name, None)
        if field.type == field.TYPE_MESSAGE and not field.is_repeated:
            assert expected.HasField(field.name) == (seen is not None)
            if seen is not None:
                assert_equal(value, seen)
        elif field.is_repeated:
            assert (dict(value) if isinstance(seen, dict) else list(value)) == (seen or [])
        else:
            assert value == (seen if seen is not None else type(value)())
    assert not actual


def test_presence_is_never_zero_bytes() -> None:
    """The pure-JavaScript client would take them for null; every reader finds nobody in what is sent instead."""
    assert presence_tips([])
    assert not SubUserOnlineStatusTips.FromString(presence_tips([])).subscribers
    (alice,) = SubUserOnlineStatusTips.FromString(presence_tips([("alice", (1, 5))])).subscribers
    assert (alice.userID, list(alice.onlinePlatformIDs)) == ("alice", [1, 5])


def test_presence_of_several_users() -> None:
    """Each as it is now, in their order, however often they were told before."""
    for states in ([("alice", (1, 5)), ("bob", ())], [("bob", (2,)), ("alice", ()), ("é", (1,))]):
        told = SubUserOnlineStatusTips.FromString(presence_tips(states)).subscribers
        assert [(one.userID, tuple(one.onlinePlatformIDs)) for one in told] == states
