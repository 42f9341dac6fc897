"""
What happens in a world: drawn from its seed, or fixed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from openim_ray.core.shard_settings import ShardSettings
from openim_ray.domain.conversation import is_notification_stream
from openim_ray.domain.group import AT_ALL
from openim_ray.protocol.pb.msg_pb2 import GetSeqMessageReq, GetSeqMessageResp
from tests.simulation.clients.device import Device, RequestFailed
from tests.simulation.clients.go import SYNC_PAUSE_SECONDS, GoDevice
from tests.simulation.clients.js import JavaScriptDevice
from tests.simulation.clients.pulls import pulled_rows
from tests.simulation.clients.pypi import PythonDevice
from tests.simulation.coroutines import Future, start
from tests.simulation.faults import FAIR, Weather, weather_of
from tests.simulation.groups import CHAT, GROUP, INFO_SET, MUTED, GroupChanges
from tests.simulation.leaks import leaks
from tests.simulation.presence import differs
from tests.simulation.process import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.stores import HISTORY, MESSAGES, STATE
from tests.simulation.world import RandomCrashes, World, WorldSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.gateways import GatewayProcess

DAY_MS = 86_400_000
QUIET_SECONDS_MAX = 60.0
SETTLED_SECONDS = 1.5
KINDS: tuple[type[Device], ...] = (GoDevice, GoDevice, JavaScriptDevice, PythonDevice)
PLATFORMS = (1, 2, 3, 5, 7)
LOOKS_AWAY = 0.7
"""How often in a second some app goes to the background or comes back, in worlds of watchers."""

HISTORY_SHARE = 0.6
POKED_SHARE = 0.8
"""Of so many changes the log's owner is told at once; others it has to find."""
SILENT_SHARE = 0.3
"""So many come and go without a line in the chat."""
STORED_SHARE = 0.3
"""So many notifications have a seq."""
DISMISSED_SHARE = 0.02
MENTIONS_SHARE = 0.05
GROUP_EVERY = 4
WATCHING_EVERY = 8
COLLIDING_EVERY = 10
COLLIDING_USERS = ("a", "b_c", "a_b", "c")
COLLIDING_PAIRS = (("a", "b_c"), ("a_b", "c"))
"""Both make the conversation id `si_a_b_c`."""


class Rates:
    """
    How often clients do something, per second and world.
    """

    def __init__(self, scheduler: Scheduler, gateways: int) -> None:
        random = scheduler.random
        self.sends = random.choice((2.0, 5.0, 9.0))
        self.bursts = random.choice((0.0, 0.0, 0.15))
        self.typing = random.choice((0.0, 0.3))
        self.unechoed = random.choice((0.0, 0.0, 0.15))
        self.marks = random.choice((0.0, 0.5, 1.5))
        self.sets = random.choice((0.0, 0.0, 0.3))
        self.scrolls = random.choice((0.0, 0.4))
        self.absences = random.choice((0.0, 0.15, 0.6))
        self.restarts = random.choice((0.0, 0.1))
        self.rivals = random.choice((0.0, 0.0, 0.15))
        self.moves = random.choice((0.0, 0.0, 0.1, 0.4))
        # Not drawn: worlds without a group replay as they did before there were groups.
        self.group_sends = 3.0
        self.group_changes = 0.8
        # Mostly where the one gateway may hear of what the other one doesn't.
        self.logouts = random.choice((0.0, 0.4, 1.0) if gateways > 1 else (0.0, 0.0, 0.1))


def random_world(seed: int, trace: Callable[[str], None] | None = None) -> None:
    """
    Live through the world of a seed; `oracle.Violation` (or whatever broke) if something is wrong.
    """
    plan = Scheduler(seed)
    world = World(seed, _settings(seed, plan), weather_of(plan), trace)
    if world.traced:
        world.tell(str(world.weather))
        world.tell(str(world.settings))
    world.crash_points = RandomCrashes(world)
    with capture_logs() as logs:
        _people(world, plan)
        _Life(world, Rates(plan, world.settings.gateways)).begin()
        world.scheduler.run_until(world.settings.seconds)
        settle(world)
    for entry in logs:
        if entry["log_level"] == "error":
            world.oracle.violated(f"logged as a fault: {entry}")


