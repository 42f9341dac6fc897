"""Sending: the 1003, its answer, and what is pushed to whom (OpenIM wire, §3.3, §3.8, §4.5, §4.6)."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from typing import Any

import pytest

from openim_ray.domain.conversation import single_chat_id
from openim_ray.protocol.frames import Response
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import SendMsgResp
from tests.integration.connection import JS, KINDS, NATIVE, PYPI, Kind, Refused, connect, text_message
from tests.integration.people import People

DAY_MS = 86_400_000
ONLINE_ONLY = (
    "history",
    "persistent",
    "senderSync",
    "conversationUpdate",
    "senderConversationUpdate",
    "unreadCount",
    "offlinePush",
)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations_with_replacement(KINDS, 2)), ids=lambda kind: kind.name
)
async def test_two_clients_exchange_texts(people: People, one: Kind, other: Kind) -> None:
    """Both see both messages with the same seqs, under the conversation's id, whatever their encodings."""
    alice, bob = await people.connect("alice", one), await people.connect("bob", other)
    await alice.send_text(bob.user_id, "hello")
    await bob.send_text(alice.user_id, "hello yourself")
    chat = single_chat_id(alice.user_id, bob.user_id)
    for client in (alice, bob):
        pushes = await client.pushed(2, chat)
        assert [(push.seq, push.text) for push in pushes] == [(1, "hello"), (2, "hello yourself")]


async def test_the_echo_follows_the_answer(people: People) -> None:
    """The sender learns its message's seq by a push that comes after the answer and carries the call's operationID."""
    alice, bob = await people.connect("alice", JS), await people.account("bob")
    for number in range(5):
        await alice.send_message(text_message(alice.user_id, bob.user_id, f"text {number}"), f"operation-{number}")
    await alice.pushed(5)
    frames = [one for one in alice.received if isinstance(one, Response)]
    for number in range(5):
        own = [frame.req_identifier for frame in frames if frame.operation_id == f"operation-{number}"]
        assert own == [RequestIdentifier.SEND_MSG, RequestIdentifier.PUSH_MSG]


async def test_the_servers_view_of_a_message_wins(people: People) -> None:
    """What a client says of ids, times, state and source is dropped; both ends get the same message."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    before = time.time_ns() // 1_000_000
    lies: dict[str, Any] = {
        "serverMsgID": "mine",
        "seq": 4711,
        "sendTime": before + DAY_MS,
        "status": 4,
        "isRead": True,
        "msgFrom": 200,
        "groupID": "group",
        "senderPlatformID": 3,
    }
    answer = await alice.send_message(text_message(alice.user_id, bob.user_id, "x", **lies))
    (echo,), (push,) = await alice.pushed(1), await bob.pushed(1)
    assert echo.message == push.message
    message = push.message
    assert (message.seq, message.status, message.msgFrom, message.isRead, message.groupID) == (1, 2, 100, False, "")
    assert (message.serverMsgID, message.sendTime) == (answer.serverMsgID, answer.sendTime)
    assert message.clientMsgID == answer.clientMsgID
    assert message.senderPlatformID == alice.account.platform
    assert len(answer.serverMsgID) == 32
    assert before <= answer.sendTime <= time.time_ns() // 1_000_000


async def test_a_message_to_oneself_arrives_once(people: People) -> None:
    """Sender and receiver are the same connection."""
    alice = await people.connect("alice")
    await alice.send_text(alice.user_id, "note")
    await alice.send_text(alice.user_id, "another note")
    pushes = await alice.pushed(2)
    assert [(push.seq, push.text) for push in pushes] == [(1, "note"), (2, "another note")]


async def test_a_message_reaches_all_devices_of_both_users(people: People) -> None:
    """The sender's other devices are told, too."""
    phone, bob = await people.connect("alice"), await people.connect("bob")
    page = await people.connect(await people.login(phone.user_id, PYPI), PYPI)
    await phone.send_text(bob.user_id, "hello")
    for client in (phone, page, bob):
        (push,) = await client.pushed(1)
        assert (push.seq, push.text) == (1, "hello")


