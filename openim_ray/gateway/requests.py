"""
What a client asks over its WebSocket: one function per request identifier (OpenIM wire, §3).
"""

from __future__ import annotations

import asyncio
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import structlog

from openim_ray.core import items
from openim_ray.core.gateway.session import ClientKind, Session
from openim_ray.domain import errors
from openim_ray.gateway.broker import submission
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.messages import parse_protobuf, presence_tips
from openim_ray.protocol.pb.msg_pb2 import GetConversationsHasReadAndMaxSeqResp, SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqResp, SetAppBackgroundStatusReq, SubUserOnlineStatus
from openim_ray.services.sending import prepare_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openim_ray.gateway.connection import Connection
    from openim_ray.gateway.process import GatewayProcess
    from openim_ray.services.messages import MessageReading

log = structlog.get_logger(__name__)

NOT_BUILT = {
    RequestIdentifier.SEND_SIGNAL_MSG,
}

SUBJECTS = MappingProxyType(
    {
        RequestIdentifier.GET_NEWEST_SEQ: "the conversations of the user of the connection",
        RequestIdentifier.PULL_MSG_BY_RANGE: "what the user of the connection may see; other conversations are left out",
        RequestIdentifier.SEND_MSG: "from the user of the connection, to whom the conversation's owner admits her",
        RequestIdentifier.PULL_MSG_BY_SEQ_LIST: "what the user of the connection may see; other conversations are left out",
        RequestIdentifier.GET_CONV_MAX_READ_SEQ: "the conversations of the user of the connection; others are left out",
        RequestIdentifier.PULL_CONV_LAST_MESSAGE: "what the user of the connection may see; other conversations are left out",
        RequestIdentifier.LOGOUT: "the connection itself",
        RequestIdentifier.SET_BACKGROUND_STATUS: "the connection itself",
        RequestIdentifier.SUB_USER_ONLINE_STATUS: "any user's presence: it is no secret among users",
    }
)
"""
Whom each request is about. A frame whose sendID is not the user of its connection is refused before (`gateway/server.py`), also an administrator's.
"""

PRESENCE_SECONDS_MAX = 6.0
"""
A 2005 is answered after this time with what is known; the rest is pushed when it is.

Longer than an inbox actor that has just started waits for the connections of those who are online (`core/inboxes/presence.py`).
"""


class Client(NamedTuple):
    """
    A connection with its session.
    """

    connection: Connection
    session: Session


class UnknownRequest(Exception):
    """
    A request identifier that no client uses: the connection is closed (OpenIM wire, §2.2).
    """


class SendContext:
    """
    A client that waits for the answer to its 1003.
    """

    __slots__ = ("_client", "_client_id", "_process", "_request")

    def __init__(self, process: GatewayProcess, client: Client, request: Request, client_id: str) -> None:
        self._process = process
        self._client = client
        self._request = request
        self._client_id = client_id
        client.connection.send_begins(len(request.data))

    def complete(self, reply: items.Accepted | items.Reply | None, error: errors.OpenIMError | None) -> None:
        """Write the answer; the echo follows it."""
        connection = self._client.connection
        connection.send_ends(len(self._request.data))
        if connection.gone:
            return
        if error is not None or not isinstance(reply, items.Accepted):
            self._process.write(connection, failure(self._request, error or errors.Unavailable("no answer")))
        else:
            answer = SendMsgResp(serverMsgID=reply.server_id, clientMsgID=self._client_id, sendTime=reply.send_time)
            self._process.write(connection, success(self._request, answer.SerializeToString()))