def _settings(seed: int, plan: Scheduler) -> WorldSettings:
    random = plan.random
    users = ("alice", "bob", "carol", "dave")[: random.choice((2, 3, 3, 4))]
    if seed % COLLIDING_EVERY == COLLIDING_EVERY - 1:
        # Not drawn: the other seeds replay as they did without such worlds.
        users = COLLIDING_USERS
    queue_max, repeats = random.choice(((5_000, 1_000), (5_000, 1_000), (12, 3)))
    settings = WorldSettings(
        users=users,
        gateways=random.choice((1, 1, 2)),
        shards=random.choice((1, 2, 2, 3)),
        persistence=random.choice((1, 1, 2)),
        seconds=random.choice((7.0, 13.0, 20.0)),
        shard=ShardSettings(
            idle_seconds=random.choice((600.0, 3.0)),
            facts_seconds=random.choice((10.0, 0.5)),
            logs_max=random.choice((50_000, 1)),
            repeats_at_once=repeats,
        ),
        log_tail=random.choice((64, 64, 2)),
        commit_rows_max=random.choice((512, 2)),
        restart_seconds=random.choice((0.5, 2.0, 6.0)),
        link_queue_max=queue_max,
        repeats_at_once=repeats,
        history=random.random() < HISTORY_SHARE,
        retention_seconds=random.choice((0.0, 0.2, 2.0, 6.0)),
        history_rows_max=random.choice((20_000, 3)),
        history_conversations_max=random.choice((100_000, 1)),
        group=seed % GROUP_EVERY == 1 and users != COLLIDING_USERS,
        group_history=seed % (2 * GROUP_EVERY) == 1,
        watchers=seed % WATCHING_EVERY == WATCHING_EVERY - 1,
    )
    # Beyond the horizon of de-duplication a line would stand twice: effects never wait for so long.
    return settings._replace(retention_seconds=0.0) if settings.group else settings


def _people(world: World, plan: Scheduler) -> None:
    users = world.settings.users
    for index, one in enumerate(users):
        for other in users[index + 1 :]:
            if not world.pairs or (one, other) in COLLIDING_PAIRS or plan.chance(0.6):
                world.befriend(one, other)
    if world.settings.group:
        world.gather()
    if plan.chance(0.1):
        blocker, blocked = plan.random.sample(users, 2)
        world.stores.tables.blocked.add((blocker, blocked))
    for user_id in users:
        platforms = plan.random.sample(PLATFORMS, plan.random.choice((1, 1, 2)))
        for platform_id in platforms:
            add_device(world, plan.random.choice(KINDS), user_id, platform_id)


def add_device(world: World, kind: type[Device], user_id: str, platform_id: int) -> Device:
    """
    Let a user have another client; its clock is right, or a day off.
    """
    offset = world.scheduler.random.choice((0, 0, DAY_MS, -DAY_MS))
    device = kind(world, user_id, platform_id, offset)
    world.devices.append(device)
    world.scheduler.later(world.scheduler.between(0, 2.0), device.log_in)
    return device


