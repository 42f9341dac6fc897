"""What a gateway process does with sockets and the message store."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from openim_ray.core import items
from openim_ray.domain import errors
from openim_ray.domain.ids import ClientMessageID, ConversationID, ServerMessageID, UserID
from openim_ray.domain.message import DamagedRow, StoredMessage
from openim_ray.domain.sequence import ConversationSeq
from openim_ray.gateway import process as process_module
from openim_ray.gateway import runs
from tests.unit.gateway.fake_gateway import SHARD, FakeGateway, Waiting


async def test_a_kicked_client_that_does_not_read_is_cut_off() -> None:
    """Its socket can't end in order, because what waits is never taken; descriptor and buffer must not stay for ever."""
    gateway = FakeGateway(write_seconds=-1.0)
    client, transport = gateway.connect("bob", stuck=True)
    gateway.process.receive(SHARD, [items.Kick([client.connection.number])])
    assert (transport.is_closing(), transport.aborted) == (True, False)
    assert gateway.hub.sessions == {}

    gateway.process.tick()

    assert transport.aborted


async def test_a_kick_is_told_to_the_inbox_once() -> None:
    """The session ends with the kick, not with its socket; the end of the socket says nothing more."""
    gateway = FakeGateway()
    client, _ = gateway.connect("bob")
    gateway.process.receive(SHARD, [items.Kick([client.connection.number])])
    gateway.process.remove(client.connection)

    unregistered = [item for item in gateway.sent if isinstance(item, items.Unregister)]
    assert unregistered == [items.Unregister("bob", client.connection.number)]
    assert gateway.process.connections == {}


async def test_missing_runs_are_read_a_bounded_number_at_once() -> None:
    """The others wait their turn instead of failing, and all are read in the end."""
    gateway = FakeGateway()
    go_on, most = asyncio.Event(), 0

    async def read(_begin: int, _end: int) -> list[StoredMessage]:
        nonlocal most
        most = max(most, gateway.reader.reading)
        await go_on.wait()
        return []

    gateway.reader.read = read
    client, _ = gateway.connect("bob")
    count = runs.RUNS_AT_ONCE + 10
    for number in range(count):
        gateway.push(client, 1, f"si_alice_{number}")
        gateway.push(client, 3, f"si_alice_{number}")
    for _ in range(3):
        await asyncio.sleep(0)
    assert gateway.reader.reading == runs.RUNS_AT_ONCE

    go_on.set()
    for _ in range(count):
        await gateway.reader.done.get()

    assert most == runs.RUNS_AT_ONCE
    assert gateway.process.runs_read == count
    assert gateway.reader.reading == 0


