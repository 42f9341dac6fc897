"""
A client of the wire protocol that keeps everything it is told, in order: requests are paired with their answers, pushes kept with
their seqs (OpenIM wire, §1 to §3).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from google.protobuf.message import Message

from openim_ray.protocol.encoding import GOB_GZIP, JSON, Encoding
from openim_ray.protocol.frames import Request, Response
from openim_ray.protocol.identifiers import Platform, RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import SendMsgResp
from openim_ray.protocol.pb.sdkws_pb2 import MsgData, PushMessages
from tests.integration.websocket import BINARY, PING, PONG, TEXT, WAIT_SECONDS, Ended, WebSocket

_Answer = TypeVar("_Answer", bound=Message)
_numbers = itertools.count(1)


class Kind(NamedTuple):
    """A family of clients: how it writes frames, what it says when it connects (OpenIM wire, §1.2)."""

    name: str
    encoding: Encoding
    platform: Platform
    parameters: Mapping[str, str]


NATIVE: Final = Kind("native", GOB_GZIP, Platform.ANDROID, {"sdkVersion": "v3.8.3", "compression": "gzip"})
WASM: Final = Kind("wasm", GOB_GZIP, Platform.WEB, {"isMsgResp": "true", "compression": "gzip"})
JS: Final = Kind("js", JSON, Platform.WEB, {"isMsgResp": "true", "sdkType": "js"})
PYPI: Final = Kind("pypi", GOB_GZIP, Platform.LINUX, {"sdkVersion": "python-ws-0.1.0", "compression": "gzip"})
KINDS: Final = (NATIVE, WASM, JS, PYPI)


class Account(NamedTuple):
    """Who connects, and as what."""

    user_id: str
    token: str
    platform: int


class Refused(Exception):
    """A request was answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Push(NamedTuple):
    """A pushed message."""

    stream: str
    seq: int
    message: MsgData
    operation_id: str

    @property
    def text(self) -> str:
        """What it says."""
        return text_of(self.message)


def target(account: Account, kind: Kind, **changes: str | None) -> str:
    """Return the path and query of a handshake; `changes` replace parameters, None leaves one out."""
    parameters: dict[str, str | None] = {
        "sendID": account.user_id,
        "token": account.token,
        "platformID": str(account.platform),
        "operationID": uuid.uuid4().hex,
        "isBackground": "false",
        **kind.parameters,
        **changes,
    }
    return "/?" + urlencode({name: value for name, value in parameters.items() if value is not None})


def text_message(sender: str, receiver: str, text: str, **fields: Any) -> MsgData:
    """Return a text as an SDK sends it (OpenIM wire, §3.3)."""
    message = MsgData(
        sendID=sender,
        recvID=receiver,
        clientMsgID=uuid.uuid4().hex,
        senderPlatformID=Platform.ANDROID,
        sessionType=1,
        msgFrom=100,
        contentType=101,
        content=json.dumps({"content": text}).encode(),
    )
    message.MergeFrom(MsgData(**fields))
    return message


def text_of(message: MsgData) -> str:
    """Return what a text says."""
    return str(json.loads(message.content)["content"])


