"""
What each kind of client is pushed after it connected, and in which order (docs/guarantees, core/gateway/session.py).

No official client repairs everything by itself: JavaScript counts a repeat as unread twice and never learns of a gap, PyPI takes the newest
pushed seq as its position (OpenIM wire, §7.3, §10, §11).
"""

from __future__ import annotations

import asyncio
from typing import Final

from openim_ray.domain.conversation import single_chat_id
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import (
    GetMaxSeqReq,
    GetMaxSeqResp,
    PullMessageBySeqsReq,
    PullMessageBySeqsResp,
)
from tests.integration.connection import JS, NATIVE, PYPI, Connection, text_message
from tests.integration.people import People

GOING_AWAY: Final = 1001
RUN_MAX: Final = 500
"""A client that lacks more is closed: its own sync is cheaper."""


async def newest(client: Connection) -> dict[str, int]:
    """Ask 1001."""
    answer = await client.ask(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq(userID=client.user_id), GetMaxSeqResp)
    return dict(answer.maxSeqs)


async def states(client: Connection) -> dict[str, int]:
    """Ask 1006."""
    request = GetConversationsHasReadAndMaxSeqReq(userID=client.user_id)
    answer = await client.ask(RequestIdentifier.GET_CONV_MAX_READ_SEQ, request, GetConversationsHasReadAndMaxSeqResp)
    return {key: seqs.maxSeq for key, seqs in answer.seqs.items()}


async def pull(client: Connection, chat: str, begin: int, end: int) -> list[int]:
    """Ask 1002 for a range and return the seqs that came."""
    request = PullMessageBySeqsReq(userID=client.user_id)
    request.seqRanges.add(conversationID=chat, begin=begin, end=end, num=100)
    answer = await client.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    return [message.seq for message in answer.msgs[chat].Msgs]


async def send(sender: Connection, receiver: str, count: int) -> None:
    """Send texts as fast as they are taken, and wait until all are answered."""
    data = [text_message(sender.user_id, receiver, str(number)).SerializeToString() for number in range(count)]
    answers = await asyncio.gather(*(sender.send(RequestIdentifier.SEND_MSG, one) for one in data))
    assert not any(answer.err_code for answer in answers)


def seqs(client: Connection, chat: str) -> list[int]:
    """Return the seqs of a chat that were pushed so far."""
    return [push.seq for push in client.pushes_of(chat)]


async def test_a_javascript_client_is_pushed_what_its_sync_did_not_tell(people: People) -> None:
    """Before its 1006 is answered nothing is pushed; afterwards what the answer counts is not pushed again."""
    alice = await people.connect("alice")
    page = await people.connect("page", JS)
    chat = single_chat_id(alice.user_id, page.user_id)
    await send(alice, page.user_id, 3)
    assert await states(page) == {chat: 3}
    await send(alice, page.user_id, 2)
    await page.pushed(2, chat)
    await send(alice, page.user_id, 1)
    await page.pushed(3, chat)
    assert seqs(page, chat) == [4, 5, 6]
    assert await states(page) == {chat: 6}


async def test_a_later_answer_does_not_move_a_javascript_clients_position(people: People) -> None:
    """Only the first 1006 of a connection is its start; a push after another one is neither skipped nor repeated."""
    alice = await people.connect("alice")
    page = await people.connect("page", JS)
    chat = single_chat_id(alice.user_id, page.user_id)
    assert await states(page) == {}
    await send(alice, page.user_id, 2)
    assert await states(page) == {chat: 2}
    await send(alice, page.user_id, 1)
    await page.pushed(3, chat)
    assert seqs(page, chat) == [1, 2, 3]


