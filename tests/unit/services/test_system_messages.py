"""What administrators send in the name of accounts (OpenIM wire, §5.6, §6.8)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openim_ray.domain import errors
from openim_ray.domain.people import User, UserStatus
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, OfflinePushInfo
from openim_ray.protocol.pb.sending_pb2 import BatchSendMessageReq, SendMessageReq
from openim_ray.services import system_messages
from openim_ray.services.notifications import Cause
from tests.unit.services.memory_world import START_MS, MemoryWorld

TEXT = json.dumps({"content": "hello"}).encode()
NOTICE = {"notificationName": "News", "notificationFaceURL": "", "notificationType": 1, "text": "at nine", "mixType": 0}
PICTURE = {"uuid": "u", "type": "png", "size": 1, "width": 2, "height": 3, "url": "https://files/a.png"}


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with three people, a notification account, a robot and an administrator."""
    world = MemoryWorld()
    world.add_users("alice", "bob", "carol")
    accounts = (("news", 3), ("robot", 4), ("imAdmin", 2))
    world.tables.directory.register(
        [
            User(user_id=user_id, nickname=user_id, face_url="face", create_time=START_MS, app_manager_level=level)  # type: ignore[arg-type]
            for user_id, level in accounts
        ]
    )
    return world


def request(content: Any = None, **fields: Any) -> SendMessageReq:
    """Return what alice is to have written to bob, unless told otherwise."""
    body = TEXT if content is None else json.dumps(content).encode()
    return SendMessageReq(
        **{"sendID": "alice", "recvID": "bob", "contentType": 101, "sessionType": 1, "content": body, **fields}
    )


def notice(**fields: Any) -> SendMessageReq:
    """Return a message of the notification account to bob."""
    return request(NOTICE, **{"sendID": "news", "contentType": 1400, "sessionType": 0, **fields})


async def send(world: MemoryWorld, message: SendMessageReq) -> MsgData:
    """Send something, and return what went to the owner of its conversation."""
    await world.services.system_messages.send(message, "op")
    return MsgData.FromString(world.broker.sent[-1][0].body)


async def owners(world: MemoryWorld) -> dict[str, list[str]]:
    """Return each user's conversations."""
    found = {one: await world.directory.conversations(one) for one in ("alice", "bob", "carol", "news")}  # type: ignore[arg-type]
    return {user_id: [row.conversation_id for row in rows] for user_id, rows in found.items() if rows}


async def test_a_message_is_stored_as_from_the_system(world: MemoryWorld) -> None:
    """In the chat of the two, with the sender's profile where none is given, as the call's operation; the answer says which it is."""
    answer = await world.services.system_messages.send(request(senderPlatformID=2, ex="more", groupID="g"), "op")

    ((outgoing, operation_id),) = world.broker.sent
    message = MsgData.FromString(outgoing.body)
    assert (outgoing.conversation_id, operation_id) == ("si_alice_bob", "op")
    assert (message.sendID, message.recvID, message.groupID, message.sessionType) == ("alice", "bob", "", 1)
    assert (message.msgFrom, message.status, message.senderPlatformID, message.ex) == (200, 2, 2, "more")
    assert (message.senderNickname, message.senderFaceURL, message.createTime) == ("Alice", "", START_MS)
    assert (json.loads(message.content), dict(message.options)) == ({"content": "hello"}, {})
    assert (answer.clientMsgID, answer.serverMsgID) == (message.clientMsgID, message.serverMsgID)
    assert answer.sendTime == START_MS
    assert len(message.clientMsgID) == 32
    assert await owners(world) == {"alice": ["si_alice_bob"], "bob": ["si_alice_bob"]}


