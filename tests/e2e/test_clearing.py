"""What a user clears is gone for her, on every device, and for nobody else unless she says so; unread counts go on from there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from openim_ray.protocol.identifiers import ContentType, Platform
from tests.e2e.client import Client
from tests.e2e.clients import Clients
from tests.e2e.sdk_client import SdkClient
from tests.e2e.server import Server

PAGE = 20

CLEARS = [("wasm", "clearConversationAndDeleteAllMsg"), ("js", "deleteConversationAndDeleteAllMsg")]


class Told:
    """
    What the server says of a user's chats, over HTTP; a login of a platform of its own, so that it kicks no device.
    """

    def __init__(self, server: Server, user_id: str) -> None:
        self._server, self._user_id = server, user_id
        self._token = server.token(user_id, Platform.IPAD)

    async def call(self, path: str, **body: Any) -> Any:
        """Make a call for this user."""
        return await asyncio.to_thread(self._server.data, path, {"userID": self._user_id, **body}, self._token)

    async def seqs(self, chat: str) -> tuple[int, int]:
        """Return the newest seq, and how far she has read."""
        answer = await self.call("/msg/get_conversations_has_read_and_max_seq", conversationIDs=[chat])
        return answer["seqs"][chat]["maxSeq"], answer["seqs"][chat]["hasReadSeq"]

    async def rows(self, chat: str) -> list[int]:
        """Return the seqs of all rows that a pull of everything gives."""
        asked = {"conversationID": chat, "begin": 0, "end": 1_000, "num": 1_000}
        answer = await self.call("/msg/pull_msg_by_seq", seqRanges=[asked], order=0)
        return [row["seq"] for row in answer.get("msgs", {}).get(chat, {"Msgs": []})["Msgs"]]


async def texts(client: Client, peer: str) -> list[str]:
    """Return what a device shows of a chat."""
    return [one.text for page in await client.whole_history(peer, PAGE) for one in page]


async def shows_nothing(client: Client, peer: str) -> None:
    """Wait until a device shows no message of a chat any more."""
    while True:
        position = client.events.position
        if not await texts(client, peer):
            return
        await client.events.wait(lambda _: True, "an empty chat", after=position)


@pytest.mark.parametrize(("kind", "method"), CLEARS)
async def test_who_clears_a_chat_starts_anew(clients: Clients, server: Server, kind: str, method: str) -> None:
    """Nothing is unread then, and one more with each message; a new device finds nothing older; the other one keeps everything."""
    alice = await clients.native(clients.user("alice"))
    bob: SdkClient = await clients.open(kind, clients.user("bob"))
    phone = await clients.native(bob.user_id)
    told, peer, chat = Told(server, bob.user_id), alice.user_id, bob.chat_with(alice.user_id)
    for text in ("one", "two", "three"):
        await alice.send_text(bob.user_id, text)
    for device in (bob, phone):
        await device.received("three")
        await device.shows_unread(peer, 3)

    await bob.sdk(method, chat)

    assert await told.seqs(chat) == (3, 3)
    assert await told.rows(chat) == []
    if kind == "js":  # it counts on by itself, until it asks anew or marks the chat as read
        bob = await clients.reopen(bob)
    else:
        assert await texts(bob, peer) == []
    assert await bob.sdk("getTotalUnreadMsgCount") == 0
    await alice.send_text(bob.user_id, "four")
    for device in (bob, phone):
        await device.received("four")
    assert await told.seqs(chat) == (4, 3)
    assert await told.rows(chat) == [4]
    assert await texts(bob, peer) == ["four"]
    await bob.shows_unread(peer, 1)
    new = await clients.native(bob.user_id)
    assert (await texts(new, peer), await new.unread(peer)) == (["four"], 1)
    assert await texts(alice, bob.user_id) == ["one", "two", "three", "four"]


async def test_chats_are_cleared_for_both_and_all_at_once(clients: Clients, server: Server) -> None:
    """Devices of both are told, and show nothing any more; groups are cleared with the rest, and their other members keep everything."""
    alice = await clients.native(clients.user("alice"))
    bob: SdkClient = await clients.open("wasm", clients.user("bob"))
    peer, chat = alice.user_id, alice.chat_with(bob.user_id)
    for text in ("one", "two"):
        await alice.send_text(bob.user_id, text)
    await bob.received("two")
    hers, his = both = Told(server, peer), Told(server, bob.user_id)
    for_both = {"IsSyncSelf": True, "IsSyncOther": True}

    await hers.call("/msg/clear_conversation_msg", conversationIDs=[chat], deleteSyncOpt=for_both)

    told = await alice.events.wait(
        lambda event: event.name == "unstored" and event.data[0].contentType == ContentType.CLEAR_CONVERSATION, "1703"
    )
    assert json.loads(json.loads(told.data[0].content)["detail"]) == {"userID": peer, "conversationIDs": [chat]}
    assert [await one.seqs(chat) for one in both] == [(2, 2), (2, 2)]
    assert [await one.rows(chat) for one in both] == [[], []]
    await shows_nothing(bob, peer)
    await alice.send_text(bob.user_id, "three")
    await bob.received("three")
    await bob.shows_unread(peer, 1)
    assert await texts(bob, peer) == ["three"]
    assert [await one.seqs(chat) for one in both] == [(3, 3), (3, 2)]

    group = await group_of(server, peer, bob.user_id)
    message = await bob.sdk("createTextMessage", "to all")
    await bob.sdk("sendMessage", {"recvID": "", "groupID": group, "message": message})
    chats = (f"sg_{group}", chat)
    assert [await his.rows(one) for one in chats] == [[1, 2], [3]]

    await bob.sdk("deleteAllMsgFromLocalAndSvr")

    assert [await his.seqs(one) for one in chats] == [(2, 2), (3, 3)]
    assert [await his.rows(one) for one in chats] == [[], []]
    assert [await hers.rows(one) for one in chats] == [[1, 2], [3]]
    await alice.send_text(bob.user_id, "again")
    await bob.received("again")
    await bob.shows_unread(peer, 1)
    assert [await his.rows(one) for one in chats] == [[], [4]]


async def group_of(server: Server, owner: str, member: str) -> str:
    """Make a group of two; its first message says so."""
    body = {"groupInfo": {"groupName": "G", "groupType": 2}, "ownerUserID": owner, "memberUserIDs": [member]}
    made = await asyncio.to_thread(server.data, "/group/create_group", body)
    return str(made["groupInfo"]["groupID"])
