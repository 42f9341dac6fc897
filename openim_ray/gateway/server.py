"""
The WebSocket server: handshake, registration, the reading loop, and the end of a connection (OpenIM wire, §1, §2).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import structlog
from aiohttp import WSMsgType, web

from openim_ray.core import items
from openim_ray.core.gateway.hub import Device
from openim_ray.core.gateway.session import ClientKind, Session
from openim_ray.domain import errors
from openim_ray.gateway.broker import FutureContext
from openim_ray.gateway.connection import PONG, TEXT, Connection, QueueLimits, frame
from openim_ray.gateway.rate_limit import RateLimit
from openim_ray.gateway.requests import Client, Requests, UnknownRequest, success
from openim_ray.protocol.handshake import Handshake, connect_answer, parse_handshake
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.limits import MAX_REQUEST_FRAME_BYTES
from openim_ray.protocol.malformed import HandshakeError, ProtocolError
from openim_ray.protocol.text_frames import TextFrameType, parse_text_frame, pong

if TYPE_CHECKING:
    from openim_ray.core.gateway.hub import Hub
    from openim_ray.gateway.address_limits import AddressLimits
    from openim_ray.gateway.process import GatewayProcess
    from openim_ray.protocol.frames import Request
    from openim_ray.services.auth import TokenService
    from openim_ray.services.authority import Caller

log = structlog.get_logger(__name__)

PYPI_VERSION_PREFIX = "python-ws"
BYTES_AS_A_FRAME = 16_384
"""So much in a frame, unpacked, counts as one more frame against the limit of frames a second: it is that much work."""

_registered = msgspec.msgpack.Decoder(items.Registered)


class Limits(NamedTuple):
    """
    Limits of a gateway; see `[gateway]` in the configuration.
    """

    connections_max: int
    send_queue_frames_max: int
    send_queue_bytes_max: int
    frames_per_second_max: float
    frames_burst: float
    handshake_seconds: float
    requests_under_way_max: int = 256
    send_bytes_under_way_max: int = 1 << 20
    """A little text says much: what a frame of 50 kB unpacks to may have 900 kB."""


class WebSocketServer:
    """
    Accepts clients on every path and reads them until they go.
    """

    def __init__(
        self,
        process: GatewayProcess,
        requests: Requests,
        tokens: TokenService,
        addresses: AddressLimits,
        limits: Limits,
        wall_ms: WallClock,
        activate: Activate,
    ) -> None:
        self._process = process
        self._requests = requests
        self._tokens = tokens
        self._addresses = addresses
        self._limits = limits
        self._wall_ms = wall_ms
        self._activate = activate
        self._loop = asyncio.get_running_loop()
        self._handshaking = 0
        self.admitting = True

    def application(self) -> web.Application:
        """Return the application that answers on every path."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/{path:.*}", self._accept)
        return app

    @property
    def _hub(self) -> Hub:
        return self._process.hub

    # --- handshake

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        address = self._addresses.client_address(request)
        if not self._addresses.enter(address):
            return _plain_fault(errors.ConnectionLimit("too many connections from this address"))
        try:
            return await self._accept_from(request)
        except ConnectionResetError:
            # Its client went away during the handshake: that is no fault of ours, and nobody hears the answer.
            return _plain_fault(errors.Unavailable("the connection is gone"))
        finally:
            self._addresses.leave(address)

    async def _accept_from(self, request: web.Request) -> web.StreamResponse:
        if not self.admitting or len(self._process.connections) + self._handshaking >= self._limits.connections_max:
            return _plain_fault(errors.ConnectionLimit("the server holds as many connections as it may"))
        try:
            handshake = parse_handshake(request.raw_path.partition("?")[2], request.headers)
        except HandshakeError as error:
            return _plain_fault(errors.ConnectionArguments(str(error)))
        self._handshaking += 1
        try:
            owner, fault = await self._authenticate(handshake)
        finally:
            self._handshaking -= 1
        if owner is None:
            return await self._answer_fault(request, handshake, fault)
        client = self._client(request, handshake)
        self._process.add(client.connection)
        try:
            return await self._open(request, handshake, owner, client)
        finally:
            self._process.remove(client.connection)

    async def _authenticate(self, handshake: Handshake) -> tuple[Caller | None, errors.OpenIMError]:
        try:
            async with asyncio.timeout(self._limits.handshake_seconds):
                owner = await self._tokens.check(handshake.token, handshake.user_id, handshake.platform)
        except errors.OpenIMError as error:
            if error.code == errors.OpenIMError.code:
                log.error("token not checked", user=handshake.user_id, error=str(error))
            return None, error
        except TimeoutError:
            return None, errors.Unavailable("token not checkable in time")
        return owner, errors.OpenIMError()

    async def _answer_fault(
        self, request: web.Request, handshake: Handshake, error: errors.OpenIMError
    ) -> web.StreamResponse:
        if not handshake.wants_answer:
            return _plain_fault(error)
        socket = await _upgrade(request)
        transport = request.transport
        if transport is not None:
            transport.write(frame(TEXT, connect_answer(error.code, error.name, error.detail).encode()))
            transport.close()
        return socket

    async def _open(
        self, request: web.Request, handshake: Handshake, owner: Caller, client: Client
    ) -> web.StreamResponse:
        """Register first and answer then: who hears that the connection is up misses nothing from that moment on."""
        try:
            registered = await self._register(client, handshake, owner)
        except errors.OpenIMError as error:
            # Not an error of the token: whatever is said here besides 1501 to 1507 means "come again".
            log.log(_severity(error), "registration failed", user=handshake.user_id, error=str(error))
            return await self._answer_fault(request, handshake, error)
        if client.connection.gone:
            return _plain_fault(errors.TokenKicked())
        client.session.must_sync = registered.sync_due and client.session.kind is ClientKind.GO
        socket = await _upgrade(request)
        client.connection.upgraded()
        await self._serve(socket, client)
        return socket

    def _client(self, request: web.Request, handshake: Handshake) -> Client:
        now = self._loop.time()
        limits = self._limits
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        connection = Connection(
            self._hub.next_connection(),
            handshake.user_id,
            handshake.platform,
            handshake.encoding,
            transport,
            QueueLimits(limits.send_queue_frames_max, limits.send_queue_bytes_max),
            RateLimit(limits.frames_per_second_max, limits.frames_burst, now),
            now,
        )
        session = Session(connection.number, handshake.user_id, _kind(handshake), self._hub.origin)
        if handshake.wants_answer:
            # Waits in front of whatever is pushed before the upgrade is answered.
            connection.queue(frame(TEXT, connect_answer().encode()))
        return Client(connection, session)

    async def _register(self, client: Client, handshake: Handshake, owner: Caller) -> items.Registered:
        await self._activate(handshake.user_id)
        future: asyncio.Future[items.Reply] = self._loop.create_future()
        device = Device(handshake.platform, owner.digest, owner.expires_at, self._wall_ms(), handshake.is_background)
        deadline = self._loop.time() + self._limits.handshake_seconds
        self._hub.open(client.session, device, FutureContext(future), deadline)
        self._process.perform()
        return _registered.decode((await future).value)

    # --- reading

    async def _serve(self, socket: web.WebSocketResponse, client: Client) -> None:
        connection = client.connection
        connection.flush(self._loop.time())
        try:
            await self._read(socket, client)
        except (ProtocolError, UnknownRequest) as error:
            log.info("closed for what it sent", user=connection.user_id, error=str(error) or type(error).__name__)
            connection.abort()
        except (ConnectionError, RuntimeError):
            connection.abort()

    async def _read(self, socket: web.WebSocketResponse, client: Client) -> None:
        connection = client.connection
        reads = _Reads(self._limits.requests_under_way_max)
        try:
            while not connection.gone:
                message = await socket.receive()
                now = self._loop.time()
                connection.last_heard = now
                if not connection.rate.allows(now):
                    raise ProtocolError("more frames than allowed")
                if message.type is WSMsgType.BINARY:
                    await self._on_request(client, message.data, reads)
                elif message.type is WSMsgType.PING:
                    connection.queue(frame(PONG, message.data))
                    connection.flush(now)
                elif message.type is WSMsgType.TEXT:
                    self._on_text(connection, message.data)
                elif message.type is not WSMsgType.PONG:
                    return
        finally:
            await reads.cancel()

    async def _on_request(self, client: Client, data: bytes, reads: _Reads) -> None:
        if not self.admitting:
            return  # not begun: the close that follows tells the client, which comes back and asks again
        connection = client.connection
        request = connection.encoding.decode_request(data)
        if request.send_id != connection.user_id:
            raise ProtocolError("SendID is not the user of this connection")
        if not connection.rate.allows(self._loop.time(), len(request.data) // BYTES_AS_A_FRAME):
            raise ProtocolError("more bytes than allowed")
        if request.req_identifier == RequestIdentifier.SEND_MSG:
            self._requests.send(client, request)
            while self._has_sent_enough(connection) and not connection.gone:
                connection.room.clear()
                await connection.room.wait()
        elif request.req_identifier == RequestIdentifier.LOGOUT:
            self._answer_and_drop(connection, request)
        else:
            await reads.run(self._requests.answer(client, request), connection)

    def _has_sent_enough(self, connection: Connection) -> bool:
        limits = self._limits
        return (
            connection.sends_under_way >= limits.requests_under_way_max
            or connection.send_bytes_under_way >= limits.send_bytes_under_way_max
        )

    def _on_text(self, connection: Connection, text: str) -> None:
        received = parse_text_frame(text)
        if received.type is TextFrameType.PING:
            connection.queue(frame(TEXT, pong(received).encode()))
            connection.flush(self._loop.time())

    def _answer_and_drop(self, connection: Connection, request: Request) -> None:
        self._process.write(connection, success(request, b""))
        connection.drop(self._loop.time())

    async def drain(self) -> None:
        """Admit nobody, and close every socket so that clients come back later."""
        self.admitting = False
        for connection in list(self._process.connections.values()):
            self._process.close(connection.number, "server stops")
        await asyncio.sleep(0)


class _Reads:
    """
    The requests of one connection that are in work.
    """

    def __init__(self, tasks_max: int) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._tasks_max = min(tasks_max, 16)

    async def run(self, answering: object, connection: Connection) -> None:
        if len(self._tasks) >= self._tasks_max:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(answering)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, connection))

    def _finished(self, task: asyncio.Task[None], connection: Connection) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, UnknownRequest | ProtocolError):
            log.error("request failed", error=repr(error))
        connection.abort()

    async def cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)