async def test_a_message_may_be_for_who_is_online_only(world: MemoryWorld) -> None:
    """Not stored, not echoed, no new line in the list (OpenIM wire, §6.8); and push texts are passed on, or pushing is off."""
    await send(world, request(isOnlineOnly=True))
    outgoing, _ = world.broker.sent[-1]
    assert (outgoing.stored, outgoing.sender_sync) == (False, False)
    assert dict(MsgData.FromString(outgoing.body).options) == dict.fromkeys(
        ("history", "persistent", "senderSync", "conversationUpdate"), False
    )
    assert await owners(world) == {}

    message = await send(world, request(notOfflinePush=True, offlinePushInfo=OfflinePushInfo(title="T", desc="D")))
    assert (dict(message.options), message.offlinePushInfo.title) == ({"offlinePush": False}, "T")


async def test_a_time_given_is_when_it_was_made_not_when_it_was_sent(world: MemoryWorld) -> None:
    """A message stands where it was sent: clients sort by sendTime, and it must not fall behind its seq."""
    answer = await world.services.system_messages.send(request(sendTime=12_345), "op")
    assert answer.sendTime == START_MS
    assert MsgData.FromString(world.broker.sent[-1][0].body).createTime == 12_345


async def test_who_names_an_id_may_send_again(world: MemoryWorld) -> None:
    """A repetition is answered with the first message; without an id each call is a message of its own."""
    service = world.services.system_messages
    first = await service.send(request(clientMsgID="mine"), "op")
    world.clock.now_ms += 5_000
    assert await service.send(request(clientMsgID="mine"), "op 2") == first

    assert len({(await service.send(request(), "op")).clientMsgID for _ in range(2)}) == 2
    heads = await world.messages.heads(["si_alice_bob"])  # type: ignore[list-item]
    assert [head.max_seq for head in heads.values()] == [3]


async def test_a_notification_account_has_a_conversation_of_its_own(world: MemoryWorld) -> None:
    """1400 in `sn_`, whatever sessionType says; only the receiver has it. Clients find the tips as a text in `detail`."""
    message = await send(world, notice(sessionType=3, groupID="g"))

    assert world.broker.sent[-1][0].conversation_id == "sn_bob_news"
    assert (message.sessionType, message.contentType, message.msgFrom, message.groupID) == (4, 1400, 200, "")
    assert (message.senderNickname, message.senderFaceURL) == ("news", "face")
    assert json.loads(json.loads(message.content)["detail"]) == NOTICE
    assert await owners(world) == {"bob": ["sn_bob_news"]}
    (row,) = await world.directory.conversations("bob")  # type: ignore[arg-type]
    assert (row.conversation_type, row.user_id) == (4, "news")
    assert (await world.services.messages.newest_seqs("bob", b"")) != b""


@pytest.mark.parametrize(
    ("message", "error", "field"),
    [
        (notice(sendID="alice"), errors.NoPermission, "sendID"),
        (notice(sendID="robot"), errors.NoPermission, "sendID"),
        (notice(sendID="nobody"), errors.UserIDNotFound, "sendID"),
        (notice(recvID="news"), errors.ArgsError, "recvID"),
        (notice(recvID=""), errors.ArgsError, "recvID"),
        (notice(recvID="nobody"), errors.RecordNotFound, "recvID"),
        (request(sendID=""), errors.ArgsError, "sendID"),
        (request(sendID="a:b"), errors.ArgsError, "sendID"),
        (request(sendID="nobody"), errors.UserIDNotFound, "sendID"),
        (request(sendID="carol"), errors.UserIDNotFound, "sendID"),
        (request(recvID=""), errors.ArgsError, "recvID"),
        (request(recvID="nobody"), errors.RecordNotFound, "recvID"),
        (request(sessionType=3), errors.ArgsError, "groupID"),
        (request(sessionType=3, groupID="none"), errors.GroupIDNotFound, "groupID"),
        (request(sessionType=4), errors.ArgsError, "sessionType"),
        (request(sessionType=0), errors.ArgsError, "sessionType"),
        (request(contentType=113), errors.ArgsError, "contentType"),
        (request(contentType=1201), errors.ArgsError, "contentType"),
        (request(sendTime=-1), errors.ArgsError, "sendTime"),
        (request(sendTime=1 << 53), errors.ArgsError, "sendTime"),
        (request(senderPlatformID=99), errors.ArgsError, "senderPlatformID"),
        (request(clientMsgID="x" * 256), errors.ArgsError, "clientMsgID"),
        (request(ex="x" * (512 << 10)), errors.ArgsError, "ex"),
        (SendMessageReq(sendID="alice", recvID="bob", contentType=101, sessionType=1), errors.ArgsError, "content"),
    ],
)
async def test_a_refusal_names_the_field(
    world: MemoryWorld, message: SendMessageReq, error: type[errors.OpenIMError], field: str
) -> None:
    """And nothing is left of what was refused. An account that was erased writes nothing any more."""
    await world.directory.change(lambda tx: tx.put_user(_erased(tx.users(["carol"])["carol"])))
    with pytest.raises(error, match=rf"\b{field}\b"):
        await world.services.system_messages.send(message, "op")
    assert (world.broker.sent, await owners(world)) == ([], {})