class _Life:
    """
    What clients and the weather do until the world is healed.
    """

    def __init__(self, world: World, rates: Rates) -> None:
        self._world = world
        self._rates = rates

    def begin(self) -> None:
        """Plan the first of everything."""
        rates, weather = self._rates, self._world.weather
        self._often(rates.sends, self._send)
        self._often(rates.bursts, self._burst)
        self._often(rates.typing, self._type)
        self._often(rates.unechoed, self._send_unechoed)
        self._often(rates.marks, self._mark)
        self._often(rates.sets, self._set)
        self._often(rates.scrolls, self._scroll)
        self._often(rates.absences, self._leave)
        self._often(rates.restarts, lambda: self._device().restart())
        self._often(rates.rivals, self._rival)
        self._often(rates.moves, self._move)
        self._often(rates.logouts, self._force_logout)
        if self._world.settings.group:
            self._often(rates.group_sends, self._write_to_group)
            self._often(rates.group_changes, self._change_group)
            self._often(rates.marks, lambda: self._device().mark_read(GROUP))
        if self._world.settings.watchers:
            self._often(LOOKS_AWAY, self._look_away)
        self._often(weather.crashes, self._crash)
        self._often(weather.whole_crashes, self._world.crash_everything)
        self._often(weather.clogs, self._clog)
        self._often(weather.store_outages, self._outage)
        self._often(weather.history_outages, self._history_outage)
        self._often(weather.pauses, self._pause)
        self._often(weather.zombies, self._replace)
        self._often(weather.socket_breaks, self._break)

    def _often(self, rate: float, action: Callable[[], None]) -> None:
        if rate <= 0:
            return
        scheduler = self._world.scheduler
        wait = scheduler.random.expovariate(rate)
        if scheduler.now + wait < self._world.settings.seconds:
            scheduler.later(wait, lambda: (action(), self._often(rate, action)))  # type: ignore[func-returns-value]

    # --- clients

    def _device(self) -> Device:
        return self._world.scheduler.random.choice(self._world.devices)

    def _peer_of(self, device: Device) -> str:
        peers = [a if b == device.user_id else b for a, b in self._world.pairs if device.user_id in (a, b)]
        return self._world.scheduler.random.choice(peers) if peers else device.user_id

    def _with_peer(self, action: Callable[[Device, str], None]) -> None:
        device = self._device()
        peer = self._peer_of(device)
        if peer != device.user_id:
            action(device, peer)

    def _send(self) -> None:
        self._with_peer(lambda device, peer: device.send(peer))

    def _burst(self) -> None:
        def burst(device: Device, peer: str) -> None:
            for _ in range(self._world.scheduler.random.randint(5, 30)):
                device.send(peer)

        self._with_peer(burst)

    def _type(self) -> None:
        self._with_peer(lambda device, peer: device.send(peer, online_only=True))

    def _send_unechoed(self) -> None:
        self._with_peer(lambda device, peer: device.send(peer, sender_sync=False))

    def _mark(self) -> None:
        self._with_peer(lambda device, peer: device.mark_read(peer))

    def _set(self) -> None:
        share = self._world.scheduler.random.random()
        self._with_peer(lambda device, peer: device.set_position(peer, share))

    def _scroll(self) -> None:
        device = self._device()
        if isinstance(device, GoDevice):
            device.scroll()

    def _leave(self) -> None:
        device = self._device()
        scheduler = self._world.scheduler
        if device.wanted:
            device.go_offline(silently=scheduler.chance(0.5))
            scheduler.later(scheduler.random.choice((0.2, 2.0, 8.0)), device.come_online)

    def _look_away(self) -> None:
        device = self._device()
        device.look_away(background=not device.background)

    def _rival(self) -> None:
        device = self._device()
        add_device(self._world, self._world.scheduler.random.choice(KINDS), device.user_id, device.platform_id)

    def _move(self) -> None:
        supervisor = self._world.supervisor()
        if supervisor is not None:
            supervisor.move(self._world.scheduler.random.choice(self._world.settings.users))

    def _force_logout(self) -> None:
        device, scheduler = self._device(), self._world.scheduler
        start(self._world.tokens.force_logout(device.user_id, device.platform_id), lambda: True)
        scheduler.later(scheduler.between(0.5, 8.0), device.come_online)

    # --- the group

    def _write_to_group(self) -> None:
        world = self._world
        named: Sequence[str] = ()
        if world.scheduler.chance(MENTIONS_SHARE):
            one = world.scheduler.random.choice(world.settings.users)
            named = world.scheduler.random.choice(((AT_ALL,), (one,), (one, AT_ALL)))
        self._device().send(GROUP, sender_sync=not world.scheduler.chance(0.05), named=named)

    def _change_group(self) -> None:
        world, random = self._world, self._world.scheduler.random
        users, number = list(world.settings.users), random.randrange(4)
        user_id = random.choice(users)
        head = world.oracle.archive.max_seq(CHAT)
        silent, stored = random.random() < SILENT_SHARE, random.random() < STORED_SHARE
        # Somebody stays out, and comes later.
        decide = (
            partial(GroupChanges.come_or_go, user_id=user_id, head=head, silent=silent),
            partial(GroupChanges.mention, content_type=random.choice((MUTED, INFO_SET)), stored=stored),
        )[number == 0]
        if random.random() < DISMISSED_SHARE:
            decide = partial(GroupChanges.dismiss, silent=random.random() < 0.5)

        async def change(gateway: GatewayProcess) -> None:
            await gateway.reader.commit(partial(GroupChanges.create, members=users[:2]))
            await gateway.reader.commit(decide)
            if random.random() < POKED_SHARE:
                await gateway.broker.apply_effects(GROUP)

        world.http(change)

    # --- weather

    def _running(self) -> Process | None:
        running = self._world.running()
        return self._world.scheduler.random.choice(running) if running else None

    def _crash(self) -> None:
        process = self._running()
        if process is not None:
            self._world.crash(process)

    def _clog(self) -> None:
        world = self._world
        names = [*world.gateway_names, *world.shard_names, *world.persistence_names]
        one, other = world.scheduler.random.sample(names, 2)
        world.tell(f"{one} and {other} are clogged")
        world.network.clog(one, other, world.scheduler.between(0.5, world.weather.clog_seconds * 2))

    def _outage(self) -> None:
        random = self._world.scheduler.random
        for store in random.choice(((MESSAGES, STATE), (MESSAGES, STATE), (MESSAGES,), (STATE,))):
            self._go_out(store)

    def _history_outage(self) -> None:
        self._go_out(HISTORY)

    def _go_out(self, store: str) -> None:
        seconds = self._world.scheduler.between(0.5, self._world.weather.outage_seconds)
        self._world.tell(f"{store} store is out for {seconds:.1f} s")
        self._world.stores.go_out(store, seconds)

    def _pause(self) -> None:
        process = self._running()
        if process is not None:
            self._world.tell(f"{process.incarnation} pauses")
            process.paused_until = self._world.scheduler.now + self._world.scheduler.random.choice((0.5, 3.0, 18.0))

    def _replace(self) -> None:
        world = self._world
        names = [*world.shard_names, *world.persistence_names]
        world.replace(world.scheduler.random.choice(names), world.scheduler.between(1.0, 12.0))

    def _break(self) -> None:
        socket = self._device().socket
        if socket is not None:
            socket.cut()


