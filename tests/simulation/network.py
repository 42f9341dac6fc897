"""
The network between processes: calls that are delayed, overtaken, lost, or answered too late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.coroutines import Future

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
        clogged_until = self._clogged.get(frozenset((one.name, other.name)), 0.0)
        return delay + max(0.0, clogged_until - world.scheduler.now)


class _Call:
    """
    One call on its way.
    """

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
        self._on_result = on_result
        self._over = False

    def send(self) -> None:
        world, caller, target = self._world, self._caller, self._target
        scheduler = world.scheduler
        if target is None:
            self._fail(scheduler.between(0.001, 0.05))
            return
        caller.later(CALL_SECONDS_MAX, lambda: self._end(None))
        if scheduler.chance(world.weather.loss / 2):
            self._maybe_fail_early()
            return
        dies_with_caller = scheduler.chance(0.5)
        delay = world.network.delay(caller, target)
        scheduler.later(delay, lambda: self._arrive(dies_with_caller=dies_with_caller))

    def _arrive(self, *, dies_with_caller: bool) -> None:
        target = self._target
        assert target is not None
        if not self._caller.up and dies_with_caller:
            return
        if not target.up:
            self._fail(self._world.scheduler.between(0.0, 0.1))
            return
        target.run(lambda: self._handle(target))

    def _handle(self, target: Process) -> None:
        result = self._action(target)
        if isinstance(result, Future):
            target.on_death.append(lambda: self._fail(self._world.scheduler.between(0.0, 0.1)))
            result.when_done(lambda: self._answer(target, result.result()))
        else:
            self._answer(target, result)

    def _answer(self, target: Process, result: Any) -> None:
        scheduler = self._world.scheduler
        if scheduler.chance(self._world.weather.loss / 2):
            self._maybe_fail_early()
            return
        delay = self._world.network.delay(target, self._caller)
        scheduler.later(delay, lambda: self._caller.run(lambda: self._end(result)))

    def _maybe_fail_early(self) -> None:
        if self._world.scheduler.chance(0.5):
            self._fail(self._world.scheduler.between(0.0, 1.0))

    def _fail(self, delay: float) -> None:
        self._caller.later(delay, lambda: self._end(None))

    def _end(self, result: Any) -> None:
        if not self._over:
            self._over = True
            self._on_result(result)
