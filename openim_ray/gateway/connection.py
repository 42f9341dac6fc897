"""
One WebSocket connection: writing whole frames, bounded; counting what comes in. What is written, and in which order, `core/gateway/session.py` decides.

Frames are written straight to the transport: a server's frame is a header of two to ten bytes and the payload
(RFC 6455, §5.2), and everything due for a connection at one moment leaves in one write.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from openim_ray.gateway.rate_limit import RateLimit
    from openim_ray.protocol.encoding import Encoding

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
GOING_AWAY = 1001

_FINAL = 0x80
_HEADER_16 = struct.Struct(">BBH")
_HEADER_64 = struct.Struct(">BBQ")
_LINGER_RESET = struct.pack("ii", 1, 0)


def frame(opcode: int, payload: bytes) -> bytes:
    """
    Return one unmasked, final frame.
    """
    size = len(payload)
    if size < 126:
        return bytes((_FINAL | opcode, size)) + payload
    if size < 1 << 16:
        return _HEADER_16.pack(_FINAL | opcode, 126, size) + payload
    return _HEADER_64.pack(_FINAL | opcode, 127, size) + payload


class QueueLimits(NamedTuple):
    """
    What may wait for a slow client.
    """

    frames_max: int
    bytes_max: int


class Connection:
    """
    A client's socket after the handshake.

    Limits: `bytes_max` bytes wait in the transport, and `frames_max` frames join what it has not taken yet; a client that
    reads too slowly for that is cut off, and the others don't notice. A burst for a client that has taken everything may
    have more frames: a missing run is written at one moment. `room` is set while it may send more.
    """

    __slots__ = (
        "_frames_behind",
        "_limits",
        "_stalled_since",
        "_transport",
        "_upgraded",
        "_waiting",
        "encoding",
        "gone",
        "last_heard",
        "last_pinged",
        "number",
        "platform_id",
        "rate",
        "room",
        "send_bytes_under_way",
        "sends_under_way",
        "user_id",
    )

    def __init__(
        self,
        number: int,
        user_id: str,
        platform_id: int,
        encoding: Encoding,
        transport: asyncio.Transport,
        limits: QueueLimits,
        rate: RateLimit,
        now: float,
    ) -> None:
        self.number = number
        self.user_id = user_id
        self.platform_id = platform_id
        self.encoding = encoding
        self.rate = rate
        self.gone = False
        self.room = asyncio.Event()
        self.last_heard = now
        self.last_pinged = now
        self.sends_under_way = 0
        self.send_bytes_under_way = 0
        self._transport = transport
        self._limits = limits
        self._upgraded = False
        self._waiting: list[bytes] = []
        self._frames_behind = 0
        self._stalled_since: float | None = None

    @property
    def unsent_bytes(self) -> int:
        """Return how much the system has not taken yet."""
        return self._transport.get_write_buffer_size()

    def upgraded(self) -> None:
        """Note that the handshake was answered: from now on frames leave."""
        self._upgraded = True

    def send_begins(self, size: int) -> None:
        """Note that a message of so many bytes goes on its way."""
        self.sends_under_way += 1
        self.send_bytes_under_way += size

    def send_ends(self, size: int) -> None:
        """Note that it is answered."""
        self.sends_under_way -= 1
        self.send_bytes_under_way -= size
        self.room.set()

    def queue(self, framed: bytes) -> bool:
        """Let a frame (with its header) leave at the next `flush`; True if it is the first one waiting."""
        if self.gone:
            return False
        self._waiting.append(framed)
        return len(self._waiting) == 1

    def flush(self, now: float) -> bool:
        """Write what waits; False if the client reads too slowly and was cut off."""
        if self.gone or not self._waiting or not self._upgraded:
            return True
        frames, self._waiting = self._waiting, []
        if self._transport.is_closing():
            self.gone = True
            return True
        self._frames_behind = self._frames_behind + len(frames) if self._transport.get_write_buffer_size() else 0
        # Not joined: what waits for many slow clients is then one frame in memory, and not a copy for each.
        self._transport.writelines(frames)
        buffered = self._transport.get_write_buffer_size()
        if buffered > self._limits.bytes_max or self._frames_behind > self._limits.frames_max:
            self.abort()
            return False
        self._stalled_since = None if not buffered else self._stalled_since or now
        return True

    def stalled(self, now: float, seconds: float) -> bool:
        """Tell whether the socket has not taken everything for so long."""
        if self._stalled_since is None:
            return False
        if not self._transport.get_write_buffer_size():
            self._stalled_since = None
            return False
        return now - self._stalled_since > seconds

    def drop(self, now: float) -> None:
        """Close the socket after what waits was written, without a close frame, as the official server does."""
        self.flush(now)
        self.gone = True
        self._transport.close()

    def end(self, code: int, now: float) -> None:
        """Close with a close frame: the client comes back and syncs."""
        self.queue(frame(CLOSE, struct.pack(">H", code)))
        self.drop(now)

    def abort(self) -> None:
        """Cut the socket off at once, by a reset; what waits is lost, here and in the system."""
        self.gone = True
        self._waiting.clear()
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:  # otherwise it is closed already
            # Without it the system keeps trying for minutes to send what it has buffered, megabytes for each.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self._transport.abort()
