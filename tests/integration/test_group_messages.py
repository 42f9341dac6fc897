"""
Messages and effects of groups on the running server, with clients that speak the wire protocol by hand.

The groups are changed in the directory behind its back, as a service does it; it notices by itself.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from openim_ray.domain.group import AT_ALL, GroupStatus
from openim_ray.ports import DirectoryStore
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
)
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, PullMessageBySeqsReq, PullMessageBySeqsResp
from openim_ray.storage.open import open_directory_store
from tests.integration.connection import JS, NATIVE, Connection, Refused, text_message
from tests.integration.directory_groups import CREATED, INVITED, QUIT, DirectoryGroup
from tests.integration.people import People

CONVERSATION_CHANGED = 1300


@pytest.fixture
async def directory(people: People) -> AsyncIterator[DirectoryStore]:
    """The directory of the shared server."""
    store = await open_directory_store(people.server.places)
    yield store
    await store.aclose()


def group_message(sender: Connection, group: DirectoryGroup, text: str, **fields: Any) -> MsgData:
    """Return a text to a group as an SDK sends it."""
    message = text_message(sender.user_id, "", text, **fields)
    message.sessionType, message.groupID = 3, group.group_id
    return message


async def state(client: Connection, group: DirectoryGroup) -> tuple[int, int]:
    """Return max seq and unread of a group as 1006 tells it."""
    request = GetConversationsHasReadAndMaxSeqReq(userID=client.user_id, conversationIDs=[group.chat])
    answer = await client.ask(RequestIdentifier.GET_CONV_MAX_READ_SEQ, request, GetConversationsHasReadAndMaxSeqResp)
    seqs = answer.seqs[group.chat]
    return seqs.maxSeq, seqs.maxSeq - seqs.hasReadSeq


async def pull(client: Connection, group: DirectoryGroup, begin: int, end: int) -> list[int]:
    """Ask 1002 for a range of a group and return the seqs that came."""
    request = PullMessageBySeqsReq(userID=client.user_id)
    request.seqRanges.add(conversationID=group.chat, begin=begin, end=end, num=100)
    answer = await client.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    return [message.seq for message in answer.msgs[group.chat].Msgs]


def told(client: Connection, group: DirectoryGroup) -> list[tuple[str, int, int]]:
    """Return the pushes of a group, and 1300s: stream, seq, type; in order."""
    streams = {group.chat: "chat", f"n_{group.group_id}": "stream", f"n_{client.user_id}_{client.user_id}": "self"}
    return [
        (streams[push.stream], push.seq, push.message.contentType) for push in client.pushes if push.stream in streams
    ]


def types(client: Connection) -> list[int]:
    """Return the content types of what a client was pushed."""
    return [push.message.contentType for push in client.pushes]


async def test_a_group_is_created_and_written_to(people: People, directory: DirectoryStore) -> None:
    """Members get the line in the chat, then the notification, then 1300; then what is written, which the sender has read."""
    ann, bob = await people.connect("ann"), await people.connect("bob", JS)
    group = DirectoryGroup(directory, ann.user_id)
    await ann.send_text(bob.user_id, "until a JavaScript client has synced, what has a seq is kept back")
    await bob.pushed(1)
    await group.create(bob.user_id)
    expected = [("chat", 1, CREATED), ("stream", 0, CREATED), ("self", 0, CONVERSATION_CHANGED)]
    for client in (ann, bob):
        await client.until(lambda client=client: len(told(client, group)) == len(expected), "news of the group")  # type: ignore[misc]
        assert told(client, group) == expected
        assert len({push.operation_id for push in client.pushes[-3:]}) == 1

    await ann.send_message(group_message(ann, group, "hello"))
    await bob.pushed(2, group.chat)
    await ann.pushed(2, group.chat)
    assert [push.text for push in bob.pushes_of(group.chat)[1:]] == ["hello"]
    assert await state(ann, group) == (2, 0)
    assert await state(bob, group) == (2, 2)
    assert await group.waiting() == 0


async def test_who_is_no_member_may_not_write(people: People, directory: DirectoryStore) -> None:
    """Nor may members of a muted group; a change counts from the next message on."""
    ann, bob, stranger = [await people.connect(name) for name in ("ann", "bob", "stranger")]
    group = DirectoryGroup(directory, ann.user_id)
    await group.create(bob.user_id)
    await bob.pushed(1, group.chat)

    async def refusal(client: Connection) -> int:
        try:
            await client.send_message(group_message(client, group, "hello"))
        except Refused as refused:
            return refused.code
        return 0

    assert [await refusal(one) for one in (ann, bob, stranger)] == [0, 0, 1203]
    await group.set_status(GroupStatus.MUTED)
    await bob.pushed(2, f"n_{group.group_id}")
    assert [await refusal(one) for one in (ann, bob)] == [0, 1403]
    await group.set_status(GroupStatus.DISMISSED)
    await bob.pushed(3, f"n_{group.group_id}")
    assert [await refusal(one) for one in (ann, stranger)] == [1204, 1204]


async def test_who_leaves_sees_nothing_after_that_and_everything_when_she_is_back(
    people: People, directory: DirectoryStore
) -> None:
    """The cut is where the line stands that says so: in pushes, states and pulls; a group without history shows it to new members only from there."""
    ann, bob, cid = [await people.connect(name) for name in ("ann", "bob", "cid")]
    group = DirectoryGroup(directory, ann.user_id)
    await group.create(bob.user_id)
    await bob.pushed(1, group.chat)
    await ann.send_message(group_message(ann, group, "two"))
    await group.quit(bob.user_id, 2)
    await bob.pushed(3, group.chat)
    await ann.pushed(3, group.chat)
    await ann.send_message(group_message(ann, group, "four"))
    await ann.pushed(4, group.chat)
    assert await state(bob, group) == (3, 0), "he wrote the line that says so"
    assert await pull(bob, group, 1, 4) == [1, 2, 3]
    assert told(bob, group)[-2:] == [("stream", 0, QUIT), ("self", 0, CONVERSATION_CHANGED)]

    await group.invite(bob.user_id)
    await group.invite(cid.user_id, with_history=False)
    for client in (bob, cid):
        await client.until(
            lambda client=client: client.pushes_of(group.chat)[-1:] != [] and client.pushes_of(group.chat)[-1].seq == 6,
            "6",
        )
    seqs = [push.seq for push in bob.pushes_of(group.chat)]
    assert seqs in ([1, 2, 3, 5, 6], [1, 2, 3, 4, 5, 6]), "4 is his to see again: a repair may bring it, in its place"
    assert [push.seq for push in cid.pushes_of(group.chat)] == [6]
    assert await pull(bob, group, 1, 6) == [1, 2, 3, 4, 5, 6]
    assert await pull(cid, group, 1, 6) == [6]
    assert await state(cid, group) == (6, 1)
    assert INVITED in types(cid)

    await group.quit(cid.user_id, 6, in_chat=False)
    await cid.until(lambda: told(cid, group)[-1] == ("self", 0, CONVERSATION_CHANGED) and QUIT in types(cid), "1300")
    await ann.send_message(group_message(ann, group, "seven"))
    await bob.until(lambda: bob.pushes_of(group.chat)[-1].seq == 7, "7")
    assert [push.seq for push in cid.pushes_of(group.chat)] == [6]
    assert await pull(cid, group, 1, 7) == [6]


async def test_named_members_are_marked(people: People, directory: DirectoryStore) -> None:
    """With 1300 to each; all, and those among them who are named besides."""
    ann, bob, cid = [await people.connect(name) for name in ("ann", "bob", "cid")]
    group = DirectoryGroup(directory, ann.user_id)
    await group.create(bob.user_id, cid.user_id)
    for client in (bob, cid):
        await client.pushed(3)

    async def name(*names: str) -> None:
        await ann.send_message(group_message(ann, group, "you", contentType=106, atUserIDList=names))

    await name(bob.user_id, "nobody")
    await bob.pushed(2, f"n_{bob.user_id}_{bob.user_id}")
    assert [await group.at_type(one.user_id) for one in (ann, bob, cid)] == [0, 1, 0]
    await name(bob.user_id, AT_ALL)
    await bob.pushed(3, f"n_{bob.user_id}_{bob.user_id}")
    await cid.pushed(2, f"n_{cid.user_id}_{cid.user_id}")
    assert [await group.at_type(one.user_id) for one in (ann, bob, cid)] == [0, 3, 2]


async def test_a_group_is_marked_as_read(people: People, directory: DirectoryStore) -> None:
    """The reader's own devices hear it; nobody else does."""
    ann, bob = await people.connect("ann"), await people.connect("bob", NATIVE)
    group = DirectoryGroup(directory, ann.user_id)
    await group.create(bob.user_id)
    await bob.pushed(3)
    mark = {"conversationID": group.chat, "userID": bob.user_id, "hasReadSeq": 1, "seqs": None}
    await asyncio.to_thread(people.server.call, "/msg/mark_conversation_as_read", mark, bob.account.token)

    pushes = await bob.pushed(2, f"n_{bob.user_id}_{bob.user_id}")
    assert pushes[-1].message.contentType == 2200
    assert await state(bob, group) == (1, 0)
    assert [push for push in ann.pushes if push.message.contentType == 2200] == []