async def test_a_python_client_is_pushed_after_its_pulls(people: People) -> None:
    """While it pulls, pushes would raise its position: they wait until its last 1002 has been answered for a second."""
    alice = await people.connect("alice")
    script = await people.connect("script", PYPI)
    chat = single_chat_id(alice.user_id, script.user_id)
    await send(alice, script.user_id, 5)
    assert await newest(script) == {chat: 5}
    await send(alice, script.user_id, 2)
    assert await pull(script, chat, 1, 5) == [1, 2, 3, 4, 5]
    assert not script.pushes
    await script.pushed(2, chat)
    assert seqs(script, chat) == [6, 7]


async def test_a_client_that_asks_nothing_is_pushed_from_its_first_message_on(people: People) -> None:
    """Two seconds are its time to ask; then it counts as a plain client."""
    alice = await people.connect("alice")
    page = await people.connect("page", JS)
    chat = single_chat_id(alice.user_id, page.user_id)
    await send(alice, page.user_id, 4)
    await page.pushed(4, chat)
    assert seqs(page, chat) == [1, 2, 3, 4]


async def test_a_native_client_is_pushed_at_once(people: People) -> None:
    """The Go SDK repairs what came before by its own sync."""
    alice = await people.connect("alice")
    phone = await people.account("phone")
    await send(alice, phone.user_id, 3)
    client = await people.connect(phone)
    chat = single_chat_id(alice.user_id, phone.user_id)
    await send(alice, phone.user_id, 2)
    await client.pushed(2, chat)
    assert seqs(client, chat) == [4, 5]
    assert client.kind is NATIVE


async def send_while_syncing(sender: Connection, page: Connection, count: int) -> None:
    """Send texts to a client that pulls all the while, so that all of them are held."""
    sending = asyncio.create_task(send(sender, page.user_id, count))
    while not sending.done():
        await pull(page, single_chat_id(sender.user_id, page.user_id), 1, 1)
    await sending
    assert not page.pushes


async def test_many_held_messages_come_in_order(people: People) -> None:
    """More than a slow client's queue may hold, at one moment: a client that reads takes them."""
    alice = await people.connect("alice")
    page = await people.connect("page", JS)
    chat = single_chat_id(alice.user_id, page.user_id)
    await states(page)
    await send_while_syncing(alice, page, RUN_MAX)
    await page.pushed(RUN_MAX, chat)
    assert seqs(page, chat) == list(range(1, RUN_MAX + 1))


async def test_a_client_too_far_behind_is_closed(people: People) -> None:
    """Its next sync is cheaper than so many pushes, and finds everything."""
    alice = await people.connect("alice")
    page = await people.connect("page", JS)
    chat = single_chat_id(alice.user_id, page.user_id)
    await states(page)
    await send_while_syncing(alice, page, RUN_MAX + 1)
    assert await page.ended() == GOING_AWAY
    again = await people.connect(page.account, JS)
    assert await states(again) == {chat: RUN_MAX + 1}


async def test_messages_of_many_chats_come_in_order_each(people: People) -> None:
    """A receiver of several busy chats sees each of them dense and ascending."""
    page = await people.connect("page", JS)
    senders = [await people.connect(f"sender{number}") for number in range(6)]
    await states(page)
    await asyncio.gather(*(send(sender, page.user_id, 60) for sender in senders))
    await page.pushed(360)
    for sender in senders:
        assert seqs(page, single_chat_id(sender.user_id, page.user_id)) == list(range(1, 61))


async def test_both_directions_of_a_chat_share_its_seqs(people: People) -> None:
    """Two busy writers see one order, the same at both ends."""
    alice, bob = await people.connect("alice"), await people.connect("bob")
    chat = single_chat_id(alice.user_id, bob.user_id)
    await asyncio.gather(send(alice, bob.user_id, 150), send(bob, alice.user_id, 150))
    ends = [
        [(push.seq, push.message.clientMsgID) for push in await client.pushed(300, chat)] for client in (alice, bob)
    ]
    assert ends[0] == ends[1]
    assert [seq for seq, _ in ends[0]] == list(range(1, 301))
