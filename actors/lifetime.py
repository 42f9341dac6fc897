"""
How long an actor process lives: until it is told to stop, or until its own machine fails.
"""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING

import structlog

from openim_ray.domain.errors import Superseded, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

log = structlog.get_logger(__name__)

FAILED_STATUS = 70
TELL_SECONDS = 5.0
"""So long a process that could not start stays, so that who started it hears why; then Ray tries again."""


def begin(start: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """
    Start an actor; a failure is logged, told by `check_start`, and then ends the process.
    """
    loop = asyncio.get_running_loop()
    started = loop.create_task(start)

    def finished(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("could not start, process ends soon", error=repr(error))
        loop.call_later(TELL_SECONDS, os._exit, FAILED_STATUS)

    started.add_done_callback(finished)
    return started


def check_start(name: str, started: asyncio.Task[None]) -> None:
    """
    Raise Unavailable if the actor could not start, saying why.
    """
    if started.done() and not started.cancelled() and started.exception() is not None:
        raise Unavailable(f"{name} could not start: {started.exception()!r}")


def _leave_start_out_of_collections() -> None:
    """
    Keep what the start has made, modules above all, out of the garbage collector's sight: it stays for life.

    Looking through it stops an actor for 120 ms: with all that waits meanwhile, one message in a hundred of ten seconds at 1,000/s (measured).
    """
    gc.collect()
    gc.freeze()


async def tick_forever(seconds: float, tick: Callable[[], None]) -> None:
    """
    Call `tick` every so often; if it fails, end the process.

    A machine that failed half-way is not trusted again: Ray starts the actor anew, and it recovers as from any crash.
    """
    _leave_start_out_of_collections()
    while True:
        await asyncio.sleep(seconds)
        try:
            tick()
        except Superseded as error:
            log.warning("superseded, process ends", error=str(error))
            os._exit(FAILED_STATUS)
        except Exception:
            log.exception("machine failed, process ends")
            os._exit(FAILED_STATUS)