class _AskedPresence:
    """
    A coroutine that waits until watched users are known.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def known(self) -> None:
        """Wake the coroutine."""
        self.event.set()


class Requests:
    """
    Handler of the requests of all connections of a gateway.

    Limit: each is answered within `seconds_max`, which is less than clients wait. A request that a sync needs is not answered by an error
    that may pass: the connection is closed, and the next one syncs.
    """

    def __init__(self, process: GatewayProcess, reading: MessageReading, seconds_max: float) -> None:
        self._process = process
        self._reading = reading
        self._seconds_max = seconds_max
        self._loop = asyncio.get_running_loop()
        self._handlers: dict[int, Callable[[Client, Request], Awaitable[bytes]]] = {
            RequestIdentifier.GET_NEWEST_SEQ: self._newest_seqs,
            RequestIdentifier.PULL_MSG_BY_RANGE: self._pull_by_range,
            RequestIdentifier.PULL_MSG_BY_SEQ_LIST: self._pull_by_seqs,
            RequestIdentifier.GET_CONV_MAX_READ_SEQ: self._read_and_max_seqs,
            RequestIdentifier.PULL_CONV_LAST_MESSAGE: self._last_messages,
            RequestIdentifier.SET_BACKGROUND_STATUS: self._set_background,
            RequestIdentifier.SUB_USER_ONLINE_STATUS: self._watch_presence,
        }

    def send(self, client: Client, request: Request) -> None:
        """Handle a 1003: check, and let it go to its conversation's owner; the answer is written when it is durable."""
        connection = client.connection
        try:
            outgoing = prepare_message(request.data, connection.user_id, connection.platform_id)
        except errors.OpenIMError as error:
            self._process.write(connection, failure(request, error))
            self._process.flush()
            return
        self._process.hub.send(
            connection.number,
            submission(outgoing, request.operation_id),
            SendContext(self._process, client, request, outgoing.client_id),
            self._loop.time() + self._seconds_max,
        )
        self._process.perform()

    async def answer(self, client: Client, request: Request) -> None:
        """Handle any other request and write its answer."""
        handler = self._handlers.get(request.req_identifier)
        if handler is None:
            if request.req_identifier not in NOT_BUILT:
                raise UnknownRequest
            error = errors.NotImplementedRoute(f"not implemented: {request.req_identifier}")
            self._write(client, failure(request, error))
            return
        try:
            async with asyncio.timeout(self._seconds_max):
                data = await handler(client, request)
        except errors.OpenIMError as error:
            self._refuse(client, request, error)
            return
        except TimeoutError:
            self._refuse(client, request, errors.Unavailable("no answer in time"))
            return
        self._write(client, success(request, data))
        self._after_answer(client, request, data)

    def _refuse(self, client: Client, request: Request, error: errors.OpenIMError) -> None:
        if error.temporary and request.req_identifier in _SYNC_REQUESTS:
            # An error would be the end of that sync for the Go SDK (OpenIM wire, Appendix D, 7.3): a new connection syncs.
            # Until it is closed, JS and PyPI get no push: it would move their position past what they could not pull.
            self._process.close_for_sync(client.connection.number, "sync not answerable")
            return
        if self._sets_position(client, request):
            client.session.sync_refused()
        elif request.req_identifier == RequestIdentifier.PULL_MSG_BY_RANGE:
            client.session.pull_finished()
        self._write(client, failure(request, error))

    def _write(self, client: Client, response: Response) -> None:
        self._process.write(client.connection, response)
        self._process.flush()

    # --- one per identifier

    async def _newest_seqs(self, client: Client, request: Request) -> bytes:
        user_id, platform_id = client.connection.user_id, client.connection.platform_id
        client.session.newest_asked()
        self._process.hub.ask_inbox(
            user_id,
            lambda call: items.AskStates(call, user_id, [], platform_id),
            _Ignored(),
            self._loop.time() + self._seconds_max,
        )
        return await self._reading.newest_seqs(user_id, request.data)

    async def _read_and_max_seqs(self, client: Client, request: Request) -> bytes:
        client.session.states_asked()
        return await self._reading.has_read_and_max_seqs(client.connection.user_id, request.data)

    async def _pull_by_range(self, client: Client, request: Request) -> bytes:
        session = client.session
        session.pull_started()
        data = await self._reading.pull_by_ranges(
            client.connection.user_id,
            request.data,
            uncut=session.kind is ClientKind.PYPI,
            compressed=client.connection.encoding.gzip,
        )
        session.pull_finished()
        return data

    async def _pull_by_seqs(self, client: Client, request: Request) -> bytes:
        connection = client.connection
        return await self._reading.pull_by_seqs(connection.user_id, request.data, compressed=connection.encoding.gzip)

    async def _last_messages(self, client: Client, request: Request) -> bytes:
        return await self._reading.last_messages(client.connection.user_id, request.data)

    async def _set_background(self, client: Client, request: Request) -> bytes:
        asked = parse_protobuf(SetAppBackgroundStatusReq, request.data)
        if asked.userID and asked.userID != client.connection.user_id:
            raise errors.NoPermission("userID is not the user of this connection")
        self._process.set_background(client.connection.number, background=asked.isBackground)
        return b""

    async def _watch_presence(self, client: Client, request: Request) -> bytes:
        """
        Answer with what is known at the moment of the answer: what a push said meanwhile is in it.
        """
        asked = parse_protobuf(SubUserOnlineStatus, request.data)
        hub, number = self._process.hub, client.connection.number
        hub.watch(number, asked.subscribeUserID, asked.unsubscribeUserID)
        waiting = _AskedPresence()
        asking = hub.watches.wait(asked.subscribeUserID, waiting)
        self._process.perform()
        if asking is not None:
            try:
                async with asyncio.timeout(min(PRESENCE_SECONDS_MAX, self._seconds_max * 0.75)):
                    await waiting.event.wait()
            except TimeoutError:
                log.info("presence answered in part", missing=len(asking.missing))
            finally:
                hub.watches.give_up(asking, number)
        return presence_tips(hub.watches.states(asked.subscribeUserID))

    def _after_answer(self, client: Client, request: Request, data: bytes) -> None:
        if not self._sets_position(client, request):
            return
        if client.session.kind is ClientKind.JS:
            answer = GetConversationsHasReadAndMaxSeqResp.FromString(data)
            client.session.synced({key: seqs.maxSeq for key, seqs in answer.seqs.items()})
        else:
            client.session.synced(GetMaxSeqResp.FromString(data).maxSeqs)

    def _sets_position(self, client: Client, request: Request) -> bool:
        """Tell whether pushes are held until this request is answered (`core/gateway/session.py`)."""
        return client.session.holding and _SETS_POSITION.get(client.session.kind) == request.req_identifier


class _Ignored:
    def complete(self, reply: object, error: object) -> None:
        """Nobody waits."""


_SYNC_REQUESTS = {
    RequestIdentifier.GET_NEWEST_SEQ,
    RequestIdentifier.PULL_MSG_BY_RANGE,
    RequestIdentifier.GET_CONV_MAX_READ_SEQ,
}

_SETS_POSITION = {
    ClientKind.JS: RequestIdentifier.GET_CONV_MAX_READ_SEQ,
    ClientKind.PYPI: RequestIdentifier.GET_NEWEST_SEQ,
}


def success(request: Request, data: bytes) -> Response:
    """
    Return the answer to a request.
    """
    return Response(request.req_identifier, request.msg_incr, request.operation_id, data=data)


def failure(request: Request, error: errors.OpenIMError) -> Response:
    """
    Return the answer to a request that failed; one that failed by a fault of ours is logged as that.
    """
    if error.code == errors.OpenIMError.code:
        log.error("request failed", request=request.req_identifier, operation_id=request.operation_id, error=str(error))
    text = f"{error.name}: {error.detail}" if error.detail else error.name
    return Response(request.req_identifier, request.msg_incr, request.operation_id, error.code, text)
