"""
The socket of a native SDK as a server sees it: gob and gzip, unescaped query, keep-alive by control frames, one request at a time,
reconnecting until the login ends (OpenIM wire, §1, §2).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import time
from collections.abc import Callable
from typing import Final

import aiohttp
from yarl import URL

from openim_ray.protocol.encoding import GOB_GZIP
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.identifiers import RequestIdentifier
from tests.e2e.client import Account
from tests.e2e.events import EventLog

ANSWER_SECONDS: Final = 10.0
PING_SECONDS: Final = 24.0
READ_SECONDS: Final = 30.0
RECONNECT_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
FRAME_BYTES_MAX: Final = 1 << 20
TOKEN_ERROR_CODES: Final = range(1501, 1508)
TOKEN_EVENTS: Final = {1501: "OnUserTokenExpired", 1506: "OnKickedOffline"}
"""What the other token errors tell: OnUserTokenInvalid."""


class RequestError(Exception):
    """A request was refused or not answered; `code` is the server's, 0 without an answer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class NativeConnection:
    """
    Connects and stays connected until `end` or until the server says that the login is over.

    Tells what happens by `events` (OnConnecting, OnConnectSuccess, OnConnectFailed, OnKickedOffline, the token events, `pong`, `closed`);
    `on_connected` and `on_push` are called in the order of the socket.
    """

    def __init__(
        self,
        account: Account,
        ws_url: str,
        events: EventLog,
        on_connected: Callable[[], None],
        on_push: Callable[[Response], None],
    ) -> None:
        self._account = account
        self._ws_url = ws_url
        self._events = events
        self._on_connected = on_connected
        self._on_push = on_push
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._answers: dict[str, asyncio.Future[Response]] = {}
        self._one_request = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._read_deadline = 0.0
        self._ended = False
        self._running = asyncio.create_task(self._stay_connected())

    @property
    def session(self) -> aiohttp.ClientSession:
        """For HTTP calls of the same client."""
        return self._session

    async def ask(self, identifier: int, data: bytes, operation_id: str = "") -> bytes:
        """
        Send a request and return the data of its answer; RequestError if it is refused or none comes within 10 s.

        One request at a time: the SDK waits for each answer before the next.
        """
        async with self._one_request:
            response = await self._answer(identifier, data, operation_id)
        if response.err_code:
            raise RequestError(response.err_code, response.err_msg)
        return response.data

    async def ping(self) -> None:
        """Send the keep-alive now; `pong` tells its answer."""
        assert self._socket is not None
        await self._socket.ping(operation_id().encode())

    async def end(self) -> None:
        """Stay connected no longer, and close the connection."""
        self._ended = True
        await self._hang_up()

    async def kill(self) -> None:
        """End as a process does that is killed."""
        self._ended = True
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self._session.close()

    # --- connecting

    async def _stay_connected(self) -> None:
        for delay in itertools.cycle(RECONNECT_SECONDS):
            try:
                await self._connect()
                await self._read()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._events.add("OnConnectFailed", str(error))
            finally:
                await self._hang_up()
            if self._ended:
                return
            await asyncio.sleep(delay)

    async def _connect(self) -> None:
        self._events.add("OnConnecting")
        url = URL(f"{self._ws_url}/?{self._query()}", encoded=True)
        try:
            self._socket = await self._session.ws_connect(
                url, autoping=False, autoclose=False, max_msg_size=FRAME_BYTES_MAX
            )
        except aiohttp.WSServerHandshakeError as refused:
            await self._read_refusal(url, refused.status)
            raise
        self._read_deadline = time.monotonic() + READ_SECONDS
        self._events.add("OnConnectSuccess")
        self._on_connected()

    def _query(self) -> str:
        """The native SDKs escape nothing."""
        account = self._account
        return (
            f"sendID={account.user_id}&token={account.token}&platformID={account.platform}"
            f"&operationID={operation_id()}&isBackground=false&sdkVersion=v3.8.3&compression=gzip"
        )

    async def _read_refusal(self, url: URL, status: int) -> None:
        """A refusal is status 200 with the usual envelope. The library keeps the body to itself, so it is asked for once more."""
        assert status == 200, f"handshake answered with status {status}"
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        }
        async with self._session.get(url, headers=headers) as answer:
            envelope = await answer.json(content_type=None)
        if envelope["errCode"] in TOKEN_ERROR_CODES:
            self._ended = True
            self._events.add(TOKEN_EVENTS.get(envelope["errCode"], "OnUserTokenInvalid"), envelope)

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(ConnectionError, RuntimeError, TimeoutError):
                await socket.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(RequestError(0, "the connection was lost"))

    # --- frames

    async def _read(self) -> None:
        socket = self._socket
        assert socket is not None
        pinging = asyncio.create_task(_keep_alive(socket))
        try:
            while await self._read_frame(socket):
                pass
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)

    async def _read_frame(self, socket: aiohttp.ClientWebSocketResponse) -> bool:
        frame = await socket.receive(timeout=max(self._read_deadline - time.monotonic(), 0.001))
        if frame.type is aiohttp.WSMsgType.BINARY:
            self._dispatch(GOB_GZIP.decode_response(frame.data))
        elif frame.type is aiohttp.WSMsgType.PING:
            self._read_deadline = time.monotonic() + READ_SECONDS
            await socket.pong(frame.data)
        elif frame.type is aiohttp.WSMsgType.PONG:
            self._read_deadline = time.monotonic() + READ_SECONDS
            self._events.add("pong", bytes(frame.data).decode())
        elif frame.type is not aiohttp.WSMsgType.TEXT:
            self._events.add("closed", socket.close_code)
            return False
        return True

    def _dispatch(self, response: Response) -> None:
        if response.req_identifier == RequestIdentifier.PUSH_MSG:
            self._on_push(response)
        elif response.req_identifier == RequestIdentifier.KICK_ONLINE:
            self._ended = True
            self._events.add("OnKickedOffline")
        elif (answer := self._answers.get(response.msg_incr)) and not answer.done():
            answer.set_result(response)

    async def _answer(self, identifier: int, data: bytes, operation: str) -> Response:
        socket = self._socket
        if socket is None or socket.closed:
            raise RequestError(0, "not connected")
        number = f"{self._account.user_id}_{time.time_ns()}{next(self._numbers)}"
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        request = Request(identifier, "", self._account.user_id, operation or operation_id(), number, data)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await socket.send_bytes(GOB_GZIP.encode_request(request))
                return await answer
        except (TimeoutError, ConnectionError) as error:
            raise RequestError(0, f"no answer to {identifier}: {error!r}") from error
        finally:
            del self._answers[number]


async def _keep_alive(socket: aiohttp.ClientWebSocketResponse) -> None:
    while not socket.closed:
        await asyncio.sleep(PING_SECONDS)
        await socket.ping(operation_id().encode())


def operation_id() -> str:
    """Return a fresh trace id."""
    return f"{time.time_ns()}"
