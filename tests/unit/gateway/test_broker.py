"""What services ask of inboxes and logs through a gateway's hub."""

from __future__ import annotations

import asyncio

import pytest

from openim_ray.core import items
from openim_ray.domain import errors
from openim_ray.domain.message import Outgoing
from openim_ray.gateway import broker as broker_module
from openim_ray.gateway.broker import HubBroker
from tests.unit.gateway.fake_gateway import SHARD, FakeGateway

MESSAGE = Outgoing("sn_ann_news", "news", "ann", "client", "server", 1400, b"body", stored=True, sender_sync=True)


async def test_a_message_goes_to_its_log_and_is_answered_when_it_is_durable() -> None:
    """With its place; what the log refuses it with is raised, and so is that nobody answers in time."""
    gateway = FakeGateway()
    broker = HubBroker(gateway.process, 8.0)
    sending = asyncio.create_task(broker.send(MESSAGE, "op"))
    await asyncio.sleep(0)
    (submit,) = [item for item in gateway.sent if isinstance(item, items.Submit)]
    assert submit == items.Submit(submit.call, "sn_ann_news", "news", "ann", "client", "server", 1400, "op", b"body")
    gateway.process.receive(SHARD, [items.Accepted(submit.call, 7, "first", 1_000)])
    assert await sending == (7, "first", 1_000)

    refused = asyncio.create_task(broker.send(MESSAGE, "op"))
    await asyncio.sleep(0)
    call = [item for item in gateway.sent if isinstance(item, items.Submit)][-1].call
    gateway.process.receive(SHARD, [items.Reply(call, errors.BlockedByPeer.code, "blocked")])
    with pytest.raises(errors.BlockedByPeer):
        await refused

    late = asyncio.create_task(HubBroker(gateway.process, -1.0).send(MESSAGE, "op"))
    await asyncio.sleep(0)
    gateway.process.tick()
    with pytest.raises(errors.Unavailable):
        await late


async def test_owners_of_logs_are_told_of_effects_at_once() -> None:
    """Each once, whatever it holds; the call is over when all have answered, also with an error."""
    gateway = FakeGateway()
    broker = HubBroker(gateway.process, 8.0)
    applying = asyncio.create_task(broker.apply_effects(["g1", "ann_bob", "g1"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    pokes = [item for item in gateway.sent if isinstance(item, items.ApplyEffects)]
    assert [one.home_key for one in pokes] == ["g1", "ann_bob"]
    gateway.process.receive(SHARD, [items.Reply(pokes[0].call)])
    await asyncio.sleep(0)
    assert not applying.done()
    gateway.process.receive(SHARD, [items.Reply(pokes[1].call, 500, "internal error")])
    await applying


async def test_who_does_not_apply_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sweep applies what is durable; the change itself has succeeded."""
    monkeypatch.setattr(broker_module, "APPLY_SECONDS", -1.0)
    gateway = FakeGateway()
    broker = HubBroker(gateway.process, 8.0)
    applying = asyncio.create_task(broker.apply_effects(["g1"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    gateway.process.tick()
    await applying


async def test_no_more_logs_are_told_at_once_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that concerns all friends of somebody must not fill the gateway."""
    monkeypatch.setattr(broker_module, "APPLY_SECONDS", -1.0)
    monkeypatch.setattr(broker_module, "POKED_MAX", 3)
    gateway = FakeGateway()
    applying = asyncio.create_task(HubBroker(gateway.process, 8.0).apply_effects([f"g{number}" for number in range(5)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert len([item for item in gateway.sent if isinstance(item, items.ApplyEffects)]) == 3
    gateway.process.tick()
    await applying


async def test_every_owner_of_logs_forgets_what_a_user_received() -> None:
    """Anybody may write to her, so any of them may know it; the call is over when all have answered."""
    gateway = FakeGateway()
    forgetting = asyncio.create_task(HubBroker(gateway.process, 8.0).forget_receiver("ann"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    told = [item for item in gateway.sent if isinstance(item, items.ForgetReceiver)]
    assert [one.user_id for one in told] == ["ann"] * len(gateway.process.hub.placement.shards)
    assert not forgetting.done()
    for one in told:
        gateway.process.receive(SHARD, [items.Reply(one.call)])
    await forgetting


@pytest.mark.parametrize("conversation_id", ["sg_g1", "sn_ann_system"])
async def test_only_chats_of_two_are_marked_as_read_in_their_log(conversation_id: str) -> None:
    """Of others nobody but the reader's own devices hears it."""
    gateway = FakeGateway()
    marking = asyncio.create_task(HubBroker(gateway.process, 8.0).mark_read("ann", conversation_id, 4, [], "op"))
    await asyncio.sleep(0)

    (mark,) = [item for item in gateway.sent if isinstance(item, items.MarkRead | items.SetPosition)]
    assert mark == items.SetPosition(mark.call, "ann", conversation_id, 4, exact=False, operation_id="op", notify=True)
    gateway.process.receive(SHARD, [items.Reply(mark.call)])
    await marking
