"""Everything besides text that a user can send to another, from SDK to SDK."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.client import RECEIVED
from tests.e2e.clients import Clients
from tests.e2e.events import Event
from tests.e2e.sdk_client import SdkClient
from tests.e2e.server import Server

PAIRS = [("wasm", "js"), ("js", "wasm")]
HANDED_OVER = (*RECEIVED, "OnRecvOnlineOnlyMessage", "OnRecvOnlineOnlyMessages")

KINDS: dict[str, tuple[str, Any, int, str]] = {
    "custom": ("createCustomMessage", {"data": '{"a":1}', "extension": "e", "description": "d"}, 110, "customElem"),
    "location": (
        "createLocationMessage",
        {"description": "here", "longitude": 116.4, "latitude": 39.9},
        109,
        "locationElem",
    ),
    "face": ("createFaceMessage", {"index": 3, "data": "smile"}, 115, "faceElem"),
    "card": ("createCardMessage", {"userID": "u", "nickname": "U", "faceURL": "", "ex": ""}, 108, "cardElem"),
    "picture": (
        "createImageMessageByURL",
        {
            "sourcePicture": {"uuid": "p", "type": "png", "size": 1, "width": 2, "height": 3, "url": "http://p/p.png"},
            "bigPicture": {"uuid": "p", "type": "png", "size": 1, "width": 2, "height": 3, "url": "http://p/p.png"},
            "snapshotPicture": {
                "uuid": "s",
                "type": "png",
                "size": 1,
                "width": 2,
                "height": 3,
                "url": "http://p/s.png",
            },
            "sourcePath": "p.png",
        },
        102,
        "pictureElem",
    ),
}
"""Kind: the SDK's method and its parameter, the content type, and where the SDK puts the content of a received message."""


