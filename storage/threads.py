"""
Threads of a store: blocking calls of a database run there, never on the event loop and never on its default executor.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from openim_ray.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Closable(Protocol):
        """What a thread works with."""

        def close(self) -> None:
            """Give it back."""


R = TypeVar("R", bound="Closable")
T = TypeVar("T")

PENDING_MAX = 1024


class Threads(Generic[R]):
    """
    A few threads, each with a resource (a connection) of its own, made at its first call.

    Limit: `PENDING_MAX` calls wait or run; one more is refused with Unavailable. A call whose caller was cancelled still
    runs to its end.
    """

    def __init__(self, name: str, count: int, connect: Callable[[], R]) -> None:
        self._name = name
        self._connect = connect
        self._local = threading.local()
        self._resources: list[R] = []
        self._pending: set[asyncio.Future[Any]] = set()
        self._executor: ThreadPoolExecutor | None = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, call: Callable[[R], T]) -> T:
        """Run a blocking call with a thread's resource."""
        if self._executor is None:
            raise Unavailable(f"{self._name} is closed")
        if len(self._pending) >= PENDING_MAX:
            raise Unavailable(f"{self._name}: {PENDING_MAX} calls wait already")
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._call, call)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return await asyncio.shield(future)

    async def aclose(self) -> None:
        """Let running calls end, then close every resource and end the threads; harmless if repeated."""
        executor, self._executor = self._executor, None
        if executor is None:
            return
        if self._pending:
            await asyncio.wait(self._pending)
        await asyncio.get_running_loop().run_in_executor(executor, self._close_resources)
        executor.shutdown()

    def _call(self, call: Callable[[R], T]) -> T:
        resource: R | None = getattr(self._local, "resource", None)
        if resource is None:
            resource = self._connect()
            self._local.resource = resource
            self._resources.append(resource)
        return call(resource)

    def _close_resources(self) -> None:
        for resource in self._resources:
            resource.close()
        self._resources.clear()
