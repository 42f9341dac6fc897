"""
The network between processes: calls that are delayed, overtaken, lost, or answered too late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.coroutines import Future
from tests.simulation.scheduler import Timeout, Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process
    from tests.simulation.world import World

CALL_SECONDS_MAX = 10.0


class Network:
    """
    Carries calls, as Ray does between actors: no order, and a call that failed may have run.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._clogged: dict[frozenset[str], float] = {}
        self.timeouts = Timeouts(world.scheduler, CALL_SECONDS_MAX)

    def clog(self, one: str, other: str, seconds: float) -> None:
        """Let nothing through between two processes for a while; it arrives afterwards."""
        self._clogged[frozenset((one, other))] = self._world.scheduler.now + seconds

    def heal(self) -> None:
        """End all clogs."""
        self._clogged.clear()

    def call(
        self,
        caller: Process,
        target: Process | None,
        action: Callable[[Any], Any],
        on_result: Callable[[Any], None],
    ) -> None:
        """
        Run an action at a target; the caller hears its result, or None if the call failed or took too long.

        An action that returns a future is answered when that is done.
        """
        _Call(self._world, caller, target, action, on_result).send()

    def delay(self, one: Process, other: Process) -> float:
        """Return how long something takes from one process to another now."""
        world, weather = self._world, self._world.weather
        if world.scheduler.chance(weather.slow):
            delay = world.scheduler.between(0, weather.slow_seconds)
        else:
            delay = weather.delay + world.scheduler.between(0, weather.jitter)
        if not self._clogged:
            return delay
        clogged_until = self._clogged.get(frozenset((one.name, other.name)), 0.0)
        return delay + max(0.0, clogged_until - world.scheduler.now)


class _Call:
    """
    One call on its way.
    """

    __slots__ = ("_action", "_caller", "_dies_with_caller", "_on_result", "_result", "_target", "_timeout", "_world")

    def __init__(
        self,
        world: World,
        caller: Process,
        target: Process | None,
        action: Callable[[Any], Any],
        on_result: Callable[[Any], None],
    ) -> None:
        self._world = world
        self._caller = caller
        self._target = target
        self._action = action
        self._on_result: Callable[[Any], None] | None = on_result
        self._dies_with_caller = False
        self._result: Any = None
        self._timeout: Timeout | None = None

    def send(self) -> None:
        world, caller, target = self._world, self._caller, self._target
        scheduler = world.scheduler
        if target is None:
            self._fail(scheduler.between(0.001, 0.05))
            return
        self._timeout = world.network.timeouts.begin(self._fail_now)
        if scheduler.chance(world.weather.loss / 2):
            self._maybe_fail_early()
            return
        self._dies_with_caller = scheduler.chance(0.5)
        scheduler.later(world.network.delay(caller, target), self._arrive)

    def _arrive(self) -> None:
        target = self._target
        assert target is not None
        if not self._caller.up and self._dies_with_caller:
            return
        if not target.up:
            self._fail_soon()
            return
        target.run(self._handle)

    def _handle(self) -> None:
        target = self._target
        assert target is not None
        result = self._action(target)
        self._result = result
        if isinstance(result, Future) and not result.done:
            target.on_death[self] = self._fail_soon
            result.when_done(self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        world, target, result = self._world, self._target, self._result
        assert target is not None
        if isinstance(result, Future):
            target.on_death.pop(self, None)
            self._result = result.result()
        if world.scheduler.chance(world.weather.loss / 2):
            self._maybe_fail_early()
            return
        world.scheduler.later(world.network.delay(target, self._caller), self._arrive_back)

    def _arrive_back(self) -> None:
        self._caller.run(self._answered)

    def _answered(self) -> None:
        self._end(self._result)

    def _maybe_fail_early(self) -> None:
        if self._world.scheduler.chance(0.5):
            self._fail(self._world.scheduler.between(0.0, 1.0))

    def _fail_soon(self) -> None:
        if self._on_result is not None:
            self._fail(self._world.scheduler.between(0.0, 0.1))

    def _fail(self, delay: float) -> None:
        self._world.scheduler.later(delay, self._fail_now)

    def _fail_now(self) -> None:
        if self._on_result is not None:
            self._caller.run(self._failed)

    def _failed(self) -> None:
        self._end(None)

    def _end(self, result: Any) -> None:
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            if self._timeout is not None:
                self._timeout.call_off()
            on_result(result)
