"""
Accepting connections: counted from the first moment, closed at once where there are too many.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from openim_ray.gateway.address_limits import AcceptLimits

log = structlog.get_logger(__name__)

BACKLOG: Final = 4096
ACCEPTED_AT_ONCE: Final = 64
ACCEPT_AGAIN_SECONDS: Final = 1.0

_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """
    A port on which connections are taken.

    asyncio's own servers tell of a connection only after its TLS handshake, and never where it comes from before that: so a
    silent one would count nowhere.

    Limits: those of `limits`; a TLS handshake takes `tls_seconds` at most.

    Args:
        limits: who may have how many.
        protocol: makes the protocol of a connection.
        ended: told when that is over, also if it never came to a TLS handshake.
        context: for TLS; None for plain connections.
        tls_seconds: see above.
    """

    def __init__(
        self,
        limits: AcceptLimits,
        protocol: Callable[[], asyncio.Protocol],
        ended: Callable[[asyncio.Protocol], None],
        context: ssl.SSLContext | None,
        tls_seconds: float,
    ) -> None:
        self._limits = limits
        self._protocol = protocol
        self._ended = ended
        self._context = context
        self._tls_seconds = tls_seconds
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> None:
        """Begin to listen on every address that a host has; other processes may listen there, too."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            listening = socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True)
            listening.setblocking(False)
            self._sockets.append(listening)
            self._loop.add_reader(listening, self._accept, listening)

    def stop(self) -> None:
        """Take no new connections; those that stand go on."""
        sockets, self._sockets = self._sockets, []
        for listening in sockets:
            self._loop.remove_reader(listening)
            listening.close()

    async def close(self) -> None:
        """End the handshakes that are under way, too."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Anything else is the fault of one connection, of which nothing is left.
                if error.errno in _NO_ROOM:
                    self._pause(listening, error)
                return
            self._take(accepted, address[0])

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        """Without a free descriptor the socket stays readable: asked again at once, it would take all the time there is."""
        log.error("no connection can be accepted", error=str(error))
        self._loop.remove_reader(listening)
        self._loop.call_later(ACCEPT_AGAIN_SECONDS, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _take(self, accepted: socket.socket, address: str) -> None:
        if not self._limits.enter(address):
            accepted.close()
            return
        accepted.setblocking(False)
        task = self._loop.create_task(self._begin(accepted, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, accepted: socket.socket, address: str) -> None:
        protocol = self._protocol()
        counted = _Counted(protocol, lambda: self._end(protocol, address))
        try:
            # Small frames must not wait for the acknowledgement of earlier ones; not every loop sees to that.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(
                lambda: counted,
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=self._tls_seconds if self._context else None,
            )
        except OSError:  # its client's fault: gone again, or no TLS
            with contextlib.suppress(OSError):
                accepted.close()
            counted.leave()
        except BaseException:
            counted.leave()
            raise

    def _end(self, protocol: asyncio.Protocol, address: str) -> None:
        self._limits.leave(address)
        self._ended(protocol)


class _Counted(asyncio.Protocol):
    """
    A connection's protocol, and word of its end.
    """

    def __init__(self, protocol: asyncio.Protocol, leave: Callable[[], None]) -> None:
        self._protocol = protocol
        self._leave: Callable[[], None] | None = leave
        # What a transport calls often is the protocol's own.
        self.data_received = protocol.data_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def leave(self) -> None:
        """Count the connection out, once."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._protocol.connection_made(transport)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        self._protocol.connection_lost(exc)
