"""
Threads of a store: blocking calls of a database run there, never on the event loop and never on its default executor.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from queue import SimpleQueue
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

    An executor of the standard library would do the same for twice the CPU: it makes two futures and a lock for each call.
    """

    def __init__(self, name: str, count: int, connect: Callable[[], R]) -> None:
        self._name = name
        self._count = count
        self._connect = connect
        self._local = threading.local()
        self._resources: list[R] = []
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pending = 0
        self._none_pending = asyncio.Event()
        self._closed = False

    async def run(self, call: Callable[[R], T]) -> T:
        """Run a blocking call with a thread's resource."""
        if self._closed:
            raise Unavailable(f"{self._name} is closed")
        if self._pending >= PENDING_MAX:
            raise Unavailable(f"{self._name}: {PENDING_MAX} calls wait already")
        return await self._hand_over(lambda: self._call(call))

    async def aclose(self) -> None:
        """Let running calls end, then close every resource and end the threads; harmless if repeated."""
        if self._closed:
            return
        self._closed = True
        while self._pending:
            self._none_pending.clear()
            await self._none_pending.wait()
        await self._hand_over(self._close_resources)
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _hand_over(self, work: Callable[[], T]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._pending >= len(self._threads) < self._count:
            thread = threading.Thread(target=self._work, name=f"{self._name}_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._pending += 1
        self._calls.put((work, future))
        return future

    def _work(self) -> None:
        """Take calls until there are no more: what a thread does."""
        while (taken := self._calls.get()) is not None:
            work, future = taken
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - whatever it was, who called hears it
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(self._settle, future, result, failure)
            # Nothing of a call may stay here until the next one comes.
            del taken, work, future, result, failure

    def _settle(self, future: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
        self._pending -= 1
        if not self._pending:
            self._none_pending.set()
        if future.done():  # its caller was cancelled
            return
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(failure)

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
