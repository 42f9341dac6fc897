"""Reading over the socket: 1001, 1002, 1005, 1006, 1007, and read marks (OpenIM wire, §3.1 to §3.7, §7.7)."""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import pytest

from openim_ray.domain.conversation import notification_stream_id, single_chat_id
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
    GetLastMessageReq,
    GetLastMessageResp,
    GetSeqMessageReq,
    GetSeqMessageResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import (
    GetMaxSeqReq,
    GetMaxSeqResp,
    PullMessageBySeqsReq,
    PullMessageBySeqsResp,
    PullMsgs,
)
from tests.e2e.server import ApiError
from tests.integration.connection import JS, NATIVE, PYPI, Connection, Push, Refused, text_of
from tests.integration.people import People

DESCENDING = 1
FOREIGN = "si_carol_dave"


class Chat(NamedTuple):
    """Two connected users and what they wrote: ten texts of alice, `1` to `10`."""

    alice: Connection
    bob: Connection
    id: str


@pytest.fixture
async def chat(people: People) -> Chat:
    """A chat with ten messages, bob's client of the kind that pulls by 1005."""
    alice, bob = await people.connect("alice"), await people.connect("bob", JS)
    for number in range(1, 11):
        await alice.send_text(bob.user_id, str(number))
    return Chat(alice, bob, single_chat_id(alice.user_id, bob.user_id))


async def newest(client: Connection) -> dict[str, int]:
    """Ask 1001."""
    answer = await client.ask(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq(userID=client.user_id), GetMaxSeqResp)
    return dict(answer.maxSeqs)


async def pull(client: Connection, stream: str, begin: int, end: int, num: int, order: int = 0) -> PullMsgs | None:
    """Ask 1002 for one range; None if the conversation is left out of the answer."""
    request = PullMessageBySeqsReq(userID=client.user_id, order=order)
    request.seqRanges.add(conversationID=stream, begin=begin, end=end, num=num)
    answer = await client.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    streams = {**answer.msgs, **answer.notificationMsgs}
    assert (stream in answer.notificationMsgs) <= stream.startswith("n_")
    return streams.get(stream)


async def pick(client: Connection, stream: str, seqs: list[int], order: int = 0) -> PullMsgs:
    """Ask 1005 for some seqs of one conversation, which must be named in the answer."""
    request = GetSeqMessageReq(userID=client.user_id, order=order)
    request.conversations.add(conversationID=stream, seqs=seqs)
    answer = await client.ask(RequestIdentifier.PULL_MSG_BY_SEQ_LIST, request, GetSeqMessageResp)
    return {**answer.msgs, **answer.notificationMsgs}[stream]


async def positions(client: Connection, *ids: str) -> dict[str, tuple[int, int]]:
    """Ask 1006; returns (max seq, read seq) by conversation."""
    request = GetConversationsHasReadAndMaxSeqReq(userID=client.user_id, conversationIDs=ids)
    answer = await client.ask(RequestIdentifier.GET_CONV_MAX_READ_SEQ, request, GetConversationsHasReadAndMaxSeqResp)
    return {key: (seqs.maxSeq, seqs.hasReadSeq) for key, seqs in answer.seqs.items()}


def texts(pulled: PullMsgs | None) -> list[tuple[int, str]]:
    """Return seq and text of what was pulled."""
    return [] if pulled is None else [(message.seq, text_of(message)) for message in pulled.Msgs]


async def test_newest_seqs_name_what_holds_messages(chat: Chat) -> None:
    """Empty conversations and streams are left out; a new user has none."""
    assert await newest(chat.alice) == await newest(chat.bob) == {chat.id: 10}


@pytest.mark.parametrize(
    ("begin", "end", "num", "first", "last", "is_end"),
    [
        (0, 10, 1, 10, 10, True),
        (1, 10, 100, 1, 10, True),
        (3, 5, 10, 3, 5, False),
        (1, 9, 4, 6, 9, False),
        (8, 1000, 10, 8, 10, True),
    ],
)
async def test_a_range_gives_the_newest_of_it(
    chat: Chat, begin: int, end: int, num: int, first: int, last: int, is_end: bool
) -> None:
    """Ascending, at most `num`, clamped to what there is."""
    pulled = await pull(chat.bob, chat.id, begin, end, num)
    assert pulled is not None
    assert texts(pulled) == [(seq, str(seq)) for seq in range(first, last + 1)]
    assert pulled.isEnd == is_end


