"""
A TCP proxy in front of a server: it cuts, refuses, keeps silent, is slow, or is found at another address.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.e2e.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 1 << 16
CHUNKS_MAX = 64
"""So much of one direction is under way while it is slow or silent; then nothing more is read from the sender."""

SETTLE_SECONDS = 0.01
"""Until a connection that was taken just now is one of the open ones: asyncio (3.11) would leave it for ever if its listener were closed before."""

CALL_SECONDS = 10.0


class Proxy:
    """
    Carries bytes to a port of this machine and back, in a thread of its own: tests may block or not.

    What is done to it holds for open connections and for new ones, until `pass_on`.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.connections = 0
        """Connections that were ever made."""

        self._delay_seconds = 0.0
        self._address = LOOPBACK
        (self._port,) = free_ports(1)
        self._open: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        self._do(self._listen())

    @property
    def port(self) -> int:
        """Where it listens; this never changes."""
        return self._port

    def pass_on(self) -> None:
        """Carry everything at once again."""
        self._do(self._set(passing=True, delay_seconds=0.0))
        self._do(self._listen())

    def cut(self) -> None:
        """End every connection; new ones are carried."""
        self._do(self._cut())

    def refuse(self) -> None:
        """End every connection, and take no new one."""
        self._do(self._refuse())

    def stall(self) -> None:
        """Take connections and bytes, and carry nothing; what was taken is carried later."""
        self._do(self._set(passing=False))

    def slow(self, seconds: float) -> None:
        """Let every byte take this long in each direction."""
        self._do(self._set(delay_seconds=seconds))

    def move(self, address: str) -> None:
        """Be found at another address of this machine, and no longer at the present one."""
        self._do(self._refuse())
        self._address = address
        self._do(self._listen())

    def close(self) -> None:
        """End it."""
        self._do(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    # --- in its thread

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(CALL_SECONDS)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, self._address, self._port)

    async def _set(self, *, passing: bool | None = None, delay_seconds: float | None = None) -> None:
        if delay_seconds is not None:
            self._delay_seconds = delay_seconds
        if passing is True:
            self._passing.set()
        elif passing is False:
            self._passing.clear()

    async def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            for one in listener.sockets:
                self._loop.remove_reader(one.fileno())
            await asyncio.sleep(SETTLE_SECONDS)
            listener.close()
        await self._cut()

    async def _cut(self) -> None:
        ended = list(self._open)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        ends = [writer]
        try:
            server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self.target_port)
            ends.append(server_writer)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(reader, server_writer))
                ways.create_task(self._carry(server_reader, writer))
        except* (OSError, asyncio.CancelledError):
            pass  # cut, or the server is not there
        finally:
            self._open.discard(task)
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction until its end, which ends the other one, too."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_MAX)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._read(reader, under_way))
            both.create_task(self._write(under_way, writer))

    async def _read(self, reader: asyncio.StreamReader, under_way: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"first"
        while data:
            data = await reader.read(CHUNK_BYTES)
            await under_way.put((self._loop.time() + self._delay_seconds, data))

    async def _write(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - self._loop.time())
            await self._passing.wait()
            if not data:
                raise ConnectionResetError
            writer.write(data)
            with suppress(ConnectionError):
                await writer.drain()
