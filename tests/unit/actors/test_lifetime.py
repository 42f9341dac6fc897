"""What an actor process does when its start is over."""

from __future__ import annotations

import asyncio
import gc

from openim_ray.actors.lifetime import tick_forever


async def test_what_a_start_made_is_left_out_of_collections() -> None:
    """A full collection would stop the actor for as long as it takes to look through every module."""
    gc.unfreeze()
    ticking = asyncio.create_task(tick_forever(60.0, lambda: None))
    try:
        await asyncio.sleep(0)
        assert gc.get_freeze_count() > 0
    finally:
        ticking.cancel()
        gc.unfreeze()