async def kill_inbox_actor(people: People) -> None:
    """End it by `kill -9`, as soon as it has been started again after the last time."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(people.server.actors, "InboxActor"):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    await asyncio.to_thread(people.server.kill_actor, "InboxActor")


async def test_effects_survive_the_death_of_their_owner(people: People, directory: DirectoryStore) -> None:
    """The inbox actor is killed around commits: each clone stands in the log once, in the order of the commits."""
    ann, bob = await people.connect("ann"), await people.connect("bob")
    group = DirectoryGroup(directory, ann.user_id)
    await group.create(bob.user_id)
    await bob.pushed(1, group.chat)
    cid = await people.account("cid")
    for change in (
        partial(group.invite, cid.user_id),
        partial(group.quit, bob.user_id, 2),
        partial(group.invite, bob.user_id),
    ):
        await change()
        await kill_inbox_actor(people)
        ann.ping()
        bob.ping()

    await bob.until(lambda: any(push.seq == 4 for push in bob.pushes_of(group.chat)), "the fourth")
    await ann.send_message(group_message(ann, group, uuid.uuid4().hex))
    await bob.until(lambda: any(push.seq == 5 for push in bob.pushes_of(group.chat)), "the fifth")
    request = PullMessageBySeqsReq(userID=ann.user_id)
    request.seqRanges.add(conversationID=group.chat, begin=1, end=5, num=100)
    answer = await ann.ask(RequestIdentifier.PULL_MSG_BY_RANGE, request, PullMessageBySeqsResp)
    types = [message.contentType for message in answer.msgs[group.chat].Msgs]
    assert types == [CREATED, INVITED, QUIT, INVITED, 101]
    async with asyncio.timeout(20):
        while await group.waiting():  # noqa: ASYNC110 - another process deletes them
            await asyncio.sleep(0.1)
    seqs = [push.seq for push in bob.pushes_of(group.chat)]
    assert seqs == sorted(set(seqs)), "each once, ascending"