async def test_sending_again_returns_the_first_result(people: People) -> None:
    """A retry after a lost answer is stored and pushed once, also when another message came in between."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    message = text_message(alice.user_id, bob.user_id, "once")
    first = await alice.send_message(message)
    await alice.send_text(bob.user_id, "between")
    assert await alice.send_message(message) == first
    await alice.send_text(bob.user_id, "last")
    pushes = await bob.pushed(3)
    assert [(push.seq, push.text) for push in pushes] == [(1, "once"), (2, "between"), (3, "last")]


async def test_a_repetition_overtaking_its_answer_shares_the_outcome(people: People) -> None:
    """Two sends of one clientMsgID at the same time are one message, from two devices, too."""
    phone, bob = await people.connect("alice"), await people.connect("bob")
    page = await people.connect(await people.login(phone.user_id, JS), JS)
    message = text_message(phone.user_id, bob.user_id, "once")
    answers = await asyncio.gather(*(client.send_message(message) for client in (phone, phone, page, phone, page)))
    assert all(answer == answers[0] for answer in answers)
    await bob.send_text(phone.user_id, "done")
    pushes = await bob.pushed(2)
    assert [(push.seq, push.text) for push in pushes] == [(1, "once"), (2, "done")]


async def test_two_senders_may_use_one_client_message_id(people: People) -> None:
    """De-duplication counts per sender."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    await alice.send_message(text_message(alice.user_id, bob.user_id, "from alice", clientMsgID="same"))
    await bob.send_message(text_message(bob.user_id, alice.user_id, "from bob", clientMsgID="same"))
    pushes = await bob.pushed(2)
    assert [(push.seq, push.text) for push in pushes] == [(1, "from alice"), (2, "from bob")]


FORGERIES: list[tuple[str, dict[str, Any], int]] = [
    ("another sender", {"sendID": "somebody"}, 1002),
    ("notification", {"contentType": 1000}, 1002),
    ("kicked from a group", {"contentType": 1508}, 1002),
    ("revoked", {"contentType": 2101}, 1002),
    ("read receipt", {"contentType": 2200}, 1002),
    ("highest notification", {"contentType": 5000}, 1002),
    ("in a notification stream", {"options": {"isNotNotification": False}}, 1002),
    ("notification with a clone", {"options": {"isNotNotification": False, "isSendMsg": True}}, 1002),
    ("clone", {"options": {"isSendMsg": True}}, 1002),
    ("no content", {"content": b""}, 1001),
    ("no receiver", {"recvID": ""}, 1001),
    ("a receiver that can't be", {"recvID": "a:b"}, 1001),
    ("no clientMsgID", {"clientMsgID": ""}, 1001),
    ("endless clientMsgID", {"clientMsgID": "x" * 1000}, 1001),
    ("unknown session type", {"sessionType": 7}, 1001),
    ("notification chat", {"sessionType": 4}, 1001),
    ("time beyond JavaScript", {"createTime": 1 << 60}, 1001),
    ("unknown receiver", {"recvID": "nobody-of-this-name"}, 1004),
    ("unknown group", {"sessionType": 3, "groupID": "g", "recvID": ""}, 1201),
    ("unnamed group", {"sessionType": 3, "groupID": "", "recvID": ""}, 1001),
]