async def test_ranges_without_a_result_are_left_out(chat: Chat) -> None:
    """Beyond the end, an unknown conversation, and one of other people."""
    for stream, begin, end in ((chat.id, 11, 20), ("si_x_y", 1, 5), (FOREIGN, 1, 5)):
        assert await pull(chat.alice, stream, begin, end, 10) is None


async def test_picked_seqs_come_in_the_order_asked(chat: Chat) -> None:
    """Every conversation asked for is named, and seqs outside are skipped."""
    assert texts(await pick(chat.bob, chat.id, [7, 2, 0])) == [(7, "7"), (2, "2")]
    assert texts(await pick(chat.bob, FOREIGN, [1, 2])) == []


async def test_the_end_is_told_only_to_who_asked_beyond_it(chat: Chat) -> None:
    """The SDKs keep it for ever."""
    beyond = await pick(chat.bob, chat.id, [10, 11])
    assert (texts(beyond), beyond.isEnd, beyond.endSeq) == ([(10, "10")], True, 10)
    within = await pick(chat.bob, chat.id, [9, 10])
    assert (within.isEnd, within.endSeq) == (False, 0)
    older = await pick(chat.bob, chat.id, [2, 1, 0], DESCENDING)
    assert (texts(older), older.isEnd) == ([(2, "2"), (1, "1")], False)


async def test_positions_are_the_truth_about_unread(chat: Chat) -> None:
    """Own messages never count as unread, the peer's do until they are read."""
    assert await positions(chat.alice) == {chat.id: (10, 10)}
    assert await positions(chat.bob, chat.id) == {chat.id: (10, 0)}
    assert await positions(chat.bob, FOREIGN) == {}


async def test_the_last_message(chat: Chat) -> None:
    """1007 gives the newest message of each conversation of the user's own."""
    request = GetLastMessageReq(userID=chat.bob.user_id, conversationIDs=[chat.id, FOREIGN])
    answer = await chat.bob.ask(RequestIdentifier.PULL_CONV_LAST_MESSAGE, request, GetLastMessageResp)
    assert {key: (message.seq, text_of(message)) for key, message in answer.msgs.items()} == {chat.id: (10, "10")}


async def test_nobody_reads_for_somebody_else(people: People, chat: Chat) -> None:
    """Another user's id in a request is refused; asking with one's own id for a foreign chat gives nothing."""
    eve = await people.connect("eve")
    requests = {
        RequestIdentifier.GET_NEWEST_SEQ: GetMaxSeqReq(userID=chat.bob.user_id),
        RequestIdentifier.PULL_MSG_BY_RANGE: PullMessageBySeqsReq(userID=chat.bob.user_id),
        RequestIdentifier.PULL_MSG_BY_SEQ_LIST: GetSeqMessageReq(userID=chat.bob.user_id),
        RequestIdentifier.GET_CONV_MAX_READ_SEQ: GetConversationsHasReadAndMaxSeqReq(userID=chat.bob.user_id),
        RequestIdentifier.PULL_CONV_LAST_MESSAGE: GetLastMessageReq(userID=chat.bob.user_id),
    }
    for identifier, request in requests.items():
        response = await eve.answer(identifier, request.SerializeToString())
        assert (response.err_code, response.data) == (1002, b"")
    assert await newest(eve) == {}
    assert await pull(eve, chat.id, 1, 10, 10) is None
    assert texts(await pick(eve, chat.id, [1, 2])) == []
    assert await positions(eve, chat.id) == {}


