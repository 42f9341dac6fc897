"""
A world: a server of several processes, its clients, the weather, and the judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain.conversation import notification_stream_id, self_stream_id, single_chat_id
from openim_ray.domain.errors import OpenIMError
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User
from tests.simulation.coroutines import Future
from tests.simulation.faults import FAIR, Weather
from tests.simulation.gateways import GatewayProcess
from tests.simulation.groups import CHAT, STREAM, GroupChanges
from tests.simulation.links import HOLD_SECONDS
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle
from tests.simulation.persistence import PersistenceProcess
from tests.simulation.process import EPOCH_MS, Process
from tests.simulation.scheduler import Scheduler, Timeouts
from tests.simulation.shards import ShardProcess
from tests.simulation.stores import Stores
from tests.simulation.supervisor import SupervisorProcess
from tests.simulation.tokens import Tokens
from tests.simulation.tracing import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from tests.simulation.clients.device import Device
    from tests.simulation.sockets import Socket

HTTP_SECONDS_MAX = 10.0
SUPERVISOR = "supervisor"


class WorldSettings(NamedTuple):
    """
    What a world consists of.
    """

    users: tuple[str, ...] = ("alice", "bob", "carol")
    gateways: int = 1
    shards: int = 1
    persistence: int = 1
    seconds: float = 20.0
    shard: ShardSettings = ShardSettings()
    log_tail: int = 64
    commit_rows_max: int = 512
    marks: bool = True
    restart_seconds: float = 2.0
    history: bool = False
    """Whether there is a history besides the message store."""
    retention_seconds: float = 0.0
    """How long messages stay in the message store at least once the history has them; 0 for ever."""
    group: bool = False
    """Whether there is a group."""
    group_history: bool = True
    """Whether who comes to it sees what was before."""
    history_rows_max: int = 20_000
    history_conversations_max: int = 100_000
    link_queue_max: int = 5_000
    repeats_at_once: int = 1_000
    watchers: bool = False
    """Whether clients watch each other, and go to the background at times."""


class CrashPoints:
    """
    Decides at which points a process dies; none by themselves.
    """

    at_steps = False
    """Whether it decides at the steps of a process, too."""

    def reached(self, process: Process, point: str) -> bool:
        """Tell whether the process died here."""
        return False


class RandomCrashes(CrashPoints):
    """
    Crashes around store calls, as the weather wants it.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def reached(self, process: Process, point: str) -> bool:
        """Throw a coin around store calls; crashes between steps are planned by the weather."""
        if point == "step" or not self._world.scheduler.chance(self._world.weather.crash_at_store):
            return False
        self._world.crash(process)
        return True