@pytest.mark.parametrize(
    ("error", "severity"), [(errors.Unavailable("down"), "warning"), (ValueError("a fault of ours"), "error")]
)
async def test_a_run_that_can_not_be_read_closes_its_sessions(
    error: Exception, severity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever kept it from being read: a conversation that is held for ever would be silent. A fault of ours is logged as one."""
    monkeypatch.setattr(runs, "RUN_READ_SECONDS", 0.0)
    gateway = FakeGateway()

    async def read(_begin: int, _end: int) -> NoReturn:
        raise error

    gateway.reader.read = read
    client, transport = gateway.connect("bob")
    with capture_logs() as logs:
        gateway.push(client, 1)
        gateway.push(client, 3)
        await transport.closed.wait()

    assert gateway.reader.done.qsize() == 1
    assert [line["log_level"] for line in logs if line["event"] == "run not readable"] == [severity]


async def test_a_run_that_is_too_large_is_not_read_to_its_end() -> None:
    """Its client is closed and syncs; hundreds of the largest messages would fill the memory."""
    gateway = FakeGateway()

    async def read(begin: int, end: int) -> list[StoredMessage]:
        return [stored_message(seq, runs.RUN_BYTES_MAX // 30) for seq in range(begin, end + 1)]

    gateway.reader.read = read
    client, transport = gateway.connect("bob")
    gateway.push(client, 1)
    gateway.push(client, 400)
    await transport.closed.wait()

    assert gateway.reader.done.qsize() == 2


async def test_a_long_run_is_written_whole() -> None:
    """It is read in parts, which the client does not notice."""
    gateway = FakeGateway()

    async def read(begin: int, end: int) -> list[StoredMessage]:
        return [stored_message(seq, 10) for seq in range(begin, end + 1)]

    gateway.reader.read = read
    client, _ = gateway.connect("bob")
    gateway.push(client, 1)
    gateway.push(client, 41)
    for _ in range(3):
        await gateway.reader.done.get()
    await asyncio.sleep(0)

    assert gateway.process.pushes == 41


async def test_a_damaged_row_leaves_a_hole_in_a_run_and_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours and what follows are written, once; a client that was closed for it would come back and miss it again, for ever."""
    gateway = FakeGateway()
    written: list[bytes] = []

    async def read(begin: int, end: int) -> list[StoredMessage | DamagedRow]:
        rows = [stored_message(seq, 10)._replace(body=f"read {seq}".encode()) for seq in range(begin, end + 1)]
        return [DamagedRow(row.seq) if row.seq in (3, 5) else row for row in rows]

    def push_messages(_conversation_id: str, bodies: tuple[bytes, ...], *, notification: bool) -> bytes:
        written.extend(bodies)
        return b"push"

    monkeypatch.setattr(process_module, "push_messages", push_messages)
    gateway.reader.read = read
    client, transport = gateway.connect("bob")
    gateway.push(client, 1)
    gateway.push(client, 5)
    await gateway.reader.done.get()
    await asyncio.sleep(0)
    gateway.push(client, 6)

    assert written == [b"body", b"read 2", b"read 4", b"body"]
    assert gateway.process.runs_read == 1
    assert not transport.is_closing()


async def test_a_fault_in_one_effect_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who misses a push because of it is closed and syncs; who waits for an answer gets it."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    other, other_transport = gateway.connect("carol")
    waiting = Waiting()
    gateway.hub.ask_inbox(
        "carol", lambda call: items.AskStates(call, "carol"), waiting, asyncio.get_running_loop().time() + 10
    )
    gateway.process.perform()
    (question,) = [item for item in gateway.sent if isinstance(item, items.AskStates)]

    def fail(*_arguments: object, **_options: object) -> NoReturn:
        raise ValueError("a secret")

    monkeypatch.setattr(process_module, "push_messages", fail)
    delivery = items.Delivery("si_alice_bob", 1, "alice", "c", "op", b"body", [client.connection.number])
    with capture_logs() as logs:
        gateway.process.receive(SHARD, [delivery, items.Reply(question.call)])

    assert waiting.replies == [items.Reply(question.call)]
    assert (transport.is_closing(), other_transport.is_closing()) == (True, False)
    assert other.connection.number in gateway.process.connections
    assert [line["what"] for line in logs if line["event"] == "item failed"] == ["Push"]
    assert "secret" not in str(logs)


def stored_message(seq: int, size: int) -> StoredMessage:
    """Return a message of alice with so many bytes."""
    return StoredMessage(
        ConversationID("si_alice_bob"),
        ConversationSeq(seq),
        UserID("alice"),
        ClientMessageID(f"c{seq}"),
        ServerMessageID(f"s{seq}"),
        1,
        101,
        True,
        "op",
        b"x" * size,
    )


async def test_closes_that_concern_many_are_spread_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients come back at once, each with a sync; the first ones go at once, the others follow tick by tick."""
    now = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    gateway = FakeGateway()
    at_once = process_module.CLOSES_AT_ONCE
    transports = []
    for number in range(3 * at_once):
        client, transport = gateway.connect(f"user-{number}")
        transports.append(transport)
        gateway.push(client, 1)
        gateway.push(client, 1000)
    closed = [sum(transport.is_closing() for transport in transports)]
    for _ in range(2):
        now += at_once / process_module.CLOSES_PER_SECOND
        gateway.process.tick()
        closed.append(sum(transport.is_closing() for transport in transports))

    assert closed == [at_once, 2 * at_once, 3 * at_once]
