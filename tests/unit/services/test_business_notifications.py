"""Notifications of applications of their own (OpenIM wire, §5.4, §6.8)."""

from __future__ import annotations

from typing import Any

import pytest

from openim_ray.domain import errors
from openim_ray.protocol.pb.sdkws_pb2 import MsgData
from openim_ray.protocol.pb.sending_pb2 import SendBusinessNotificationReq
from openim_ray.services.notifications import Cause
from tests.unit.api.direct_calls import DirectCalls
from tests.unit.services.memory_world import START_MS, MemoryWorld
from tests.unit.services.outbox import Waiting, forget, kinds, waiting

CAUSE = Cause("imAdmin", "op", START_MS)
TO_BOB = {"sendUserID": "alice", "recvUserID": "bob"}
STORED = {"history", "persistent"}


@pytest.fixture
async def world() -> MemoryWorld:
    """Return a server with two users, a group of one of them, and one that is over."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    calls = DirectCalls(world.services)
    for group_id in ("team", "over"):
        group = {"groupID": group_id, "groupName": "G", "groupType": 2}
        await calls.call("/group/create_group", {"groupInfo": group, "ownerUserID": "alice"})
    await calls.call("/group/dismiss_group", {"groupID": "over"})
    await forget(world)
    return world


def request(**fields: Any) -> SendBusinessNotificationReq:
    """Return something to be told."""
    return SendBusinessNotificationReq(key="k", data="d", **fields)


async def told(world: MemoryWorld, key: str, **fields: Any) -> Waiting:
    """Send something, and return what waits for the owner of a log."""
    await world.services.business_notifications.send(CAUSE, request(**fields))
    (one,) = await waiting(world, key)
    assert (one.kind, one.tips, one.message.msgFrom) == (2001, {"key": "k", "data": "d"}, 200)
    return one


async def test_a_user_is_told_on_all_devices(world: MemoryWorld) -> None:
    """And so are the sender's; not stored, and no line in the chat, unless that is asked for. The answer names the notification."""
    answer = await world.services.business_notifications.send(CAUSE, request(**TO_BOB))

    (one,) = await waiting(world, "alice_bob")
    assert (one.way, one.effect.receivers) == (("alice", "bob", "n_alice_bob"), ["bob", "alice"])
    assert (one.options, one.effect.stored, one.effect.clone_id) == ({"senderSync"}, False, "")
    assert (answer.clientMsgID, answer.serverMsgID) == (one.message.clientMsgID, one.message.serverMsgID)
    assert (answer.sendTime, one.effect.operation_id, one.message.sessionType) == (START_MS, "op", 1)
    assert world.broker.poked[-1] == "alice_bob"
    assert await world.directory.conversations("bob") == []  # type: ignore[arg-type]


async def test_a_line_stands_in_the_chat_where_it_is_asked_for(world: MemoryWorld) -> None:
    """The clone counts as unread, the notification does not (OpenIM wire, Appendix D, 5.2)."""
    one = await told(world, "alice_bob", **TO_BOB, sendMsg=True)
    assert (one.effect.clone_id, one.options) == ("si_alice_bob", {"senderSync", "isSendMsg"})
    clone = MsgData.FromString(one.effect.clone)
    assert dict(clone.options) == {"offlinePush": False, "unreadCount": True}
    assert (clone.clientMsgID, clone.content) == (one.message.clientMsgID, one.message.content)


async def test_what_is_stored_can_be_found_by_who_was_away(world: MemoryWorld) -> None:
    """Level 2 has a seq of its stream; both have a row by which a client finds that, also who never chatted."""
    one = await told(world, "alice_bob", **TO_BOB, reliabilityLevel=2)
    assert (one.effect.stored, one.options) == (True, {"senderSync", *STORED})
    for user_id in ("alice", "bob"):
        rows = await world.directory.conversations(user_id)  # type: ignore[arg-type]
        assert "si_alice_bob" in [row.conversation_id for row in rows]


async def test_groups_and_the_sender_herself_are_told(world: MemoryWorld) -> None:
    """A group's members in its stream, one user in that of her own."""
    one = await told(world, "team", sendUserID="bob", recvGroupID="team", sendMsg=True)
    assert (one.way, one.effect.clone_id) == (("bob", "team", "n_team"), "sg_team")
    assert (one.effect.receivers, one.message.groupID, one.message.sessionType) == (None, "team", 3)
    mine = await told(world, "alice_alice", sendUserID="alice", recvUserID="alice", reliabilityLevel=1)
    assert (mine.way, mine.effect.receivers) == (("alice", "alice", "n_alice_alice"), ["alice"])


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({}, errors.ArgsError, "sendUserID"),
        ({"sendUserID": "alice"}, errors.ArgsError, "recvUserID"),
        ({**TO_BOB, "recvGroupID": "team"}, errors.ArgsError, "recvGroupID"),
        ({**TO_BOB, "recvUserID": "a:b"}, errors.ArgsError, "recvUserID"),
        ({"sendUserID": "alice", "recvGroupID": "x" * 65}, errors.ArgsError, "recvGroupID"),
        ({**TO_BOB, "reliabilityLevel": 3}, errors.ArgsError, "reliabilityLevel"),
        ({**TO_BOB, "key": "k" * 1_025}, errors.ArgsError, "key"),
        ({**TO_BOB, "data": "d" * 65_537}, errors.ArgsError, "data"),
        ({**TO_BOB, "sendUserID": "nobody"}, errors.UserIDNotFound, "sendUserID"),
        ({**TO_BOB, "recvUserID": "nobody"}, errors.UserIDNotFound, "recvUserID"),
        ({"sendUserID": "alice", "recvGroupID": "none"}, errors.GroupIDNotFound, "recvGroupID"),
        ({"sendUserID": "alice", "recvGroupID": "over"}, errors.DismissedAlready, "recvGroupID"),
    ],
)
async def test_a_refusal_names_the_field_and_nobody_is_told(
    world: MemoryWorld, fields: dict[str, Any], error: type[errors.OpenIMError], field: str
) -> None:
    """Also where the level asks for rows."""
    body = {"key": "k", "reliabilityLevel": 2, **fields}
    with pytest.raises(error, match=rf"\b{field}\b"):
        await world.services.business_notifications.send(CAUSE, SendBusinessNotificationReq(**body))
    assert await kinds(world) == {}
