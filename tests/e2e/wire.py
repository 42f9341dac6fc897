"""The network between one client and the server: a relay that can be cut, so that any SDK loses its connection as in real life."""

from __future__ import annotations

import asyncio
import contextlib

CHUNK_BYTES = 65_536


class Wire:
    """Relays TCP connections to a port of the server. While it is `down`, connecting fails."""

    def __init__(self, port: int) -> None:
        self.accepted = 0
        """How many connections the client opened."""

        self._server_port = port
        self._listener: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._relays: set[asyncio.Task[None]] = set()

    @property
    def ws_url(self) -> str:
        """The address to give to the client instead of the server's."""
        return f"ws://127.0.0.1:{self._port}"

    async def up(self) -> None:
        """Let connections through; after a `down`, on the same port as before."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._listener.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Cut every connection, without a close frame; new ones pass."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        """End the relay."""
        await self.down()
        await asyncio.gather(*self._relays, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._relay(reader, writer)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._open.add(server_writer)
        directions = [
            asyncio.create_task(_pump(reader, server_writer)),
            asyncio.create_task(_pump(server_reader, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(server_writer)
            server_writer.transport.abort()
            writer.transport.abort()
            await asyncio.gather(*directions, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
