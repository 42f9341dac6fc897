"""What happened at one client, in order: tests wait for what they expect and look at what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

WAIT_SECONDS = 20.0
"""How long a test waits for what has to happen; far above what anything takes on an idle machine."""


class Event(NamedTuple):
    """Something that a client reported: a callback of an SDK, an HTTP answer, a line of a console."""

    name: str
    data: Any


class EventLog:
    """The events of one client. `position` marks a moment; whoever waits may ask for what comes after one."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._events: list[Event] = []
        self._added = asyncio.Event()

    @property
    def position(self) -> int:
        """How many events there were so far."""
        return len(self._events)

    def add(self, name: str, data: Any = None) -> None:
        """Note an event."""
        self._events.append(Event(name, data))
        self._added.set()

    def named(self, *names: str, after: int = 0) -> list[Event]:
        """Return the events of these names."""
        return [event for event in self._events[after:] if event.name in names]

    async def wait(
        self, matches: Callable[[Event], bool], what: str, *, after: int = 0, seconds: float = WAIT_SECONDS
    ) -> Event:
        """Return the first event that matches, waiting for it if need be; AssertionError with the latest events if it doesn't come."""
        try:
            async with asyncio.timeout(seconds):
                return await self._first(matches, after)
        except TimeoutError:
            latest = "\n".join(f"  {event.name} {str(event.data)[:300]}" for event in self._events[-25:])
            raise AssertionError(f"{self._owner}: no {what} within {seconds:g} s; latest events:\n{latest}") from None

    async def wait_for(self, name: str, *, after: int = 0, seconds: float = WAIT_SECONDS) -> Any:
        """Return the data of the first event of this name."""
        event = await self.wait(lambda event: event.name == name, name, after=after, seconds=seconds)
        return event.data

    async def _first(self, matches: Callable[[Event], bool], index: int) -> Event:
        while True:
            for event in self._events[index:]:
                if matches(event):
                    return event
            index = len(self._events)
            self._added.clear()
            await self._added.wait()
