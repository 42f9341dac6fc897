"""
How an actor waits for stores that are not there yet: the server may start before them, in any order.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import structlog

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.places import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

log = structlog.get_logger(__name__)

WAITING = "waiting"
"""Under this key an actor that is not ready says which store it waits for."""

TRY_SECONDS = 0.5
"""Between two tries; a store that came is noticed so soon."""


class StoreWaits:
    """
    Opens stores one after the other, each as soon as it answers, and knows which one is waited for.
    """

    def __init__(self) -> None:
        self.waiting_for = ""
        """What is not there, and why; empty while nothing is waited for."""

    async def open(self, name: str, url: str, opening: Callable[[], Awaitable[T]]) -> T:
        """
        Return the opened store, waiting for it if it is a server.

        Raises whatever time does not mend: a schema that is too new, and every fault of a file in the data directory.
        """
        while True:
            try:
                opened = await opening()
            except Unavailable as error:
                if url in EMBEDDED:
                    raise
                self._waits(f"the {name}: {error.detail}")
                await asyncio.sleep(TRY_SECONDS)
            else:
                self.waiting_for = ""
                return opened

    def _waits(self, reason: str) -> None:
        if reason != self.waiting_for:
            log.warning("waiting for a store", reason=reason)
        self.waiting_for = reason
