"""
A fixed scenario in fair weather, and crashes at a chosen point of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.clients.go import GoDevice
from tests.simulation.clients.js import JavaScriptDevice
from tests.simulation.clients.pypi import PythonDevice
from tests.simulation.faults import FAIR
from tests.simulation.scenario import settle
from tests.simulation.world import CrashPoints, World, WorldSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process

SEED = 7
END = 9.0
NEVER = 1 << 40
RETENTION_SECONDS = 1.0


class CrashAt(CrashPoints):
    """
    The process that reaches the n-th point of a kind dies there.
    """

    at_steps = True

    def __init__(self, world: World, point: str, number: int) -> None:
        self.reached_count = 0
        self._world = world
        self._point = point
        self._number = number

    @property
    def crashed(self) -> bool:
        """Tell whether there were so many points."""
        return self.reached_count >= self._number

    def reached(self, process: Process, point: str) -> bool:
        """Count, and kill at the right moment."""
        if point != self._point or self._world.scheduler.now > END:
            return False
        self.reached_count += 1
        if self.reached_count != self._number:
            return False
        self._world.crash(process)
        return True


def live_through(point: str, number: int, trace: Callable[[str], None] | None = None) -> bool:
    """
    Play the scenario with a crash at the n-th point of a kind; False if it has fewer.
    """
    return _live(point, number, trace).crashed


def count_points(point: str) -> int:
    """
    Play the scenario without a crash, and return how many points of a kind it has.
    """
    return _live(point, NEVER).reached_count


def _live(point: str, number: int, trace: Callable[[str], None] | None = None) -> CrashAt:
    settings = WorldSettings(
        users=("alice", "bob"), shards=2, restart_seconds=1.0, history=True, retention_seconds=RETENTION_SECONDS
    )
    world = World(SEED, settings, FAIR, trace)
    crash = CrashAt(world, point, number)
    world.crash_points = crash
    world.befriend("alice", "bob")
    _play(world)
    world.scheduler.run_until(END)
    settle(world)
    return crash


def _play(world: World) -> None:
    phone, page, script = (
        GoDevice(world, "alice", 1, 0),
        JavaScriptDevice(world, "bob", 5, 0),
        PythonDevice(world, "bob", 7, 0),
    )
    world.devices += [phone, page, script]
    later = world.scheduler.later
    for device in world.devices:
        later(0.5, device.log_in)
    later(2.0, lambda: phone.send("bob"))
    later(2.5, lambda: [page.send("alice") for _ in range(3)])
    later(3.0, lambda: phone.go_offline(silently=False))
    later(3.2, lambda: script.send("alice"))
    later(4.0, lambda: page.mark_read("alice"))
    later(4.5, phone.come_online)
    later(5.5, lambda: phone.mark_read("bob"))
    later(5.6, lambda: phone.send("bob", online_only=True))
    later(6.0, lambda: [phone.send("bob"), page.send("alice")])
