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
NOTIFICATION_CHAT = 4
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


class NotificationAccount:
    """An account that tells users something."""

    def __init__(self, server: Server) -> None:
        self._server = server
        # The pure-JavaScript SDK puts the sender first into the conversation's id, so it has to be the first in order, too.
        self.user_id = f"account-{uuid.uuid4().hex[:8]}"
        account = {"userID": self.user_id, "nickName": "News", "faceURL": "", "appMangerLevel": 3}
        server.call("/user/add_notification_account", account)

    def chat_of(self, reader: SdkClient) -> str:
        """Return the id of what it tells a user."""
        return f"sn_{self.user_id}_{reader.user_id}"

    async def tell(self, reader: SdkClient, text: str) -> dict[str, Any]:
        """Tell a user something (1400)."""
        notice = {"notificationName": "News", "notificationType": 1, "text": text, "mixType": 0}
        body = {"sendID": self.user_id, "recvID": reader.user_id, "contentType": 1400, "content": notice}
        return await asyncio.to_thread(self._server.call, "/msg/send_msg", body)

    async def alarm(self, reader: SdkClient) -> None:
        """Tell a user's program something (2001), and wait until it has heard."""
        body = {"sendUserID": self.user_id, "recvUserID": reader.user_id, "key": "alarm", "data": "{}"}
        await asyncio.to_thread(self._server.call, "/msg/send_business_notification", body)
        heard = await reader.events.wait_for("OnRecvCustomBusinessMessage")
        assert (heard["data"]["key"], heard["data"]["data"]) == ("alarm", "{}")

    async def shows(self, reader: SdkClient, unread: int, text: str) -> None:
        """Wait until an SDK shows so many unread messages, and this one as the latest."""
        while True:
            position = reader.events.position
            row = await reader.sdk("getOneConversation", {"sourceID": self.user_id, "sessionType": NOTIFICATION_CHAT})
            assert (row["conversationID"], row["showName"]) == (self.chat_of(reader), "News")
            latest = json.loads(row["latestMsg"]) if row["latestMsg"] else {"notificationElem": {"detail": "{}"}}
            shown = (row["unreadCount"], json.loads(latest["notificationElem"]["detail"]).get("text"))
            if shown == (unread, text):
                return
            await reader.events.wait(lambda _: True, f"{(unread, text)} instead of {shown}", after=position)


async def test_who_is_there_gets_everything_and_who_comes_back_what_is_kept(clients: Clients, server: Server) -> None:
    """
    A message marked as online only is handed over, and neither counted nor stored.

    A notification account has a conversation of its own, which counts as unread until it is read, also after absence.
    """
    alice, bob = await clients.js(clients.user("alice")), await clients.wasm(clients.user("bob"))
    account = await asyncio.to_thread(NotificationAccount, server)
    await alice.send_text(bob.user_id, "kept")
    await bob.received("kept")

    message = await alice.sdk("createTextMessage", "gone")
    sent = await _send(alice, bob.user_id, message, isOnlineOnly=True)
    await _received(bob, sent)
    await bob.shows_unread(alice.user_id, 1)
    for reader in (alice, bob):
        received = await _received(reader, await account.tell(reader, "at nine"))
        assert (received["contentType"], received["sendID"], received["seq"]) == (1400, account.user_id, 1)
        await account.shows(reader, 1, "at nine")
        await reader.sdk("markConversationMessageAsRead", account.chat_of(reader))
        await account.shows(reader, 0, "at nine")
        await account.alarm(reader)
        await reader.close()
        for text in ("at ten", "at eleven"):
            await account.tell(reader, text)

    alice, bob = await clients.reopen(alice), await clients.reopen(bob)
    for reader in (alice, bob):
        await account.shows(reader, 2, "at eleven")
    assert [message.text for message in (await bob.history(alice.user_id, 10)).messages] == ["kept"]
