"""The PyPI package `openim-sdk-core` as a client under test, in a process with packages of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.e2e.channel import Channel
from tests.e2e.client import Account, Client, Endpoints, Message, message_of, texts_of
from tests.e2e.install import SDK_FOLDER, python_client


class PypiClient(Client):
    """Keeps messages and positions in `folder`: give the same one for the same device."""

    def __init__(self, account: Account, endpoints: Endpoints, folder: Path, clock_shift: int = 0) -> None:
        super().__init__(account)
        self._endpoints = endpoints
        self._folder = folder
        self._clock_shift = clock_shift
        self._channel: Channel | None = None

    async def start(self) -> None:
        """Log in; returns when the package has connected and pulled what it lacks."""
        if self._channel is None:
            self._channel = await self._open()
        endpoints = self._endpoints
        await self._call(
            "login",
            self.user_id,
            self.account.token,
            endpoints.ws_url,
            endpoints.api_url,
            str(self._folder),
            self.account.platform,
        )

    async def login(self) -> None:
        """Log in; `start` does all of it here."""
        await self.start()

    async def send_text(self, peer: str, text: str) -> Message:
        """
        Send a text and return it as the server echoed it.

        The package doesn't wait for an answer, so the echo is the only word of it.
        """
        before = self.events.position
        await self._call("send_text", text, peer)
        event = await self.events.wait(
            lambda event: any(message.text == text for message in texts_of([event.data])),
            f"echo of {text!r}",
            after=before,
        )
        return message_of(event.data)

    async def stored(self, peer: str) -> list[Message]:
        """Return what the package keeps of the chat with `peer`, oldest first."""
        return texts_of(await self._call("messages", self.chat_with(peer)))

    async def last_seq(self, peer: str) -> int:
        """Return the package's position in the chat with `peer`."""
        return int(await self._call("last_seq", self.chat_with(peer)))

    async def logout(self) -> None:
        """Close the connection, as the package's logout does."""
        await self._call("logout")

    async def close(self) -> None:
        """End the process."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def _call(self, method: str, *params: Any) -> Any:
        assert self._channel is not None
        return await self._channel.call(method, *params)

    async def _open(self) -> Channel:
        # Without site-packages: the package needs another protobuf than this project.
        command = [sys.executable, "-S", str(SDK_FOLDER / "pypi_driver.py")]
        variables = {"PYTHONPATH": str(python_client()), "CLOCK_SHIFT_MS": str(self._clock_shift)}
        return await Channel.start(command, lambda name, _source, data: self.events.add(name, data), variables)
