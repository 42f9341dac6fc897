"""
The client's end of a WebSocket, without a library in between: every byte of the handshake, every frame as it came, and how the
connection ended (RFC 6455).
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
CONTINUATION = 0x0
HOST: Final = "127.0.0.1"
WAIT_SECONDS: Final = 20.0
"""How long anything may take; far above what it takes on an idle machine."""

_LINGER_RESET: Final = struct.pack("ii", 1, 0)
_LENGTH_16: Final = struct.Struct(">H")
_LENGTH_64: Final = struct.Struct(">Q")
_READ_BYTES: Final = 1 << 20


class Ended(Exception):
    """The server ended the connection; without a close frame `code` is None."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class HttpAnswer(Exception):
    """The server answered the handshake with something else than an upgrade."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.headers = headers
        self.body = body


class Frame(NamedTuple):
    """A frame as the server sent it; servers don't mask, and ours doesn't split."""

    opcode: int
    payload: bytes


def upgrade_request(target: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a handshake."""
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {HOST}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class WebSocket:
    """One connection. What comes is read only when it is asked for, so a client that doesn't ask is one that doesn't read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, *, receive_buffer_bytes: int = 0) -> WebSocket:
        """Open a TCP connection; `upgrade` makes a WebSocket of it."""
        sock = socket.socket()
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
                return cls(*await asyncio.open_connection(sock=sock, limit=_READ_BYTES))
        except BaseException:
            sock.close()
            raise

    async def upgrade(self, target: str, headers: Mapping[str, str] | None = None) -> None:
        """Shake hands; HttpAnswer if the server doesn't upgrade."""
        self.write(upgrade_request(target, headers))
        async with asyncio.timeout(WAIT_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            status, fields = _parse_head(head)
            if status != 101:
                body = await self._reader.readexactly(int(fields.get("content-length", "0")))
                raise HttpAnswer(status, fields, body)

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    def send(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        """Send a frame, masked as a client must."""
        self.write(masked_frame(opcode, payload, final=final))

    async def drain(self) -> None:
        """Wait until what was sent has left this process."""
        await self._writer.drain()

    async def receive(self) -> Frame:
        """Return the next frame that is no close frame; Ended when the connection is over."""
        try:
            frame = await self._frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Ended(None) from None
        if frame.opcode == CLOSE:
            raise Ended(_LENGTH_16.unpack_from(frame.payload)[0] if len(frame.payload) >= 2 else 1005)
        return frame

    async def _frame(self) -> Frame:
        first, second = await self._reader.readexactly(2)
        assert first & 0xF0 == 0x80, "the server split a frame, or used an extension"
        size = second
        if size == 126:
            (size,) = _LENGTH_16.unpack(await self._reader.readexactly(2))
        elif size == 127:
            (size,) = _LENGTH_64.unpack(await self._reader.readexactly(8))
        return Frame(first & 0xF, await self._reader.readexactly(size))

    async def ended(self) -> int | None:
        """Read until the connection is over; return the code of the close frame, None without one."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                try:
                    await self.receive()
                except Ended as end:
                    return end.code

    async def gone(self) -> None:
        """Read until the TCP connection itself is over."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                while await self._reader.read(_READ_BYTES):
                    pass
            except ConnectionError:
                return

    def pause(self) -> None:
        """Take nothing more from the system, so that what comes piles up there and at the server."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        """Take again what comes."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """Cut the connection off with a TCP reset, as a network does that has lost it."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close the TCP connection."""
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


def masked_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Return a frame as clients write them."""
    mask = os.urandom(4)
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 1 << 16:
        head += bytes([0x80 | 126]) + _LENGTH_16.pack(size)
    else:
        head += bytes([0x80 | 127]) + _LENGTH_64.pack(size)
    key = int.from_bytes(mask * (size // 4 + 1), "big") >> 8 * (4 - size % 4)
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines if line)
    return int(first.split(" ")[1]), {name.lower(): value for name, value in fields.items()}
