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
HALF = 0.5


class Network:
    """
    Carries calls, as Ray does between actors: no order, and a call that failed may have run.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._scheduler = world.scheduler
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
        world, scheduler = self._world, self._scheduler
        call = _Call(world, caller, target, action, on_result)
        if target is None:
            call.fail(scheduler.between(0.001, 0.05))
            return
        call.timeout = self.timeouts.begin(call.fail_now)
        loss = world.weather.loss
        if loss and scheduler.draw() < loss / 2:
            call.maybe_fail_early()
            return
        call.dies_with_caller = scheduler.draw() < HALF
        scheduler.later(self.delay(caller, target), call.arrive)

    def delay(self, one: Process, other: Process) -> float:
        """Return how long something takes from one process to another now."""
        draw, weather = self._scheduler.draw, self._world.weather
        if weather.slow and draw() < weather.slow:
            delay = weather.slow_seconds * draw()
        else:
            delay = weather.delay + weather.jitter * draw()
        if not self._clogged:
            return delay
        clogged_until = self._clogged.get(frozenset((one.name, other.name)), 0.0)
        return delay + max(0.0, clogged_until - self._scheduler.now)


class _Call:
    """
    One call on its way.
    """

    __slots__ = ("_action", "_caller", "_on_result", "_result", "_target", "_world", "dies_with_caller", "timeout")

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
        self._result: Any = None
        self.dies_with_caller = False
        self.timeout: Timeout | None = None

    def arrive(self) -> None:
        target = self._target
        assert target is not None
        if self.dies_with_caller and not self._caller.up:
            return
        if not target.up:
            self._fail_soon()
            return
        target.run(self._handle)

    def _handle(self) -> None:
        target = self._target
        assert target is not None
        result = self._action(target)
        if not isinstance(result, Future):
            self._answer(target, result)
        elif result.done:
            self._answer(target, result.result())
        else:
            self._result = result
            target.on_death[self] = self._fail_soon
            result.when_done(self._resolved)

    def _resolved(self) -> None:
        target = self._target
        assert target is not None
        target.on_death.pop(self, None)
        self._answer(target, self._result.result())

    def _answer(self, target: Process, result: Any) -> None:
        world, self._result = self._world, result
        scheduler, loss = world.scheduler, world.weather.loss
        if loss and scheduler.draw() < loss / 2:
            self.maybe_fail_early()
            return
        scheduler.later(world.network.delay(target, self._caller), self._arrive_back)

    def _arrive_back(self) -> None:
        self._caller.run(self._answered)

    def _answered(self) -> None:
        self._end(self._result)

    def maybe_fail_early(self) -> None:
        if self._world.scheduler.chance(0.5):
            self.fail(self._world.scheduler.between(0.0, 1.0))

    def _fail_soon(self) -> None:
        if self._on_result is not None:
            self.fail(self._world.scheduler.between(0.0, 0.1))

    def fail(self, delay: float) -> None:
        self._world.scheduler.later(delay, self.fail_now)

    def fail_now(self) -> None:
        if self._on_result is not None:
            self._caller.run(self._failed)

    def _failed(self) -> None:
        self._end(None)

    def _end(self, result: Any) -> None:
        on_result, self._on_result = self._on_result, None
        if on_result is not None:
            if self.timeout is not None:
                self.timeout.call_off()
            on_result(result)
