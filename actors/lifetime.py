"""
How long an actor process lives: until it is told to stop, or until its own machine fails.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger(__name__)

FAILED_STATUS = 70


async def tick_forever(seconds: float, tick: Callable[[], None]) -> None:
    """
    Call `tick` every so often; if it fails, end the process.

    A machine that failed half-way is not trusted again: Ray starts the actor anew, and it recovers as from any crash.
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            tick()
        except Exception:
            log.exception("machine failed, process ends")
            os._exit(FAILED_STATUS)
