"""
Clients that go on writing while something is wrong with a store, with the books of `kill_test`.
"""

from __future__ import annotations

import asyncio
import json
import random
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from openim_ray.domain.conversation import single_chat_id
from tests.e2e.server import CALL_SECONDS, Server
from tests.integration.kill_test import ROUND_SECONDS, KillTest

CLIENTS: Final = 6
PAUSE_SECONDS: Final = 0.25
"""Between two messages of a client: the machine shall not be what makes them slow."""

LOOK_AGAIN_SECONDS: Final = 0.1


class Chatting(KillTest):
    """
    Some clients of every kind on a running server. Each writes to its neighbour, one message after the other.
    """

    def __init__(self, server: Server) -> None:
        super().__init__(server, CLIENTS, seed=random.randrange(1 << 32))

    @property
    def stored_count(self) -> int:
        """How many messages were answered as stored."""
        return sum(len(client.answered) for client in self._clients)

    @property
    def temporary_errors(self) -> int:
        """How often a message was answered with an error that says: try again."""
        return sum(client.temporary_errors for client in self._clients)

    @property
    def chats(self) -> list[str]:
        """The conversations."""
        return sorted(self._sent)

    def count(self, chat: str) -> int:
        """Return how many messages a conversation must hold in the end."""
        return self._sent[chat]

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Let all clients write within the block; then all must be answered, and seen by everybody."""
        self._writing.set()
        writers = [asyncio.create_task(self._write_on(index)) for index in range(len(self._clients))]
        try:
            yield
            self._writing.clear()
            async with asyncio.timeout(ROUND_SECONDS):
                await asyncio.gather(*writers)
                await self._until(lambda: not self._missing())
        except TimeoutError:
            raise AssertionError(f"it did not go on: {self._missing()}") from None
        finally:
            for writer in writers:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)

    async def answered(self, more: int) -> None:
        """Wait until so many more messages are answered as stored."""
        wanted = self.stored_count + more
        await self._within(lambda: self.stored_count >= wanted, f"{more} more messages that are stored")

    async def refused(self, more: int) -> None:
        """Wait until so many more messages are answered with a temporary error."""
        wanted = self.temporary_errors + more
        await self._within(lambda: self.temporary_errors >= wanted, f"{more} temporary errors")

    async def check(self) -> None:
        """Compare the store with what was answered and seen; AssertionError with what is wrong."""
        await self.audit()
        report = self.report
        assert not report.faults, "\n".join([*report.faults, self._server.log_tail(), self._server.actor_logs()])
        assert report.late_answers == 0, "senders hear in time what became of a message"
        assert report.answered == report.stored == sum(self._sent.values()) > 0
        assert report.seen == 2 * report.stored

    async def _write_on(self, index: int) -> None:
        client, peer = self._clients[index], self._clients[(index + 1) % len(self._clients)]
        while self._writing.is_set():
            self._sent[single_chat_id(client.user_id, peer.user_id)] += 1
            await client.send(peer.user_id, "text")
            self._changed.set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _within(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                while not condition():  # noqa: ASYNC110 - what is counted gives no event
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not in {ROUND_SECONDS:g} s: {what}") from None


def readiness(server: Server) -> tuple[int, dict[str, Any]]:
    """Return the status of `/readyz` and what it says."""
    try:
        with urllib.request.urlopen(f"{server.api_url}/readyz", timeout=CALL_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)
