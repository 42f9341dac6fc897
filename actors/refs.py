"""
Every call from one actor to another: nobody else uses `.remote(`, but for the supervisor's start-up and questions from outside (`query.py`).

`Links` carries the items of the state machines in batches: by wires (`wires.py`) to processes of the same machine, by Ray calls to others. Ray's
async actors run calls out of order and a call to a dying actor may or may not have run; `core/channel.py` gives order and at-most-once, and this
file turns every way a call can fail into one event: the link is reset. Retries live here and in the machines, never in Ray (`max_task_retries=0`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import ray
import structlog
from ray.exceptions import RayError, RayTaskError

from openim_ray.actors.wires import Greeting, Wire, listen, open_wire
from openim_ray.core import items
from openim_ray.core.channel import InboundChannel, OutboundChannel, Receipt
from openim_ray.domain.errors import OpenIMError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

CALL_SECONDS_MAX = 10.0
GREETING_SECONDS_MAX = 2.0
"""A process that doesn't greet on a new wire in this time is called by Ray."""

HOLD_SECONDS = 0.025
"""A call that brought a batch waits so long for items that go the other way: they ride back on it, which saves a call."""

CONNECT_SECONDS_MAX = 60.0
"""A peer that is not there for so long is looked for again only when there is something to say to it."""

RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.4)

log = structlog.get_logger(__name__)