async def test_requests_that_can_not_be_read_are_refused(chat: Chat) -> None:
    """The error is an answer, and the connection goes on."""
    for identifier in (1001, 1002, 1005, 1006, 1007):
        response = await chat.bob.answer(identifier, b"\xff\xff\xff")
        assert response.err_code == 1001
    request = PullMessageBySeqsReq(userID=chat.bob.user_id)
    for number in range(1001):
        request.seqRanges.add(conversationID=f"si_{number}_x", begin=1, end=2, num=1)
    with pytest.raises(Refused) as refused:
        await chat.bob.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    assert refused.value.code == 1001
    assert await newest(chat.bob) == {chat.id: 10}


async def test_a_new_device_finds_everything(people: People, chat: Chat) -> None:
    """Offline delivery over several pages: positions first, then the rows."""
    device = await people.connect(await people.login(chat.bob.user_id, PYPI), PYPI)
    seqs = await newest(device)
    found: list[tuple[int, str]] = []
    for begin in range(1, seqs[chat.id] + 1, 4):
        found += texts(await pull(device, chat.id, begin, min(begin + 3, seqs[chat.id]), 100))
    assert found == [(seq, str(seq)) for seq in range(1, 11)]


# --- read marks


async def mark_read(people: People, client: Connection, chat_id: str, has_read_seq: int, seqs: list[int]) -> None:
    """Mark a conversation as read, as a client does over HTTP."""
    body = {
        "userID": client.user_id,
        "conversationID": chat_id,
        "hasReadSeq": has_read_seq,
        "seqs": seqs,
    }
    await asyncio.to_thread(people.server.call, "/msg/mark_conversation_as_read", body, client.account.token)


def tips(push: Push) -> dict[str, object]:
    """Return what a 2200 says."""
    assert push.message.contentType == 2200
    return dict(json.loads(json.loads(push.message.content)["detail"]))


async def test_a_read_mark_reaches_both_users(people: People, chat: Chat) -> None:
    """The peer and the reader's own devices get one stored 2200; the count of unread falls."""
    stream = notification_stream_id(chat.id)
    await mark_read(people, chat.bob, chat.id, 6, [4, 5, 6])
    for client in (chat.alice, chat.bob):
        (push,) = await client.pushed(1, stream)
        assert push.seq == 1
        assert tips(push) == {
            "markAsReadUserID": chat.bob.user_id,
            "conversationID": chat.id,
            "seqs": [1, 2, 3, 4, 5, 6],
            "hasReadSeq": 6,
        }
    assert await positions(chat.bob) == {chat.id: (10, 6)}
    assert await newest(chat.alice) == {chat.id: 10, stream: 1}
    pulled = await pull(chat.alice, stream, 1, 1, 1)
    assert pulled is not None
    assert [message.contentType for message in pulled.Msgs] == [2200]


async def test_messages_become_read_for_their_sender(people: People, chat: Chat) -> None:
    """A later pull shows which of her messages the peer has read."""
    await mark_read(people, chat.bob, chat.id, 3, [3])
    pulled = await pull(chat.alice, chat.id, 1, 10, 10)
    assert pulled is not None
    assert [message.isRead for message in pulled.Msgs] == [seq <= 3 for seq in range(1, 11)]


async def test_a_read_mark_is_not_lowered(people: People, chat: Chat) -> None:
    """An older mark that comes late changes nothing."""
    await mark_read(people, chat.bob, chat.id, 8, [8])
    await mark_read(people, chat.bob, chat.id, 2, [2])
    assert await positions(chat.bob) == {chat.id: (10, 8)}


async def test_read_marks_beyond_the_end_or_of_others_are_refused(people: People, chat: Chat) -> None:
    """Nobody is told anything."""
    eve = await people.connect("eve", NATIVE)
    with pytest.raises(ApiError) as refused:
        await mark_read(people, chat.bob, chat.id, 11, [11])
    assert refused.value.code == 1001
    with pytest.raises(ApiError) as refused:
        await mark_read(people, eve, chat.id, 3, [3])
    assert refused.value.code in (1002, 1004)
    await chat.bob.send_text(chat.alice.user_id, "last")
    await chat.alice.pushed(11)
    assert not chat.alice.pushes_of(notification_stream_id(chat.id))
    assert await positions(chat.bob) == {chat.id: (11, 11)}