def _erased(user: User) -> User:
    return User(user_id=user.user_id, nickname="", create_time=user.create_time, status=UserStatus.ERASED)


GOOD: list[tuple[int, dict[str, Any]]] = [
    (101, {"content": "hello"}),
    (102, {"sourcePicture": PICTURE, "bigPicture": PICTURE, "snapshotPicture": PICTURE}),
    (103, {"uuid": "u", "sourceUrl": "https://files/a.m4a", "dataSize": 9, "duration": 3}),
    (104, {"videoUrl": "https://files/a.mp4", "duration": 3, "snapshotUrl": None}),
    (105, {"sourceUrl": "https://files/a.pdf", "fileName": "a.pdf", "fileSize": 1 << 40}),
    (106, {"text": "@Bob look", "atUserList": ["bob"], "isAtSelf": False}),
    (110, {"data": "", "description": "d", "extension": "e", "ours": [1, {"deep": None}]}),
    (114, {"text": "so it is", "quoteMessage": {"clientMsgID": "c", "seq": 3}}),
    (118, {"content": "# hello"}),
    (1400, {**NOTICE, "pictureElem": {"sourcePicture": PICTURE}, "mixType": 1}),
]

BAD: list[tuple[int, dict[str, Any], str]] = [
    (101, {}, r"content: .*`content`"),
    (101, {"content": ""}, r"content\.content: "),
    (101, {"content": 7}, r"content\.content: "),
    (102, {"sourcePicture": PICTURE, "bigPicture": PICTURE}, r"content: .*`snapshotPicture`"),
    (102, {"sourcePicture": {**PICTURE, "url": 1}}, r"content\.sourcePicture\.url: "),
    (103, {"sourceUrl": "u", "duration": -1}, r"content\.duration: "),
    (104, {"videoUrl": "u", "videoSize": 1.5}, r"content\.videoSize: "),
    (105, {"sourceUrl": "u"}, r"content: .*`fileName`"),
    (106, {"text": "t", "atUserList": ["a:b"]}, r"content\.atUserList"),
    (106, {"text": "t", "atUserList": [1]}, r"content\.atUserList\[0\]: "),
    (110, {"description": "d"}, r"content: .*`data`"),
    (114, {"text": "t", "quoteMessage": "q"}, r"content\.quoteMessage: "),
    (118, {"content": None}, r"content\.content: "),
    (1400, {**NOTICE, "text": ""}, r"content\.text: "),
    (1400, {**NOTICE, "mixType": 6}, r"content\.mixType: "),
    (1400, {"text": "t"}, r"content: .*`notificationName`"),
]


def sent_as(content_type: int, content: dict[str, Any]) -> SendMessageReq:
    """Return a message of any content type."""
    return request(content, contentType=content_type, sendID="news" if content_type == 1400 else "alice")


