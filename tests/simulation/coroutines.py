"""
Coroutines in virtual time: enough of an event loop to run the services as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Future(Generic[T]):
    """
    A result that comes later, once.
    """

    __slots__ = ("_callbacks", "_error", "_value", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] = []

    def resolve(self, value: T) -> None:
        """Give the result; later ones are ignored."""
        if not self.done:
            self._value = value
            self.done = True
            for callback in self._callbacks:
                callback()

    def fail(self, error: BaseException) -> None:
        """Give an error instead."""
        if not self.done:
            self._error = error
            self.done = True
            for callback in self._callbacks:
                callback()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back when there is a result."""
        if self.done:
            callback()
        else:
            self._callbacks.append(callback)

    def result(self) -> T:
        """Return the result or raise the error."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self.done:
            yield self
        return self.result()


class _Running(Future[T]):
    """
    A coroutine on its way to its result.
    """

    __slots__ = ("_alive", "_send")

    def __init__(self, coroutine: Coroutine[Any, Any, T], alive: Callable[[], bool]) -> None:
        super().__init__()
        self._send = coroutine.send
        self._alive = alive

    def step(self) -> None:
        """Go on as far as possible."""
        if not self._alive():
            return
        try:
            awaited = self._send(None)
        except StopIteration as end:
            self.resolve(end.value)
        except Exception as error:  # noqa: BLE001 - whoever awaits the result hears it
            self.fail(error)
        else:
            awaited.when_done(self.step)


def start(coroutine: Coroutine[Any, Any, T], alive: Callable[[], bool]) -> Future[T]:
    """
    Run a coroutine as far as it goes, and on whenever what it waits for is there, as long as its owner is alive.
    """
    running = _Running(coroutine, alive)
    running.step()
    return running
