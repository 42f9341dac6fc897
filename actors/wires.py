"""
Wires: sockets between two actor processes of one machine, which carry the batches of their links.

A batch and its receipt cost a tenth of what a Ray actor call costs (docs/decisions/0018-wires-on-one-machine.md). A wire keeps
order, but nothing is taken from that: whatever it loses with its end is a call that failed, as `refs.Links` sees it.

The sockets are abstract ones of Linux: without a file, so nothing is left behind, and unreachable from elsewhere. Each end asks the system
whose process the other one is, and hangs up on another user's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from enum import IntEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME_BYTES_MAX = 256 << 20
"""Whoever announces a longer frame is hung up on; a batch is one item, or less than `links.window_bytes_max`."""

RECEIPTS_OWED_MAX = 2
"""A receipt leaves with the next batch that goes the other way; with so many owed, or at the next `check`, by itself."""

BACKLOG = 64

_HEADER = struct.Struct(">IIB")
_CREDENTIALS = struct.Struct("3i")
_NUMBER_MAX = (1 << 32) - 1
_IS_LINUX = sys.platform == "linux"

log = structlog.get_logger(__name__)


class _Kind(IntEnum):
    GREETING = 0
    BATCH = 1
    RECEIPT = 2


class Greeting(NamedTuple):
    """
    What both ends say first: which actor they are.
    """

    name: str
    incarnation: str


class _Sent(NamedTuple):
    at: float
    on_receipt: Callable[[str | None], None]


class Wire(asyncio.Protocol):
    """
    One end of a wire.

    Guarantee: every batch sent ends in its receipt, or in None once the wire is over; the other end may have handled it all the same.

    Args:
        greeting: who this end is.
        hear: takes a batch and returns its receipt; if it fails the wire is over.
        changed: told when the other end is known, and when the wire is over.
    """

    def __init__(self, greeting: Greeting, hear: Callable[[bytes], str], changed: Callable[[Wire], None]) -> None:
        self.other: Greeting | None = None
        self.over = False
        self._greeting = greeting
        self._hear = hear
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._known: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._read = bytearray()
        self._number = 0
        self._sent: dict[int, _Sent] = {}
        self._owed: list[bytes] = []

    async def greeted(self, seconds_max: float) -> bool:
        """Wait until the other end is known; False if the wire is over before."""
        await asyncio.wait([self._known], timeout=seconds_max)
        if self.other is None:
            self.end()
        return not self.over

    def reaches(self, incarnation: str) -> bool:
        """Tell whether batches sent here arrive at this incarnation."""
        return not self.over and self.other is not None and self.other.incarnation == incarnation

    def send(self, data: bytes, on_receipt: Callable[[str | None], None]) -> None:
        """Send a batch; `on_receipt` is called once, perhaps before this returns."""
        if self.over:
            on_receipt(None)
            return
        self._number = (self._number + 1) & _NUMBER_MAX
        self._sent[self._number] = _Sent(self._loop.time(), on_receipt)
        self._write(*self._receipts(), _frame(_Kind.BATCH, self._number, data))

    def check(self, seconds_max: float) -> None:
        """Send the receipts that are owed; end the wire if a batch has had none for so long. To be called a few times a second."""
        self._write(*self._receipts())
        oldest = next(iter(self._sent.values()), None)
        if oldest is not None and self._loop.time() - oldest.at > seconds_max:
            log.warning("wire without answer", peer=self.other.name if self.other else "")
            self.end()

    def end(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end()

    # --- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        if not _is_ours(transport.get_extra_info("socket")):
            log.warning("wire to a process of another user refused")
            self.end()
            return
        self._write(_frame(_Kind.GREETING, 0, msgspec.msgpack.encode(self._greeting)))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._read += data
        try:
            self._take_frames()
        except Exception:
            log.exception("link failed", peer=self.other.name if self.other else "")
            self.end()

    def connection_lost(self, _error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end()

    # --- parts

    def _take_frames(self) -> None:
        read, at = self._read, 0
        while not self.over and len(read) - at >= _HEADER.size:
            size, number, kind = _HEADER.unpack_from(read, at)
            if size > FRAME_BYTES_MAX:
                raise ValueError("a frame is too long")
            begin = at + _HEADER.size
            if len(read) - begin < size:
                break
            at = begin + size
            self._take(kind, number, bytes(read[begin:at]))
        del read[:at]

    def _take(self, kind: int, number: int, data: bytes) -> None:
        if kind == _Kind.BATCH:
            self._owe(number, self._hear(data))
        elif kind == _Kind.RECEIPT:
            self._sent.pop(number).on_receipt(data.decode())
        elif kind == _Kind.GREETING and self.other is None:
            self.other = msgspec.msgpack.decode(data, type=Greeting)
            self._settle()
            self._changed(self)
        else:
            raise ValueError("a frame of no known kind")

    def _owe(self, number: int, receipt: str) -> None:
        self._owed.append(_frame(_Kind.RECEIPT, number, receipt.encode()))
        if len(self._owed) >= RECEIPTS_OWED_MAX:
            self._write(*self._receipts())

    def _receipts(self) -> list[bytes]:
        owed, self._owed = self._owed, []
        return owed

    def _write(self, *frames: bytes) -> None:
        if frames and self._transport is not None and not self.over:
            self._transport.write(b"".join(frames))

    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        sent, self._sent = self._sent, {}
        for one in sent.values():
            one.on_receipt(None)
        self._settle()
        self._changed(self)

    def _settle(self) -> None:
        if not self._known.done():
            self._known.set_result(None)


def _frame(kind: _Kind, number: int, data: bytes) -> bytes:
    return _HEADER.pack(len(data), number, kind) + data


async def listen(incarnation: str, accept: Callable[[], Wire]) -> asyncio.Server | None:
    """
    Let other processes open wires to this one; None where there are no such sockets.
    """
    if not _IS_LINUX:
        return None
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    listening.bind(_address_of(incarnation))
    return await asyncio.get_running_loop().create_unix_server(accept, sock=listening, backlog=BACKLOG)


async def open_wire(incarnation: str, make: Callable[[], Wire]) -> Wire | None:
    """
    Open a wire to another process; None if it doesn't listen on this machine.
    """
    if not _IS_LINUX:
        return None
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        connecting.connect(_address_of(incarnation))
    except OSError:
        connecting.close()
        return None
    try:
        _, wire = await asyncio.get_running_loop().create_unix_connection(make, sock=connecting)
    except OSError:  # gone again
        return None
    return wire


def _address_of(incarnation: str) -> str:
    """Return where an incarnation listens. Everybody on the machine can read the addresses in use, so it is not told by them."""
    return f"\0openim-ray-{sha256(incarnation.encode()).hexdigest()[:32]}"


def _is_ours(connected: socket.socket) -> bool:
    """Tell whether the process at the other end runs as the user of this one."""
    try:
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:  # gone again
        return False
    _process, user, _group = _CREDENTIALS.unpack(credentials)
    return bool(user == os.geteuid())