class LinkUser(Protocol):
    """
    The process that a machine lives in, as `Links` sees it.
    """

    def on_items(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Handle items of a peer, in order."""
        ...

    def on_link_reset(self, peer: str) -> None:
        """Go on after the link with a peer began anew: what was on its way, either way, may be lost."""
        ...


class LinkSettings:
    """
    Limits of links: see `[links]` in `config/settings.py`.
    """

    def __init__(
        self, window_seconds: float, bytes_max: int, queue_max: int, queue_bytes_max: int, hole_seconds: float
    ) -> None:
        self.window_seconds = window_seconds
        self.bytes_max = bytes_max
        self.queue_max = queue_max
        self.queue_bytes_max = queue_bytes_max
        self.hole_seconds = hole_seconds


async def call(actor: str, namespace: str, method: str, *arguments: object, seconds: float = CALL_SECONDS_MAX) -> Any:
    """
    Call a method of a named actor once; Unavailable if it is not there, died, failed, or did not answer in time.

    An OpenIMError that it raised comes as itself. In any other case the call may have run all the same.
    """
    try:
        handle = await asyncio.to_thread(ray.get_actor, actor, namespace)
        async with asyncio.timeout(seconds):
            return await getattr(handle, method).remote(*arguments)
    except (RayError, ValueError, TimeoutError) as error:
        raise _what_it_means(error, f"{actor}.{method}") from error


def _what_it_means(error: Exception, what: str) -> OpenIMError:
    if isinstance(error, RayTaskError) and isinstance(error.cause, OpenIMError):
        return error.cause
    if isinstance(error, ValueError):  # how Ray says that nothing has this name
        return Unavailable(f"{what}: there is no such actor yet")
    return Unavailable(f"{what}: {type(error).__name__}")


class _Peer:
    """
    One peer: both channels, and the task that (re)connects.

    `wires` are all that stand, whoever opened them; `wire` is the one that carries what is sent, None where Ray does.
    """

    def __init__(self, name: str, settings: LinkSettings) -> None:
        self.name = name
        self.handle: Any = None
        self.outbound = OutboundChannel(
            window=settings.window_seconds,
            bytes_max=settings.bytes_max,
            queue_max=settings.queue_max,
            queue_bytes_max=settings.queue_bytes_max,
        )
        self.inbound = InboundChannel(hole_seconds=settings.hole_seconds)
        self.wires: list[Wire] = []
        self.wire: Wire | None = None
        self.held: deque[asyncio.Future[items.Batch | None]] = deque()
        self.connecting: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None


def _let_go(held: asyncio.Future[items.Batch | None]) -> None:
    if not held.done():
        held.set_result(None)


class Links:
    """
    The links of one actor process to its peers.

    `receive` and `incarnation` are what its actor exposes to them as Ray methods.
    """

    def __init__(self, name: str, incarnation: str, namespace: str, settings: LinkSettings, user: LinkUser) -> None:
        self.name = name
        self.incarnation = incarnation
        self.resets = 0
        self._namespace = namespace
        self._settings = settings
        self._user = user
        self._peers: dict[str, _Peer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._closed = False

    async def listen(self) -> None:
        """Let peers of this machine open wires; to be called before `incarnation` is told."""
        self._server = await listen(self.incarnation, self._make_wire)

    def send(self, peer_name: str, item: items.AnyItem) -> None:
        """Let an item go to a peer, after those sent before; `flush` must follow."""
        self._peer(peer_name).outbound.put(item)

    def flush(self) -> None:
        """Let go what may go now."""
        for peer in list(self._peers.values()):
            if peer.outbound.overflowed:
                log.warning("link queue full, reset", peer=peer.name)
                self._break(peer)
            elif peer.outbound.waiting:
                self._pump(peer)

    async def receive(self, data: bytes) -> str | bytes:
        """
        Take a batch of a peer; returns a `Receipt` value, or (instead of TAKEN) a batch for that peer.

        The caller takes what rides back as if it had been sent; if the call fails it breaks the link, so that nothing
        that was lost with the answer stays unnoticed.
        """
        batch = items.decode_batch(data)
        receipt = self._take(batch)
        if receipt is not Receipt.TAKEN:
            return str(receipt.value)
        back = await self._hold(self._peer(batch.sender))
        if back is None:
            return Receipt.TAKEN.value
        answer: bytes = items.encode_batch(back)
        return answer

    def _take(self, batch: items.Batch) -> Receipt:
        if batch.receiver_incarnation != self.incarnation or self._closed:
            return Receipt.STALE
        peer = self._peer(batch.sender)
        if peer.outbound.connected and batch.refuses == peer.outbound.channel:
            self._renew(peer, peer.outbound.receiver_incarnation)
            self._reset_seen(peer)
        receipt, due = peer.inbound.receive(batch, self._loop.time(), lambda new: self._renewed(peer, new))
        if due:
            self._user.on_items(peer.name, due)
        return receipt

    async def _hold(self, peer: _Peer) -> items.Batch | None:
        held: asyncio.Future[items.Batch | None] = self._loop.create_future()
        peer.held.append(held)
        timer = self._loop.call_later(HOLD_SECONDS, _let_go, held)
        self._ride_back(peer)
        try:
            return await held
        finally:
            timer.cancel()

    def _ride_back(self, peer: _Peer) -> None:
        """Give what waits to calls of the peer that are held."""
        while peer.held and (peer.held[0].done() or peer.outbound.waiting):
            held = peer.held.popleft()
            if held.done():
                continue
            batch = peer.outbound.take_now(self._loop.time(), self.name, self.incarnation)
            held.set_result(None if batch is None else self._stamped(peer, batch))

    def _stamped(self, peer: _Peer, batch: items.Batch) -> items.Batch:
        """Return a batch that leaves, with the word which channel of the peer is refused here."""
        refuses = peer.inbound.refused_channel(peer.outbound.receiver_incarnation)
        return msgspec.structs.replace(batch, refuses=refuses) if refuses else batch

    def tick(self) -> None:
        """End inbound channels whose hole did not close; their senders may have nothing more to say, so they are told."""
        now = self._loop.time()
        for peer in list(self._peers.values()):
            if peer.inbound.check_hole(now):
                log.warning("link hole, reset", peer=peer.name)
                self._say_something(peer)
            for wire in list(peer.wires):
                wire.check(CALL_SECONDS_MAX)

    def wires_to(self, peer_name: str) -> int:
        """Return how many wires to a peer stand; without one it is called by Ray."""
        return len(self._peer(peer_name).wires)

    async def close(self) -> None:
        """Send nothing more; end the tasks."""
        self._closed = True
        for peer in self._peers.values():
            if peer.timer is not None:
                peer.timer.cancel()
            for held in peer.held:
                _let_go(held)
            for wire in list(peer.wires):
                wire.end()
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- parts

    def _peer(self, name: str) -> _Peer:
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(name, self._settings)
        return peer

    def _renewed(self, peer: _Peer, incarnation: str) -> None:
        """Note that the peer began a new channel: it is new itself, or lost something."""
        for held in peer.held:
            # What rides back on a call of its old channel would be lost with it, and nobody would notice.
            _let_go(held)
        if peer.outbound.connected and peer.outbound.receiver_incarnation != incarnation:
            self._renew(peer, incarnation)
        self._reset_seen(peer)

    def _renew(self, peer: _Peer, incarnation: str) -> None:
        peer.outbound.reset()
        if peer.wire is None or self._wire_to(peer, incarnation) is not None:
            self._connected(peer, incarnation)
        else:
            self._look_for(peer)

    def _say_something(self, peer: _Peer) -> None:
        """Let a batch leave, because of what is written on it."""
        peer.outbound.put(items.Heartbeat())
        self._pump(peer)

    def _break(self, peer: _Peer) -> None:
        self._forget(peer)
        self._pump(peer)

    def _forget(self, peer: _Peer) -> None:
        peer.outbound.reset()
        self._reset_seen(peer)

    def _reset_seen(self, peer: _Peer) -> None:
        self.resets += 1
        self._user.on_link_reset(peer.name)

    def _pump(self, peer: _Peer) -> None:
        if self._closed:
            return
        if not peer.outbound.connected:
            self._look_for(peer)
            return
        self._ride_back(peer)
        while (batch := peer.outbound.take(self._loop.time(), self.name, self.incarnation)) is not None:
            self._let_leave(peer, self._stamped(peer, batch))
        ready_at = peer.outbound.ready_at()
        if ready_at is not None and peer.timer is None:
            peer.timer = self._loop.call_at(ready_at, self._on_timer, peer)

    def _on_timer(self, peer: _Peer) -> None:
        peer.timer = None
        self._pump(peer)

    def _look_for(self, peer: _Peer) -> None:
        if peer.connecting is None or peer.connecting.done():
            peer.connecting = self._spawn(self._connect(peer))

    def _let_leave(self, peer: _Peer, batch: items.Batch) -> None:
        if peer.wire is None:
            self._spawn(self._carry(peer, batch))
        else:
            peer.wire.send(items.encode_batch(batch), partial(self._receipt, peer, batch))

    def _receipt(self, peer: _Peer, batch: items.Batch, receipt: str | None) -> None:
        """Go on after a wire has brought a batch to its end; None if that is not known."""
        if receipt == Receipt.TAKEN.value:
            peer.outbound.taken(batch)
            self._pump(peer)
        elif peer.outbound.concerns(batch) and not self._closed:
            log.info("link broken", peer=peer.name, error=receipt or "the wire is over")
            self._break(peer)

    async def _carry(self, peer: _Peer, batch: items.Batch) -> None:
        try:
            arrived = await self._deliver(peer, batch)
        except Exception:
            # A batch that stayed in flight for ever would take room; without any left the link would be silent.
            log.exception("link failed", peer=peer.name)
            arrived = False
        if arrived:
            peer.outbound.taken(batch)
            self._pump(peer)
        elif peer.outbound.concerns(batch):
            self._break(peer)

    async def _deliver(self, peer: _Peer, batch: items.Batch) -> bool:
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                answer = await peer.handle.receive.remote(items.encode_batch(batch))
        except (RayError, TimeoutError) as error:
            log.info("link broken", peer=peer.name, error=type(error).__name__)
            return False
        if isinstance(answer, str):
            return answer == Receipt.TAKEN.value
        return self._take_back(peer, answer)

    def _take_back(self, peer: _Peer, data: bytes) -> bool:
        """Take what rode back on a call; False if it came from a process that is not heard any more."""
        receipt = self._take(items.decode_batch(data))
        if receipt is Receipt.OVER:
            self._say_something(peer)
        return receipt is not Receipt.STALE

    async def _connect(self, peer: _Peer) -> None:
        attempt = 0
        deadline = self._loop.time() + CONNECT_SECONDS_MAX
        while not peer.outbound.connected:
            if self._loop.time() >= deadline:
                # Perhaps nobody will ever have that name again. What waits is said again by who still needs it.
                self._forget(peer)
                return
            try:
                peer.handle = await asyncio.to_thread(ray.get_actor, peer.name, self._namespace)
                async with asyncio.timeout(CALL_SECONDS_MAX):
                    incarnation = await peer.handle.incarnation.remote()
            except (RayError, ValueError, TimeoutError):
                incarnation = ""
            if incarnation:
                await self._wire(peer, incarnation)
                if not peer.outbound.connected:
                    self._connected(peer, incarnation)
                return
            await asyncio.sleep(RECONNECT_SECONDS[min(attempt, len(RECONNECT_SECONDS) - 1)])
            attempt += 1

    def _connected(self, peer: _Peer, incarnation: str) -> None:
        peer.wire = self._wire_to(peer, incarnation)
        peer.outbound.connect(incarnation)
        # The first batch of a channel tells the peer that there is a new one, also when nothing else waits.
        self._say_something(peer)

    # --- wires

    def _make_wire(self) -> Wire:
        return Wire(Greeting(self.name, self.incarnation), self._hear, self._wire_changed)

    async def _wire(self, peer: _Peer, incarnation: str) -> None:
        """Have a wire to this incarnation of a peer, if there can be one."""
        if self._wire_to(peer, incarnation) is None and (wire := await open_wire(incarnation, self._make_wire)):
            await wire.greeted(GREETING_SECONDS_MAX)

    def _wire_to(self, peer: _Peer, incarnation: str) -> Wire | None:
        return next((wire for wire in peer.wires if wire.reaches(incarnation)), None)

    def _hear(self, data: bytes) -> str:
        return str(self._take(items.decode_batch(data)).value)

    def _wire_changed(self, wire: Wire) -> None:
        if wire.other is None:
            return
        peer = self._peer(wire.other.name)
        if not wire.over:
            peer.wires.append(wire)
            return
        peer.wires.remove(wire)
        if wire is peer.wire and peer.outbound.connected and not self._closed:
            log.info("link broken", peer=peer.name, error="the wire is over")
            self._break(peer)

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("link task failed", error=repr(error))