async def _received(client: SdkClient, sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """Wait until the SDK hands over the message that `sent` is at its sender, and return it."""

    def found(event: Event) -> list[Mapping[str, Any]]:
        data = event.data["data"] if event.name in HANDED_OVER else []
        items = data if isinstance(data, list) else [data]
        return [item for item in items if item["clientMsgID"] == sent["clientMsgID"]]

    return found(await client.events.wait(lambda event: bool(found(event)), f"message {sent['clientMsgID']}"))[0]


async def _send(client: SdkClient, peer: str, message: Any, **options: Any) -> Any:
    """Send a message whose files, if it has any, lie elsewhere already."""
    return await client.sdk("sendMessageNotOss", {"recvID": peer, "groupID": "", "message": message, **options})


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_every_kind_of_message_arrives_as_it_was_made(clients: Clients, one: str, other: str) -> None:
    """Custom data, places, faces, cards and pictures reach the other SDK whole."""
    alice, bob = await clients.open(one, clients.user("alice")), await clients.open(other, clients.user("bob"))

    for make, content, content_type, element in KINDS.values():
        sent = await _send(alice, bob.user_id, await alice.sdk(make, content))
        received = await _received(bob, sent)
        assert received["contentType"] == content_type
        assert received[element] == {**received[element], **content}


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_messages_that_hold_messages_arrive_whole(clients: Clients, one: str, other: str) -> None:
    """A quote carries what it quotes, a forwarded bundle its messages, an @ message whom it calls."""
    alice, bob = await clients.open(one, clients.user("alice")), await clients.open(other, clients.user("bob"))
    quoted = await _send(alice, bob.user_id, await alice.sdk("createTextMessage", "quote me"))

    quote = await alice.sdk("createQuoteMessage", {"text": "as you said", "message": json.dumps(quoted)})
    received = await _received(bob, await _send(alice, bob.user_id, quote))
    assert received["quoteElem"]["text"] == "as you said"
    assert received["quoteElem"]["quoteMessage"]["clientMsgID"] == quoted["clientMsgID"]

    bundle = {"messageList": [quoted], "title": "our chat", "summaryList": ["alice: quote me"]}
    merged = await _send(alice, bob.user_id, await alice.sdk("createMergerMessage", bundle))
    received = await _received(bob, merged)
    assert [message["clientMsgID"] for message in received["mergeElem"]["multiMessage"]] == [quoted["clientMsgID"]]

    call = {"text": "@bob look", "atUserIDList": [bob.user_id], "atUsersInfo": []}
    called = await _send(alice, bob.user_id, await alice.sdk("createTextAtMessage", call))
    received = await _received(bob, called)
    assert received["atTextElem"]["atUserList"] == [bob.user_id]


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_typing_is_shown_and_not_kept(clients: Clients, one: str, other: str) -> None:
    """The peer sees that somebody types; the conversation stays as it was."""
    alice, bob = await clients.open(one, clients.user("alice")), await clients.open(other, clients.user("bob"))
    await alice.send_text(bob.user_id, "hello")
    await bob.received("hello")

    chat = {"conversationID": alice.chat_with(bob.user_id), "focus": True}
    await alice.sdk("changeInputStates", chat)

    shown = await bob.events.wait_for("OnConversationUserInputStatusChanged")
    assert shown["data"]["userID"] == alice.user_id
    assert [message.text for message in (await bob.history(alice.user_id, 10)).messages] == ["hello"]


async def test_an_online_only_message_reaches_who_is_there_and_is_not_kept(clients: Clients) -> None:
    """A message marked as online only is handed over, and neither counted nor stored."""
    alice, bob = await clients.js(clients.user("alice")), await clients.wasm(clients.user("bob"))
    await alice.send_text(bob.user_id, "kept")
    await bob.received("kept")

    message = await alice.sdk("createTextMessage", "gone")
    sent = await _send(alice, bob.user_id, message, isOnlineOnly=True)
    await _received(bob, sent)

    await bob.shows_unread(alice.user_id, 1)
    again = await clients.reopen(bob)
    assert [message.text for message in (await again.history(alice.user_id, 10)).messages] == ["kept"]


NOTIFICATION_CHAT = 4


async def test_a_notification_account_reaches_who_is_there_and_who_was_away(clients: Clients, server: Server) -> None:
    """In a conversation of its own, counted as unread until it is read, also on a device that was away meanwhile."""
    # The pure-JavaScript SDK puts the sender first into the conversation's id, so it has to be the first in order, too.
    account_id = f"account-{uuid.uuid4().hex[:8]}"
    account = {"userID": account_id, "nickName": "News", "faceURL": "", "appMangerLevel": 3}
    await asyncio.to_thread(server.call, "/user/add_notification_account", account)
    readers: list[SdkClient] = [await clients.wasm(clients.user("bob")), await clients.js(clients.user("carol"))]

    async def tell(*texts: str) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        for text in texts:
            for reader in readers:
                notice = {"notificationName": "News", "notificationType": 1, "text": text, "mixType": 0}
                body = {"sendID": account_id, "recvID": reader.user_id, "contentType": 1400, "content": notice}
                sent[reader.user_id] = await asyncio.to_thread(server.call, "/msg/send_msg", body)
        return sent

    async def shows(reader: SdkClient, unread: int, text: str) -> None:
        while True:
            position = reader.events.position
            chat = {"sourceID": account_id, "sessionType": NOTIFICATION_CHAT}
            row = await reader.sdk("getOneConversation", chat)
            latest = json.loads(row["latestMsg"]) if row["latestMsg"] else {"notificationElem": {"detail": "{}"}}
            shown = (row["unreadCount"], json.loads(latest["notificationElem"]["detail"]).get("text"))
            if shown == (unread, text):
                assert (row["conversationID"], row["showName"]) == (f"sn_{account_id}_{reader.user_id}", "News")
                return
            await reader.events.wait(lambda _: True, f"{(unread, text)} instead of {shown}", after=position)

    sent = await tell("at nine")
    for reader in readers:
        received = await _received(reader, sent[reader.user_id])
        assert (received["contentType"], received["sendID"], received["seq"]) == (1400, account_id, 1)
        await shows(reader, 1, "at nine")
        await reader.sdk("markConversationMessageAsRead", f"sn_{account_id}_{reader.user_id}")
        await shows(reader, 0, "at nine")
        business = {"sendUserID": account_id, "recvUserID": reader.user_id, "key": "alarm", "data": "{}"}
        await asyncio.to_thread(server.call, "/msg/send_business_notification", business)
        heard = await reader.events.wait_for("OnRecvCustomBusinessMessage")
        assert (heard["data"]["key"], heard["data"]["data"]) == ("alarm", "{}")
        await reader.close()

    await tell("at ten", "at eleven")
    for reader in readers:
        await shows(await clients.reopen(reader), 2, "at eleven")
