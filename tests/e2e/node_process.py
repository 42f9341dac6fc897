"""A Node in which clients of the pure JavaScript SDK run (`sdk/js_client.mjs`)."""

from __future__ import annotations

import itertools
from typing import Any

from tests.e2e.channel import Channel, EventHandler
from tests.e2e.install import SDK_FOLDER, node


class NodeProcess:
    """One process. Its clients share nothing but the loaded packages; each ends, as far as the server can tell, as a process does."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._handlers: dict[str, EventHandler] = {}
        self._numbers = itertools.count(1)

    @classmethod
    async def start(cls, clock_shift: int = 0) -> NodeProcess:
        """Start the process, its clock off by `clock_shift` milliseconds; `Unavailable` if Node can't be had."""
        process = cls()
        command = [node(), str(SDK_FOLDER / "js_client.mjs")]
        process._channel = await Channel.start(command, process._dispatch, {"CLOCK_SHIFT_MS": str(clock_shift)})
        return process

    async def open(self, build: str, on_event: EventHandler) -> str:
        """Make a client from a build of the SDK and return its name."""
        name = f"js-{next(self._numbers)}"
        self._handlers[name] = on_event
        await self._call("open", name, build)
        return name

    async def sdk(self, name: str, method: str, *params: Any) -> Any:
        """Call a method of a client's SDK."""
        return await self._call("sdk", name, method, *params)

    async def drop(self, name: str) -> None:
        """End a client without a logout: its connection is gone, and it hears and does nothing more."""
        await self._call("drop", name)
        del self._handlers[name]

    async def close(self) -> None:
        """End the process with all its clients."""
        if self._channel is not None:
            await self._channel.close()

    async def _call(self, method: str, *params: Any) -> Any:
        assert self._channel is not None
        return await self._channel.call(method, *params)

    def _dispatch(self, name: str, source: str, data: Any) -> None:
        handler = self._handlers.get(source)
        if handler is not None:
            handler(name, source, data)
