"""
A process of the server: something that runs, pauses and dies at once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from openim_ray.domain.errors import OpenIMError
from tests.simulation.coroutines import Future, start
from tests.simulation.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from openim_ray.core.items import AnyItem
    from tests.simulation.world import World

EPOCH_MS = 1_764_000_000_000


class Process:
    """
    One incarnation of an actor. When it dies, nothing that it had planned happens any more.
    """

    tick_seconds = 0.2

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.number = world.next_number()
        self.incarnation = f"{name}#{self.number}"
        self.traced = world.traced
        self.up = True
        self.serving = False
        self.paused_until = 0.0
        self._deferred: list[Callable[[], None]] = []
        self.on_death: dict[object, Callable[[], object]] = {}
        """What is done at its death, each for somebody."""
        self._scheduler = world.scheduler
        self._offset_ms = world.clock_offset_ms(name)
        self._monotonic = world.scheduler.between(0.0, 1_000.0)
        self._later = world.scheduler.later
        self._run = self.run
        self._next_tick = partial(self.run, self._tick)
        self.links = Links(self)

    # --- time

    @property
    def now(self) -> float:
        """Return this process's monotonic clock."""
        return self._scheduler.now + self._monotonic

    @property
    def wall_ms(self) -> int:
        """Return this process's wall clock."""
        return EPOCH_MS + int(self._scheduler.now * 1000) + self._offset_ms

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Do something later, if still alive."""
        self._later(delay, partial(self._run, action))

    def run(self, action: Callable[[], None]) -> None:
        """Do something now; a paused process does it when it goes on, a dead one never."""
        if not self.up:
            return
        if self._deferred or self.paused_until > self._scheduler.now:
            self._deferred.append(action)
            if len(self._deferred) == 1:
                self._wake_later()
        else:
            points = self.world.crash_points
            if not points.at_steps or not points.reached(self, "step"):
                action()

    def resume(self) -> None:
        """End a pause."""
        self.paused_until = 0.0
        self._wake()

    def _wake_later(self) -> None:
        self.world.scheduler.later(max(0.0, self.paused_until - self.world.scheduler.now), self._wake)

    def _wake(self) -> None:
        if self.paused_until > self.world.scheduler.now:
            self._wake_later()
            return
        deferred, self._deferred = self._deferred, []
        for action in deferred:
            self.run(action)

    # --- life

    def begin(self) -> None:
        """Start to work."""
        self.serving = True
        self.later(self.world.scheduler.between(0, self.tick_seconds), self._tick)

    def die(self) -> None:
        """Die at once."""
        self.up = False
        callbacks, self.on_death = self.on_death, {}
        for callback in callbacks.values():
            callback()

    def reported_incarnation(self) -> str:
        """Return who this process is; empty until it can work."""
        return self.incarnation if self.serving else ""

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Future[None]:
        """Run a coroutine that lives as long as this process; an error that it does not handle fails the world."""
        done = start(coroutine, self._is_up)
        done.when_done(done.result)
        return done

    def _is_up(self) -> bool:
        return self.up

    def sleep(self, seconds: float) -> Future[None]:
        """Return something to await."""
        future: Future[None] = Future()
        self.later(seconds, lambda: future.resolve(None))
        return future

    async def until_told(self, name: str, question: Callable[[Any], Any]) -> Any:
        """Ask a process by name until it answers."""
        while True:
            answer: Future[Any] = Future()
            self.world.network.call(self, self.world.find(name), question, answer.resolve)
            told = await answer
            if told is not None:
                return told
            await self.sleep(0.1)

    async def follow_placement(self, seconds: float, epoch: Callable[[], int]) -> None:
        """Ask for the table every so often, and take a newer one over."""
        while True:
            await self.sleep(seconds)
            placement = await self.until_told("supervisor", lambda there: there.placement())
            if placement.epoch > epoch():
                await self.place(placement)

    def place(self, placement: Any) -> Future[bool]:
        """Take over a newer placement; False if that was not possible."""
        raise NotImplementedError

    def _tick(self) -> None:
        self._later(self.tick_seconds, self._next_tick)
        self.links.tick()
        self.on_tick()

    # --- what a process is told

    def on_tick(self) -> None:
        """Do what is due."""

    def on_items(self, peer: str, batch: Sequence[AnyItem]) -> None:
        """Handle items of a peer, in order."""
        raise NotImplementedError

    def on_link_reset(self, peer: str) -> None:
        """Go on after the link with a peer began anew."""
        raise NotImplementedError


__all__ = ["EPOCH_MS", "OpenIMError", "Process"]
