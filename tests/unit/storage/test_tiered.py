"""
The history behind the message store, opened when it is first needed.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import HistoryUnavailable, Unavailable
from openim_ray.storage import tiered as module
from openim_ray.storage.memory import MemoryMessageStore, MessageTables
from openim_ray.storage.tiered import TieredMessageReader
from tests.contract.rows import CHAT, message, write

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenHistoryReader


async def test_a_history_that_fails_after_its_reader_gave_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read fails in time, nothing is left that nobody looks at, and the next read tries again."""
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.01)
    messages = MemoryMessageStore(MessageTables(lambda: 0))
    await messages.write([write(message(1))])
    await messages.forget(CHAT, message(1).seq)
    may_fail, attempts = asyncio.Event(), 0
    unseen: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unseen.append(context))

    async def opening() -> OpenHistoryReader:
        nonlocal attempts
        attempts += 1
        await may_fail.wait()
        raise Unavailable("no history")

    reader = TieredMessageReader(messages, opening)
    for attempt in (1, 2):
        with pytest.raises(HistoryUnavailable):
            await reader.read_range(CHAT, 1, 1, 1)
        assert attempts == attempt
        may_fail.set()
        await asyncio.sleep(0.01)
    await reader.aclose()
    gc.collect()
    assert unseen == []