@pytest.mark.parametrize(("content_type", "content"), GOOD)
async def test_each_content_has_its_form(world: MemoryWorld, content_type: int, content: dict[str, Any]) -> None:
    """It arrives as it was given, also what the form does not name; 106 mentions users."""
    message = await send(world, sent_as(content_type, content))
    said = json.loads(message.content)
    assert (json.loads(said["detail"]) if content_type == 1400 else said) == content
    assert list(message.atUserIDList) == content.get("atUserList", [])


@pytest.mark.parametrize(("content_type", "content", "told"), BAD)
async def test_a_content_of_another_form_is_refused_by_its_place(
    world: MemoryWorld, content_type: int, content: dict[str, Any], told: str
) -> None:
    """With the path of what is wrong, and not what it says."""
    with pytest.raises(errors.ArgsError, match=told):
        await world.services.system_messages.send(sent_as(content_type, content), "op")
    assert world.broker.sent == []


async def test_the_sender_is_admitted_as_she_would_be_herself(world: MemoryWorld) -> None:
    """Who is blocked, or no member, is refused also when an administrator writes for her; system accounts are not."""
    services = world.services
    cause = Cause("bob", "op", START_MS)
    await services.black_lists.block(cause, "bob", "alice", "")
    for sender_id in ("news", "imAdmin"):
        await services.black_lists.block(cause, "bob", sender_id, "")
    with pytest.raises(errors.BlockedByPeer):
        await send(world, request())
    await send(world, request(sendID="imAdmin"))
    await send(world, notice())


async def test_many_are_sent_to_and_who_could_not_be_is_named(world: MemoryWorld) -> None:
    """Each once, with an id of its own; the others get it all the same."""
    batch = BatchSendMessageReq(sendID="news", contentType=1400, content=json.dumps(NOTICE).encode())
    batch.recvIDs.extend(["bob", "nobody", "carol", "bob"])
    answer = await world.services.system_messages.send_to_many(batch, "op")
    assert ([one.recvID for one in answer.results], list(answer.failedUserIDs)) == (["bob", "carol"], ["nobody"])
    assert len({one.clientMsgID for one in answer.results}) == 2
    assert await owners(world) == {"bob": ["sn_bob_news"], "carol": ["sn_carol_news"]}

    everybody = BatchSendMessageReq(sendID="news", contentType=101, sessionType=1, content=TEXT, isSendAll=True)
    answer = await world.services.system_messages.send_to_many(everybody, "op")
    assert {one.recvID for one in answer.results} == {"alice", "bob", "carol", "robot", "imAdmin"}


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({}, errors.ArgsError, "recvIDs"),
        ({"recvIDs": ["bob", "carol", "alice", "robot"]}, errors.ArgsError, "recvIDs"),
        ({"recvIDs": ["bob", ""]}, errors.ArgsError, "recvIDs"),
        ({"recvIDs": ["bob"], "ex": "x" * (512 << 10)}, errors.ArgsError, "ex"),
        ({"isSendAll": True}, errors.ArgsError, "isSendAll"),
        ({"recvIDs": ["bob"], "sessionType": 3}, errors.ArgsError, "sessionType"),
        ({"recvIDs": ["bob"], "sendID": "nobody"}, errors.UserIDNotFound, "sendID"),
        ({"recvIDs": ["bob"], "content": b"{}"}, errors.ArgsError, "content"),
    ],
)
async def test_what_concerns_all_of_many_is_refused_before_anything_is_sent(
    world: MemoryWorld,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    error: type[errors.OpenIMError],
    field: str,
) -> None:
    """Too many receivers, none, or a message that nobody could get."""
    monkeypatch.setattr(system_messages, "RECEIVERS_MAX", 3)
    batch = BatchSendMessageReq(**{"sendID": "alice", "contentType": 101, "sessionType": 1, "content": TEXT, **fields})
    with pytest.raises(error, match=rf"\b{field}\b"):
        await world.services.system_messages.send_to_many(batch, "op")
    assert (world.broker.sent, await owners(world)) == ([], {})
