"""
A TCP proxy that cuts a connection where a test wants it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class CuttingProxy:
    """
    Carries bytes to a server on this machine and back.

    `word`: a message of the client with these bytes cuts its connection, once. `passes_on`: whether the server still gets it,
    and has answered, when the cut comes.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self.word = b""
        self.passes_on = False
        self.cuts = 0
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        back = asyncio.create_task(_carry(server_reader, writer))
        try:
            while data := await reader.read(1 << 16):
                if self.word and self.word in data:
                    self.word = b""
                    self.cuts += 1
                    back.cancel()
                    await asyncio.wait([back])
                    if self.passes_on:
                        server_writer.write(data)
                        await server_reader.read(1 << 16)
                    break
                server_writer.write(data)
        finally:
            back.cancel()
            for end in (writer, server_writer):
                end.transport.abort()
            await asyncio.wait([back])
            self._tasks.discard(task)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()