# --- the end of a world


def settle(world: World) -> None:
    """
    Heal a world, wait until everybody has everything, and check the rest.
    """
    world.heal()
    for device in world.devices:
        if device.background:
            device.look_away(background=False)
        if device.digest:
            device.come_online()
            device.try_now()
    world.closing = True
    _until(world, lambda: _unsettled(world), QUIET_SECONDS_MAX, SETTLED_SECONDS)
    world.oracle.check_store()
    _check_history(world)
    _check_everything_is_read(world)
    _check_unread_after_reconnect(world)
    world.oracle.check_store()
    _until(world, lambda: "; ".join(leaks(world)))


def _until(world: World, reason: Callable[[], str], seconds: float = 30.0, settled: float = 0.0) -> None:
    """Wait until nothing stands against it any more, and nothing has for so long."""
    scheduler = world.scheduler
    deadline = scheduler.now + seconds
    quiet_since = scheduler.now
    while scheduler.now - quiet_since <= settled:
        scheduler.run_until(scheduler.now + 0.5)
        if why := reason():
            quiet_since = scheduler.now
            if scheduler.now >= deadline:
                world.oracle.violated(f"not settled after {seconds} s: {why}")


def _unsettled(world: World) -> str:
    if waiting := world.stores.tables.directory.view(lambda view: view.logs_with_effects(1)):
        return f"effects wait for {waiting}"
    if why := world.oracle.group.unmarked():
        return why
    for device in world.devices:
        if not device.wanted:
            continue
        if device.sending:
            return f"{device.name} has {device.sending} messages unanswered"
        if not device.connected:
            return f"{device.name} is not connected"
        if world.oracle.is_logged_out(device.digest):
            return f"{device.name} was logged out and is connected"
        if why := device.is_behind() or differs(world, device):
            return f"{device.name} is behind: {why}"
    return ""