class World:
    """
    Everything of one seed.

    Args:
        trace: is called with each line of what happens.
    """

    def __init__(
        self, seed: int, settings: WorldSettings, weather: Weather, trace: Callable[[str], None] | None = None
    ) -> None:
        self.scheduler = Scheduler(seed)
        self.settings = settings
        self.weather = weather
        self.clock_skew_ms = weather.clock_skew_ms
        self.had_zombies = False
        self.sockets_seen: list[Socket] = []
        self.devices: list[Device] = []
        self.pairs: list[tuple[str, str]] = []
        self.crashes = 0
        self.closing = False
        """Nobody comes back by a plan that was made before; who is to be online is."""
        self._trace = trace
        self.traced = trace is not None
        self._numbers = 0
        self._offsets: dict[str, int] = {}
        self._incarnations: dict[str, Process] = {}
        self._processes: dict[str, Process | None] = {}
        self._conversations: dict[str, set[str]] = {}
        self._in_order: dict[str, list[str]] = {}
        self._claims: dict[str, list[tuple[str, str]]] = {}
        self.stores = Stores(self)
        self.groups = GroupChanges(self)
        self.network = Network(self)
        self.holds = Timeouts(self.scheduler, HOLD_SECONDS)
        """Of what is answered a little later, in case that something can ride back."""
        self.oracle = Oracle(self)
        self.tokens = Tokens(self)
        self.crash_points: CrashPoints = CrashPoints()
        self.gateway_names = [f"gateway-{number}" for number in range(settings.gateways)]
        self.shard_names = [f"inbox-{number}" for number in range(settings.shards)]
        self.persistence_names = [f"persistence-{number}" for number in range(settings.persistence)]
        self._dedicated: dict[str, str] = {}
        self.stores.tables.users.update(settings.users)
        self.stores.tables.directory.register([User(user_id=UserID(user_id)) for user_id in settings.users])
        for name in [SUPERVISOR, *self.persistence_names, *self.shard_names, *self.gateway_names]:
            self.start(name)

    # --- numbers and clocks

    def next_number(self) -> int:
        """Return a number that no one else has."""
        self._numbers += 1
        return self._numbers

    def wall_ms(self) -> int:
        """Return the true time."""
        return EPOCH_MS + int(self.scheduler.now * 1000)

    def clock_offset_ms(self, name: str) -> int:
        """Return how wrong the clock of a process's node is."""
        return self._offsets.setdefault(name, self.scheduler.random.randint(-self.clock_skew_ms, self.clock_skew_ms))

    def trace(self, who: Process | Device, what: str, about: object) -> None:
        """Report what happens, if somebody wants to know."""
        if self._trace is not None:
            name = who.incarnation if isinstance(who, Process) else who.name
            self._trace(f"{self.scheduler.now:9.4f} {name:<16} {what} {brief(about)}")

    def tell(self, what: str) -> None:
        """Report what happens to the world."""
        if self._trace is not None:
            self._trace(f"{self.scheduler.now:9.4f} {'world':<16} {what}")

    # --- processes

    def start(self, name: str) -> None:
        """Start a process (anew)."""
        process = self._make(name)
        self._processes[name] = process
        self._incarnations[process.incarnation] = process
        self.tell(f"{process.incarnation} starts")

    def _make(self, name: str) -> Process:
        if name == SUPERVISOR:
            return SupervisorProcess(self, name)
        if name in self.gateway_names:
            return GatewayProcess(self, name)
        if name in self.persistence_names:
            return PersistenceProcess(self, name)
        return ShardProcess(self, name, self._dedicated.get(name, ""))

    def dedicated_name(self, user_id: str) -> str:
        """Return the name of a user's own actor, whether it is there or not."""
        return f"inbox-{user_id}"

    def start_dedicated(self, user_id: str) -> str:
        """Start an actor for a user, unless it is there; returns its name."""
        name = self.dedicated_name(user_id)
        if name not in self._dedicated:
            self._dedicated[name] = user_id
            self.start(name)
        return name

    def end_dedicated(self, name: str) -> None:
        """End a user's actor for good."""
        self._dedicated.pop(name, None)
        process = self._processes.pop(name, None)
        if process is not None:
            self.tell(f"{process.incarnation} ends")
            process.die()

    def dedicated_names(self) -> list[str]:
        """Return the names of the actors that were started for users."""
        return list(self._dedicated)

    def supervisor(self) -> SupervisorProcess | None:
        """Return the supervisor, if it is up."""
        process = self._processes[SUPERVISOR]
        return process if isinstance(process, SupervisorProcess) else None

    def owned_by(self, process: Process, user_ids: Iterable[str]) -> list[str]:
        """Return those users for the owner of whose inboxes the supervisor takes a process."""
        supervisor = self.supervisor()
        placement = supervisor.placement() if supervisor is not None else None
        if placement is None or self.find(process.name) is not process:
            return []
        return [user_id for user_id in user_ids if placement.inbox_of(user_id) == process.name]

    def find(self, name: str) -> Process | None:
        """Return the process of that name, if it is up."""
        return self._processes.get(name)

    def find_incarnation(self, incarnation: str) -> Process:
        """Return a process, dead or alive."""
        return self._incarnations[incarnation]

    def any_gateway(self) -> GatewayProcess | None:
        """Return a gateway that a client happens to reach."""
        process = self._processes[self.scheduler.random.choice(self.gateway_names)]
        return process if isinstance(process, GatewayProcess) and process.serving else None

    def crash(self, process: Process) -> None:
        """Kill a process; it starts anew a little later."""
        if not process.up:
            return
        self.tell(f"{process.incarnation} dies")
        self.crashes += 1
        process.die()
        if self._processes.get(process.name) is process:
            self._processes[process.name] = None
            delay = self.scheduler.between(0.05, self.settings.restart_seconds)
            self.scheduler.later(delay, lambda: self._restart(process.name))

    def _restart(self, name: str) -> None:
        gone = name not in self._processes
        if not gone and self._processes[name] is None:
            self.start(name)

    def crash_everything(self) -> None:
        """Kill all processes at once."""
        for process in list(self._processes.values()):
            if process is not None:
                self.crash(process)

    def replace(self, name: str, seconds: float) -> None:
        """Start a process anew while the old one lives on for a while, cut off from whoever could end it."""
        old = self._processes.get(name)
        if old is None or not old.serving:
            return
        self.had_zombies = self.had_zombies or name in self.shard_names
        self.tell(f"{old.incarnation} becomes a zombie")
        self._processes[name] = None
        self.start(name)
        self.scheduler.later(seconds, lambda: self.crash(old))

    def running(self) -> list[Process]:
        """Return the processes that are up, zombies left out."""
        return [process for process in self._processes.values() if process is not None]

    def heal(self) -> None:
        """Let nothing fail from now on."""
        self.tell("heals")
        self.weather = FAIR
        self.network.heal()
        self.stores.heal()
        for process in self._incarnations.values():
            process.resume()

    # --- users

    def befriend(self, one: str, other: str) -> None:
        """Let two users write to each other."""
        self.pairs.append((one, other))
        chat = single_chat_id(one, other)
        streams = (chat, notification_stream_id(chat))
        for stream in streams:
            self._claims.setdefault(stream, []).append((one, other))
        for user_id in (one, other):
            self._may_hear_of(user_id, streams)

    def gather(self) -> None:
        """Let all users hear of the group, when they come to it."""
        for user_id in self.settings.users:
            self._may_hear_of(user_id, (CHAT, STREAM))

    def _may_hear_of(self, user_id: str, streams: Iterable[str]) -> None:
        self._conversations.setdefault(user_id, {self_stream_id(user_id)}).update(streams)
        self._in_order[user_id] = sorted(self._conversations[user_id])

    def pairs_of(self, conversation_id: str) -> list[tuple[str, str]]:
        """Return the pairs of users whose chat or stream has this id: mostly one, of which it is; none for a self stream."""
        return self._claims.get(conversation_id, [])

    def conversations_of(self, user_id: str) -> list[str]:
        """Return every conversation and stream that a user may hear of."""
        return self._in_order.get(user_id, [])

    def hears_of(self, user_id: str, conversation_id: str) -> bool:
        """Tell whether a user may hear of a conversation or stream."""
        return conversation_id in self._conversations.get(user_id, ())

    def http(self, action: Callable[[GatewayProcess], Coroutine[Any, Any, object]]) -> Future[bool]:
        """Call a gateway's HTTP API; tells whether it was answered without error."""
        future: Future[bool] = Future()
        gateway = self.any_gateway()
        fail = lambda: future.resolve(False)  # noqa: E731
        self.scheduler.later(HTTP_SECONDS_MAX, fail)
        if gateway is None:
            self.scheduler.later(0.05, fail)
            return future

        async def serve() -> None:
            try:
                await action(gateway)
            except OpenIMError as error:
                self.trace(gateway, "HTTP error", error)
                self.scheduler.later(0.01, fail)
            else:
                self.scheduler.later(0.01, lambda: future.resolve(True))

        gateway.on_death[future] = lambda: self.scheduler.later(0.01, fail)
        self.scheduler.later(self.scheduler.between(0.001, 0.05), lambda: gateway.run(lambda: gateway.spawn(serve())))
        return future