@pytest.mark.parametrize(("changes", "code"), [one[1:] for one in FORGERIES], ids=[one[0] for one in FORGERIES])
async def test_what_must_not_be_sent_is_refused(people: People, changes: dict[str, Any], code: int) -> None:
    """A client can't forge a sender or a system message; the refusal is an answer, nobody is told, and the chat goes on."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    message = text_message(alice.user_id, bob.user_id, "x")
    for name, value in changes.items():
        if name == "options":
            message.options.update(value)
        else:
            setattr(message, name, value)
    with pytest.raises(Refused) as refused:
        await alice.send_message(message)
    assert refused.value.code == code
    await alice.send_text(bob.user_id, "honest")
    pushes = await bob.pushed(1)
    assert [(push.seq, push.text) for push in pushes] == [(1, "honest")]


async def test_who_refuses_messages_gets_none_from_the_next_on(people: People) -> None:
    """Whoever owns the log of a chat; and she gets them again from the next on when she takes them again."""
    bob = await people.connect("bob")
    senders = [await people.connect(name) for name in ("alice", "carol", "dave")]

    async def choose(option: int) -> None:
        body = {"userID": bob.user_id, "globalRecvMsgOpt": option}
        await asyncio.to_thread(people.server.call, "/user/set_global_msg_recv_opt", body)

    for sender in senders:
        await sender.send_text(bob.user_id, "before")
    await choose(1)
    for sender in senders:
        with pytest.raises(Refused) as refused:
            await sender.send_text(bob.user_id, "refused")
        assert refused.value.code == 1001
    await choose(0)
    for sender in senders:
        await sender.send_text(bob.user_id, "after")
    for sender in senders:
        pushes = await bob.pushed(2, single_chat_id(sender.user_id, bob.user_id))
        assert [push.text for push in pushes] == ["before", "after"]


async def test_bytes_that_are_no_message_are_refused(people: People) -> None:
    """An invalid string stored once would break every later pull of the receiver."""
    alice = await people.connect("alice")
    for data in (b"\xff\xff\xff", b"", b"\x0a\x02\xff\xfe", b"\x0a\x05alice\x3a\x01\xff"):
        response = await alice.answer(RequestIdentifier.SEND_MSG, data)
        assert response.err_code in (1001, 1002)
        assert not response.data


async def test_typing_is_passed_on_and_forgotten(people: People) -> None:
    """It has no seq, goes to the receiver only, and takes no number away from messages."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    typing = text_message(alice.user_id, bob.user_id, "", contentType=113, content=b'{"msgTips":"yes"}')
    await alice.send_message(typing)
    await alice.send_text(bob.user_id, "written")
    tips, text = await bob.pushed(2)
    assert (tips.seq, tips.message.contentType, tips.message.content) == (0, 113, b'{"msgTips":"yes"}')
    assert {name: value for name, value in tips.message.options.items() if not value} == dict.fromkeys(
        ONLINE_ONLY, False
    )
    assert (text.seq, text.text) == (1, "written")
    assert [push.seq for push in await alice.pushed(1)] == [1]


async def test_an_online_only_message_is_passed_on_and_forgotten(people: People) -> None:
    """A message whose options say so reaches who is there; who comes later never hears of it."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    message = text_message(alice.user_id, bob.user_id, "now or never", contentType=120)
    message.options.update(dict.fromkeys(ONLINE_ONLY, False))
    answer = await alice.send_message(message)
    (push,) = await bob.pushed(1)
    assert (push.seq, push.message.sendTime, push.message.serverMsgID) == (0, answer.sendTime, answer.serverMsgID)
    await bob.close()
    again = await connect(people.server.ws_port, bob.account)
    await alice.send_text(bob.user_id, "stored")
    assert [(push.seq, push.text) for push in await again.pushed(1)] == [(1, "stored")]
    await again.close()


async def test_a_message_without_echo(people: People) -> None:
    """With `senderSync` false the sender's devices are not told, and later messages don't bring it in."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    silent = text_message(alice.user_id, bob.user_id, "silent")
    silent.options["senderSync"] = False
    await alice.send_text(bob.user_id, "first")
    await alice.send_message(silent)
    await alice.send_text(bob.user_id, "third")
    assert [push.text for push in await bob.pushed(3)] == ["first", "silent", "third"]
    assert [(push.seq, push.text) for push in await alice.pushed(2)] == [(1, "first"), (3, "third")]