class Connection:
    """
    A connection that stands; a task of its own reads it until it ends.

    `received` is everything in order of arrival: answers and pushes as Response, text frames as str.
    """

    def __init__(
        self, socket: WebSocket, account: Account, kind: Kind, on_push: Callable[[Push], None] | None = None
    ) -> None:
        self.account = account
        self.kind = kind
        self.socket = socket
        self.received: list[Response | str] = []
        self.pushes: list[Push] = []
        self.pongs: list[bytes] = []
        self.pings = 0
        self.end: Ended | None = None
        self._on_push = on_push
        self._answers: dict[str, asyncio.Future[Response]] = {}
        self._arrived = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @property
    def user_id(self) -> str:
        """Who is connected."""
        return self.account.user_id

    # --- asking

    def send(
        self, identifier: int, data: bytes, operation_id: str = "", *, user_id: str = ""
    ) -> asyncio.Future[Response]:
        """Send a request; the answer arrives in the future, Ended if the connection ends before."""
        number = f"{self.user_id}_{next(_numbers)}"
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        if self.end is not None:
            answer.set_exception(self.end)
            return answer
        self._answers[number] = answer
        request = Request(identifier, "", user_id or self.user_id, operation_id or uuid.uuid4().hex, number, data)
        self.socket.send(BINARY, self.kind.encoding.encode_request(request))
        return answer

    async def answer(self, identifier: int, data: bytes, operation_id: str = "") -> Response:
        """Send a request and return its answer, which may be an error."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.send(identifier, data, operation_id)

    async def ask(
        self, identifier: int, request: Message, kind_of_answer: type[_Answer], operation_id: str = ""
    ) -> _Answer:
        """Send a request and return the message that answers it; Refused if it is refused."""
        response = await self.answer(identifier, request.SerializeToString(), operation_id)
        if response.err_code:
            raise Refused(response.err_code, response.err_msg)
        return kind_of_answer.FromString(response.data)

    async def send_message(self, message: MsgData, operation_id: str = "") -> SendMsgResp:
        """Send a message and return its answer; Refused if it is refused."""
        return await self.ask(RequestIdentifier.SEND_MSG, message, SendMsgResp, operation_id)

    async def send_text(self, receiver: str, text: str) -> SendMsgResp:
        """Send a text and return its answer."""
        return await self.send_message(text_message(self.user_id, receiver, text))

    def ping(self) -> None:
        """Send the keep-alive of this kind of client."""
        if "isMsgResp" in self.kind.parameters:
            self.socket.send(TEXT, b'{"type":"ping","body":"operation"}')
        else:
            self.socket.send(PING, b"operation")

    # --- hearing

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something holds that arrivals bring about; AssertionError with the latest ones if it doesn't come to that."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not condition():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            latest = "\n".join(f"  {one!s:.200}" for one in self.received[-10:])
            raise AssertionError(f"{self.user_id}: no {what}; ended: {self.end!r}; latest:\n{latest}") from None

    async def pushed(self, count: int, stream: str = "") -> list[Push]:
        """Wait for the first `count` pushes (of a conversation) and return all there are."""
        await self.until(lambda: len(self.pushes_of(stream)) >= count, f"push number {count} of {stream or 'any'}")
        return self.pushes_of(stream)

    def pushes_of(self, stream: str = "") -> list[Push]:
        """Return the pushes of a conversation or stream so far, of all without one."""
        return [push for push in self.pushes if stream in ("", push.stream)]

    async def until_end(self) -> None:
        """Wait for the end, however long it takes."""
        await asyncio.gather(self._reading, return_exceptions=True)

    async def ended(self) -> int | None:
        """Wait for the end; return the code of the server's close frame, None without one."""
        await self.until(lambda: self.end is not None, "end of the connection")
        assert self.end is not None
        return self.end.code

    # --- leaving

    async def close(self) -> None:
        """Hang up."""
        await self.stop_reading()
        await self.socket.close()

    async def stop_reading(self) -> None:
        """Read no more; the server's frames pile up."""
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    # --- parts

    async def _read(self) -> None:
        try:
            while True:
                opcode, payload = await self.socket.receive()
                self._take(opcode, payload)
                self._arrived.set()
        except Ended as end:
            self.end = end
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(end)
                    answer.exception()  # who asked may have gone
            self._arrived.set()

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == BINARY:
            self._take_response(self.kind.encoding.decode_response(payload))
        elif opcode == TEXT:
            self.received.append(payload.decode())
        elif opcode == PING:
            self.pings += 1
            self.socket.send(PONG, payload)
        else:
            self.pongs.append(payload)

    def _take_response(self, response: Response) -> None:
        self.received.append(response)
        if response.req_identifier == RequestIdentifier.PUSH_MSG:
            body = PushMessages.FromString(response.data)
            for streams in (body.msgs, body.notificationMsgs):
                for stream, pulled in streams.items():
                    for message in pulled.Msgs:
                        self._take_push(Push(stream, message.seq, message, response.operation_id))
        elif (answer := self._answers.pop(response.msg_incr, None)) is not None and not answer.done():
            answer.set_result(response)

    def _take_push(self, push: Push) -> None:
        self.pushes.append(push)
        if self._on_push is not None:
            self._on_push(push)


async def connect(
    port: int,
    account: Account,
    kind: Kind = NATIVE,
    headers: Mapping[str, str] | None = None,
    on_push: Callable[[Push], None] | None = None,
) -> Connection:
    """
    Connect; HttpAnswer if the server refuses and the client didn't ask for a text frame.

    `on_push` is called for each push, in order.

    A client that asked for the outcome has it as its first text frame in `received`.
    """
    socket = await WebSocket.connect(port)
    try:
        await socket.upgrade(target(account, kind), headers)
    except BaseException:
        await socket.close()
        raise
    connection = Connection(socket, account, kind, on_push)
    if "isMsgResp" in kind.parameters:
        await connection.until(lambda: bool(connection.received) or connection.end is not None, "outcome")
    return connection