def _check_history(world: World) -> None:
    """Every Go client has all messages once it has scrolled to the beginning."""
    readers = [device for device in world.devices if isinstance(device, GoDevice) and device.connected]
    reading = [(device, start(_read_history(device), lambda: True)) for device in readers]
    _until(world, lambda: ", ".join(f"history of {one.name} is not readable" for one, read in reading if not read.done))
    for device in readers:
        for conversation_id, maximum in world.oracle.maxima_of(device.user_id).items():
            kept = device.messages.get(conversation_id, {})
            visible = world.oracle.visible(device.user_id, conversation_id, 1, maximum)
            missing = [seq for seq in visible if seq not in kept]
            if missing and conversation_id.startswith("si_"):
                world.oracle.violated(f"{device.name} lacks {conversation_id} {missing}")


def _check_everything_is_read(world: World) -> None:
    """Every message can be read for ever, whichever store has it; the history has all of them, if there is one."""
    unread: dict[str, str] = {}
    for user_id in world.settings.users:
        done = start(_read_everything(world, user_id, unread), lambda: True)
        done.when_done(done.result)
    _until(world, lambda: "; ".join(filter(None, unread.values())))
    if world.settings.history:
        _until(world, world.oracle.not_copied)
        world.oracle.check_history()


async def _read_everything(world: World, user_id: str, unread: dict[str, str]) -> None:
    """Read all conversations of a user until every message was told; what was not stands in `unread`: perhaps her inbox has not heard of it yet."""
    unread[user_id] = f"{user_id} can't read anything"
    while unread[user_id]:
        maxima = world.oracle.maxima_of(user_id)
        request = GetSeqMessageReq(userID=user_id)
        for conversation_id, maximum in maxima.items():
            request.conversations.add(conversationID=conversation_id, seqs=range(1, maximum + 1))
        answers: list[bytes] = []

        async def read(
            gateway: GatewayProcess, data: bytes = request.SerializeToString(), into: list[bytes] = answers
        ) -> None:
            into.append(await gateway.reading.pull_by_seqs(user_id, data))

        if await world.http(read):
            found = pulled_rows(GetSeqMessageResp.FromString(answers[-1]))
            lacks = {key: world.oracle.untold(user_id, key, found.get(key, [])) for key in maxima}
            unread[user_id] = "; ".join(f"{user_id} can't read {key} {seqs}" for key, seqs in lacks.items() if seqs)
        if unread[user_id]:
            retry: Future[None] = Future()
            world.scheduler.later(1.0, partial(retry.resolve, None))
            await retry


async def _read_history(device: GoDevice) -> None:
    while True:
        try:
            await device.read_history()
        except RequestFailed:
            await device.sleep(1.0)
        else:
            return


def _check_unread_after_reconnect(world: World) -> None:
    """A reconnect that syncs shows the right unread counts."""
    online = [device for device in world.devices if device.wanted]
    for device in online:
        device.go_offline(silently=False)
    world.scheduler.run_until(world.scheduler.now + SYNC_PAUSE_SECONDS + 0.1)
    world.closing = False
    for device in online:
        device.come_online()
    _until(world, lambda: _unsettled(world), settled=SETTLED_SECONDS)
    for device in [one for one in online if one.connected]:
        for conversation_id, unread in device.unread.items():
            least, most = world.oracle.unread_range(device.user_id, conversation_id)
            if not least <= unread <= most and not is_notification_stream(conversation_id):
                world.oracle.violated(f"{device.name}: {unread} unread in {conversation_id}, not {least}..{most}")


__all__ = ["FAIR", "Weather", "add_device", "random_world", "settle"]