@pytest.mark.parametrize("content_type", [101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 114, 115, 117, 118, 119])
async def test_every_content_type_passes_as_it_is(people: People, content_type: int) -> None:
    """Content is opaque to the server; so are all fields that only clients understand."""
    alice, bob = await people.connect("alice"), await people.connect("bob", JS)
    message = text_message(
        alice.user_id,
        bob.user_id,
        "",
        contentType=content_type,
        content='{"ä":"\\u0000","data":"😀"}'.encode(),
        senderNickname="Älice",
        senderFaceURL="https://example.org/a?b=c",
        createTime=1_700_000_000_000,
        atUserIDList=["x", "y"],
        attachedInfo="{}",
        ex="extra",
        offlinePushInfo={"title": "t", "desc": "d", "iOSBadgeCount": True},
    )
    message.options["notPrivate"] = False
    await alice.send_message(message)
    (push,) = await bob.pushed(1)
    for field in ("contentType", "content", "senderNickname", "senderFaceURL", "createTime", "attachedInfo", "ex"):
        assert getattr(push.message, field) == getattr(message, field)
    assert list(push.message.atUserIDList) == ["x", "y"]
    assert push.message.offlinePushInfo == message.offlinePushInfo
    assert dict(push.message.options) == {"notPrivate": False}


async def test_the_largest_message_arrives(people: People) -> None:
    """A frame of nearly 51,200 bytes is within the limit."""
    alice, bob = await people.connect("alice", JS), await people.connect("bob", JS)
    text = "x" * 37_000
    await alice.send_text(bob.user_id, text)
    (push,) = await bob.pushed(1)
    assert push.text == text


async def test_requests_in_flight_are_answered_each(people: People) -> None:
    """A client needn't wait for answers; the order of sending is the order of the conversation."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    answers = [
        alice.send(
            RequestIdentifier.SEND_MSG, text_message(alice.user_id, bob.user_id, str(number)).SerializeToString()
        )
        for number in range(300)
    ]
    responses = await asyncio.gather(*answers)
    assert all(response.err_code == 0 for response in responses)
    times = [SendMsgResp.FromString(response.data).sendTime for response in responses]
    assert times == sorted(times)
    for client in (alice, bob):
        pushes = await client.pushed(300)
        assert [(push.seq, push.text) for push in pushes] == [(number + 1, str(number)) for number in range(300)]


async def test_two_pairs_whose_ids_look_alike_do_not_mix(people: People) -> None:
    """`a` with `b_c` and `a_b` with `c` give the same text; the conversation belongs to the pair that was there first."""
    mark = f"x{uuid.uuid4().hex}"
    names = [f"a{mark}", f"b_{mark}", f"a{mark}_b", mark]
    users = [{"userID": one, "nickname": "n", "faceURL": ""} for one in names]
    await asyncio.to_thread(people.server.call, "/user/user_register", {"users": users})
    assert single_chat_id(names[0], names[1]) == single_chat_id(names[2], names[3])
    one, peer, other, other_peer = [await people.connect(await people.login(name)) for name in names]
    await one.send_text(peer.user_id, "first")
    with pytest.raises(Refused) as refused:
        await other.send_text(other_peer.user_id, "second")
    assert refused.value.code == 1001
    await peer.send_text(one.user_id, "third")
    assert [(push.seq, push.text) for push in await peer.pushed(2)] == [(1, "first"), (2, "third")]
    assert not other.pushes
    assert not other_peer.pushes


async def test_requests_that_are_not_built_say_so(people: People) -> None:
    """1099 and the number; the connection goes on."""
    alice = await people.connect("alice")
    response = await alice.answer(1004, b"")
    assert response.err_code == 1099
    assert "1004" in response.err_msg
    await alice.send_text(alice.user_id, "still here")


async def test_sends_never_leave_the_connections_user(people: People) -> None:
    """An administrator's content types and options are refused over a user's connection, whatever its platform."""
    alice = await people.connect("alice", NATIVE)
    message = text_message(alice.user_id, alice.user_id, "x", contentType=1400)
    with pytest.raises(Refused) as refused:
        await alice.send_message(message)
    assert refused.value.code == 1002