class WallClock(Protocol):
    """
    Wall clock in Unix milliseconds.
    """

    def __call__(self) -> int:
        """Return the time."""
        ...


class Activate(Protocol):
    """
    Tells the supervisor that a user becomes active, where placement asks for it.
    """

    async def __call__(self, user_id: str) -> None:
        """Return when the user's inbox has its place."""
        ...


async def _upgrade(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(autoping=False, autoclose=True, compress=False, max_msg_size=MAX_REQUEST_FRAME_BYTES)
    await socket.prepare(request)
    return socket


def _plain_fault(error: errors.OpenIMError) -> web.Response:
    response = web.Response(text=connect_answer(error.code, error.name, error.detail), content_type="application/json")
    # What is refused counts no longer against any limit, so it must not go on holding a descriptor.
    response.force_close()
    return response


def _severity(error: errors.OpenIMError) -> int:
    """Return how a failure is logged: a fault of ours as one."""
    return logging.ERROR if error.code == errors.OpenIMError.code else logging.WARNING


def _kind(handshake: Handshake) -> ClientKind:
    if handshake.sdk_type == "js":
        return ClientKind.JS
    if handshake.sdk_version.startswith(PYPI_VERSION_PREFIX):
        return ClientKind.PYPI
    return ClientKind.GO
