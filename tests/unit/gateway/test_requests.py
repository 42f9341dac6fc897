"""What a client is answered over its WebSocket, and when it is closed instead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from openim_ray.core import items
from openim_ray.core.gateway.session import ClientKind
from openim_ray.domain import errors
from openim_ray.gateway.requests import Client, Requests
from openim_ray.protocol.encoding import GOB
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.sdkws_pb2 import (
    SetAppBackgroundStatusReq,
    SubUserOnlineStatus,
    SubUserOnlineStatusTips,
)
from tests.unit.gateway.fake_gateway import SHARD, FakeGateway, FakeTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PULL = RequestIdentifier.PULL_MSG_BY_RANGE
PULL_SEQS = RequestIdentifier.PULL_MSG_BY_SEQ_LIST
POSITION = {
    ClientKind.JS: RequestIdentifier.GET_CONV_MAX_READ_SEQ,
    ClientKind.PYPI: RequestIdentifier.GET_NEWEST_SEQ,
}


class FakeReading:
    """
    Answers every kind of request by one function of the test.
    """

    def __init__(self, answer: Callable[[], Awaitable[bytes]]) -> None:
        self._answer = answer

    async def newest_seqs(self, _user_id: str, _data: bytes) -> bytes:
        """See `services.messages.MessageReading`, as the others."""
        return await self._answer()

    has_read_and_max_seqs = newest_seqs

    async def pull_by_ranges(self, _user_id: str, _data: bytes, *, uncut: bool, compressed: bool) -> bytes:
        """See `newest_seqs`."""
        return await self._answer()

    async def pull_by_seqs(self, _user_id: str, _data: bytes, *, compressed: bool) -> bytes:
        """See `newest_seqs`."""
        return await self._answer()


async def hang() -> bytes:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def refuse() -> bytes:
    """Refuse for good."""
    raise errors.NoPermission("not yours")


async def fail() -> bytes:
    """Fail as a shard that met a bug lets a request fail."""
    raise errors.OpenIMError("internal error")


def make_requests(gateway: FakeGateway, answer: Callable[[], Awaitable[bytes]], seconds_max: float = 8.0) -> Requests:
    """Return the handler of a gateway whose reads end as `answer` does."""
    return Requests(gateway.process, FakeReading(answer), seconds_max)  # type: ignore[arg-type]


async def ask(requests: Requests, client: Client, identifier: RequestIdentifier) -> None:
    """Let a client ask something."""
    await requests.answer(client, Request(identifier, send_id=client.connection.user_id, msg_incr="1"))


def error_code(transport: FakeTransport) -> int:
    """Return the code of the one answer that was written."""
    header_bytes = 2 if transport.written[1] < 126 else 4
    return GOB.decode_response(transport.written[header_bytes:]).err_code


async def test_a_sync_that_takes_too_long_closes_the_connection() -> None:
    """The Go SDK would give up by itself, take that for the end of the sync and miss what it asked for."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    await ask(make_requests(gateway, hang, seconds_max=0.0), client, PULL)
    assert transport.is_closing()


async def test_another_request_that_takes_too_long_is_answered_with_an_error() -> None:
    """The client asks again when somebody scrolls there once more."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    await ask(make_requests(gateway, hang, seconds_max=0.0), client, PULL_SEQS)
    assert error_code(transport) == errors.Unavailable.code
    assert not transport.is_closing()


@pytest.mark.parametrize("kind", [ClientKind.JS, ClientKind.PYPI])
async def test_a_client_whose_position_is_refused_is_not_silent_for_ever(kind: ClientKind) -> None:
    """It is told, and from then on counts as one that does not sync: its pushes are let go."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob", kind)
    await ask(make_requests(gateway, refuse), client, POSITION[kind])
    assert error_code(transport) == errors.NoPermission.code

    for _ in range(20):
        client.session.release()

    assert not client.session.holding


