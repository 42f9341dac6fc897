"""
Keeping up with the placement table: the supervisor tells who is there, and who missed it asks.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from openim_ray.actors.refs import call
from openim_ray.actors.settings import SUPERVISOR
from openim_ray.domain.errors import OpenIMError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openim_ray.core.placement import Placement

ASK_SECONDS = 2.0
ASK_SECONDS_DEDICATED = 20.0
"""An actor with one inbox hears of a change that concerns it; there may be thousands of them."""

log = structlog.get_logger(__name__)


async def follow_placement(
    namespace: str, seconds: float, epoch: Callable[[], int], take: Callable[[Placement], Awaitable[None]]
) -> None:
    """
    Ask for the table every so often, for ever, and take a newer one over.
    """
    while True:
        await asyncio.sleep(seconds)
        try:
            placement: Placement = await call(SUPERVISOR, namespace, "placement")
            if placement.epoch > epoch():
                await take(placement)
        except OpenIMError as error:
            log.info("placement not known; asked again", error=str(error))
