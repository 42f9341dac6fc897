"""Child processes that drive the SDKs: one JSON object a line, calls out, answers and events back (`sdk/channel.mjs`)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LINE_BYTES_MAX = 64 << 20
CALL_SECONDS = 30.0
END_SECONDS = 10.0
STDERR_LINES = 200

EventHandler = Callable[[str, str, Any], None]
"""Takes an event's name, its source within the child, its data."""


class CallError(Exception):
    """A call failed in the child. `code` is the SDK's error code, 0 where it isn't the SDK that failed."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Channel:
    """A running child process and the calls to it."""

    def __init__(self, process: asyncio.subprocess.Process, on_event: EventHandler) -> None:
        self._process = process
        self._on_event = on_event
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._readers = [asyncio.create_task(self._read_answers()), asyncio.create_task(self._read_stderr())]

    @classmethod
    async def start(
        cls, command: Sequence[str], on_event: EventHandler, environment: Mapping[str, str] | None = None
    ) -> Channel:
        """Start a child with additional variables in its environment."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            limit=LINE_BYTES_MAX,
        )
        return cls(process, on_event)

    async def call(self, method: str, *params: Any, seconds: float = CALL_SECONDS) -> Any:
        """Return the result of a call; CallError if it failed in the child, AssertionError if no answer came."""
        number = next(self._numbers)
        answer = self._calls[number] = asyncio.get_running_loop().create_future()
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"id": number, "method": method, "params": params}).encode() + b"\n")
        try:
            async with asyncio.timeout(seconds):
                return await answer
        except TimeoutError:
            raise AssertionError(f"no answer to {method} within {seconds:g} s\n{self.stderr}") from None
        finally:
            del self._calls[number]

    @property
    def stderr(self) -> str:
        """The last lines that the child wrote about itself."""
        return "".join(self._stderr)

    async def close(self) -> None:
        """End the child: it is told by the end of its input, and killed if it doesn't listen."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(ConnectionError):
            stdin.close()
            await stdin.wait_closed()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._readers)

    async def _read_answers(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        while line := await stdout.readline():
            self._dispatch(json.loads(line))
        for answer in self._calls.values():
            answer.set_exception(AssertionError(f"the child ended\n{self.stderr}"))

    def _dispatch(self, message: dict[str, Any]) -> None:
        if "event" in message:
            self._on_event(message["event"], message["source"], message.get("data"))
            return
        answer = self._calls.get(message["id"])
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(CallError(message["error"]["code"], message["error"]["message"]))
        else:
            answer.set_result(message["result"])

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        while line := await stderr.readline():
            self._stderr.append(line.decode(errors="replace"))