async def test_an_answer_with_500_is_logged_as_an_error() -> None:
    """Each is a bug, wherever it was met; a refusal is none."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    with capture_logs() as logs:
        await ask(make_requests(gateway, refuse), client, PULL_SEQS)
        assert not logs
        transport.written = b""
        await ask(make_requests(gateway, fail), client, PULL_SEQS)
    assert error_code(transport) == 500
    assert [(line["event"], line["log_level"]) for line in logs] == [("request failed", "error")]


# --- presence

SUBSCRIBE = RequestIdentifier.SUB_USER_ONLINE_STATUS
BACKGROUND = RequestIdentifier.SET_BACKGROUND_STATUS


async def tell(requests: Requests, client: Client, identifier: RequestIdentifier, data: bytes) -> None:
    """Let a client ask something with content."""
    await requests.answer(client, Request(identifier, send_id=client.connection.user_id, msg_incr="1", data=data))


def frames(transport: FakeTransport) -> list[Response]:
    """Return the short frames that were written, and forget them."""
    written, transport.written = transport.written, b""
    found: list[Response] = []
    while written:
        size, header = (written[1], 2) if written[1] < 126 else (int.from_bytes(written[2:4], "big"), 4)
        found.append(GOB.decode_response(written[header : header + size]))
        written = written[header + size :]
    return found


def states(response: Response) -> dict[str, list[int]]:
    """Return what a 2005 says."""
    assert response.req_identifier == SUBSCRIBE
    tips = SubUserOnlineStatusTips.FromString(response.data)
    return {one.userID: list(one.onlinePlatformIDs) for one in tips.subscribers}


def subscription(*user_ids: str) -> bytes:
    """Return a 2005 that subscribes to users."""
    return SubUserOnlineStatus(subscribeUserID=user_ids).SerializeToString()


async def test_a_subscription_is_answered_with_states_and_changes_are_pushed() -> None:
    """The answer echoes the request's number, a push has none; in between nothing is missed."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    requests = make_requests(gateway, hang)
    asking = asyncio.create_task(tell(requests, client, SUBSCRIBE, subscription("alice", "carol")))
    await asyncio.sleep(0)
    assert gateway.sent[-1] == items.Watch([("alice", None), ("carol", None)])

    gateway.process.receive(SHARD, [items.Presences([("alice", [5]), ("carol", [])])])
    gateway.process.receive(SHARD, [items.Presences([("carol", [1])])])
    await asking
    pushed, answer = frames(transport)
    assert (pushed.msg_incr, states(pushed)) == ("", {"carol": [1]})
    assert (answer.msg_incr, states(answer)) == ("1", {"alice": [5], "carol": [1]})

    gateway.process.receive(SHARD, [items.Presences([("alice", [])])])
    assert [states(one) for one in frames(transport)] == [{"alice": []}]


async def test_a_subscription_to_who_is_not_known_in_time_is_answered_in_part() -> None:
    """An inbox actor that is away does not keep the answer for the others back; what it says later is pushed."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    requests = make_requests(gateway, hang, seconds_max=0.2)
    asking = asyncio.create_task(tell(requests, client, SUBSCRIBE, subscription("alice", "carol")))
    await asyncio.sleep(0)
    gateway.process.receive(SHARD, [items.Presences([("alice", [5])])])
    await asking
    assert [states(one) for one in frames(transport)] == [{"alice": [5]}]

    gateway.process.receive(SHARD, [items.Presences([("carol", [])])])
    assert [states(one) for one in frames(transport)] == [{"carol": []}]


async def test_what_is_no_subscription_is_refused() -> None:
    """Bytes that are no such message, and an id that nobody can have; nothing is watched then."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    requests = make_requests(gateway, hang)
    for data in (b"\xff", subscription("alice", "a:b")):
        await tell(requests, client, SUBSCRIBE, data)
    assert [one.err_code for one in frames(transport)] == [errors.ArgsError.code] * 2
    assert len(gateway.hub.watches) == 0


async def test_the_background_is_set_for_ones_own_connection_only() -> None:
    """Answered with nothing; for somebody else it is refused."""
    gateway = FakeGateway()
    client, transport = gateway.connect("bob")
    requests = make_requests(gateway, hang)
    for user_id in ("bob", "", "alice"):
        data = SetAppBackgroundStatusReq(userID=user_id, isBackground=True).SerializeToString()
        await tell(requests, client, BACKGROUND, data)
    answers = frames(transport)
    assert [one.err_code for one in answers] == [0, 0, errors.NoPermission.code]
    assert [one.data for one in answers[:2]] == [b"", b""]
    assert client.session.quiet

    gateway.push(client, 1)
    assert frames(transport) == []
