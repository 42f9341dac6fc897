"""
The links of a process, driven as `actors/refs.py` drives them over Ray.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from openim_ray.core import items
from openim_ray.core.channel import InboundChannel, OutboundChannel, Receipt
from tests.simulation.coroutines import Future
from tests.simulation.scheduler import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.process import Process

RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.4)
WINDOW_SECONDS = 0.01
HOLD_SECONDS = 0.025
BYTES_MAX = 64_000
TAKEN = Receipt.TAKEN.value


class _Peer:
    def __init__(self, name: str, queue_max: int) -> None:
        self.name = name
        self.target: Process | None = None
        self.outbound = OutboundChannel(window=WINDOW_SECONDS, bytes_max=BYTES_MAX, queue_max=queue_max)
        self.inbound = InboundChannel()
        self.held: deque[tuple[Future[str | bytes], Timeout]] = deque()
        self.connecting = False
        self.timer = False
        self.attempt = 0
        self.on_renewed: Callable[[str], None]


class Links:
    """
    Ordered channels to and from every peer.
    """

    def __init__(self, process: Process) -> None:
        self.resets = 0
        self._process = process
        self._network = process.world.network
        self._holds = process.world.holds
        self._peers: dict[str, _Peer] = {}
        self._to_flush: dict[str, _Peer] = {}

    def send(self, peer_name: str, item: items.AnyItem) -> None:
        """Let an item go to a peer, after those sent before; `flush` must follow."""
        peer = self._peers.get(peer_name) or self._peer(peer_name)
        peer.outbound.put(item)
        self._to_flush[peer_name] = peer

    def flush(self) -> None:
        """Let go what may go now."""
        if not self._to_flush:
            return
        peers, self._to_flush = self._to_flush, {}
        for peer in peers.values():
            if peer.outbound.overflowed:
                self._process.world.trace(self._process, "link queue full", peer.name)
                self._break(peer)
            elif peer.outbound.waiting:
                self._pump(peer)

    def receive(self, data: bytes) -> Future[str | bytes] | str | bytes:
        """Take a batch of a peer; the answer is a `Receipt` value, or a batch that rides back."""
        batch = items.decode_batch(data)
        receipt = self._take(batch)
        if receipt is not Receipt.TAKEN:
            return receipt.value
        peer = self._peers[batch.sender]
        waits = peer.outbound.waiting
        if waits and not peer.held and peer.outbound.connected:
            return self._batch_back(peer)
        answer: Future[str | bytes] = Future()
        timeout = self._holds.begin(partial(self._process.run, partial(answer.resolve, TAKEN)))
        peer.held.append((answer, timeout))
        if waits or peer.held[0][0].done:
            self._ride_back(peer)
        return answer

    def tick(self) -> None:
        """End inbound channels whose hole did not close, and tell their senders by a new channel."""
        now = self._process.now
        for peer in [one for one in self._peers.values() if one.inbound.check_hole(now)]:
            self._process.world.trace(self._process, "link hole", peer.name)
            self._say_something(peer)

    # --- parts

    def _take(self, batch: items.Batch) -> Receipt:
        process = self._process
        if batch.receiver_incarnation != process.incarnation:
            return Receipt.STALE
        peer = self._peers.get(batch.sender) or self._peer(batch.sender)
        if batch.refuses and batch.refuses == peer.outbound.channel and peer.outbound.connected:
            self._renew(peer, peer.outbound.receiver_incarnation)
            self._reset_seen(peer)
        receipt, due = peer.inbound.receive(batch, process.now, peer.on_renewed)
        if due:
            if process.traced:
                process.world.trace(process, f"< {peer.name}", due)
            process.on_items(peer.name, due)
        return receipt

    def _ride_back(self, peer: _Peer) -> None:
        while peer.held and (peer.held[0][0].done or peer.outbound.waiting):
            held, timeout = peer.held.popleft()
            if not held.done:
                timeout.call_off()
                held.resolve(self._batch_back(peer))

    def _batch_back(self, peer: _Peer) -> str | bytes:
        process = self._process
        batch = peer.outbound.take_now(process.now, process.name, process.incarnation)
        return items.encode_batch(self._stamped(peer, batch)) if batch is not None else TAKEN

    def _stamped(self, peer: _Peer, batch: items.Batch) -> items.Batch:
        refuses = peer.inbound.refused_channel(peer.outbound.receiver_incarnation)
        return msgspec.structs.replace(batch, refuses=refuses) if refuses else batch

    def _peer(self, name: str) -> _Peer:
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(name, self._process.world.settings.link_queue_max)
            peer.on_renewed = partial(self._renewed, peer)
        return peer

    def _renewed(self, peer: _Peer, incarnation: str) -> None:
        for held, timeout in peer.held:
            timeout.call_off()
            held.resolve(TAKEN)
        if peer.outbound.connected and peer.outbound.receiver_incarnation != incarnation:
            peer.target = self._process.world.find_incarnation(incarnation)
            self._renew(peer, incarnation)
        self._reset_seen(peer)

    def _renew(self, peer: _Peer, incarnation: str) -> None:
        peer.outbound.reset()
        self._connected(peer, incarnation)

    def _say_something(self, peer: _Peer) -> None:
        peer.outbound.put(items.Heartbeat())
        self._pump(peer)

    def _break(self, peer: _Peer) -> None:
        peer.outbound.reset()
        self._reset_seen(peer)
        self._pump(peer)

    def _reset_seen(self, peer: _Peer) -> None:
        self.resets += 1
        self._process.world.trace(self._process, "link reset", peer.name)
        self._process.on_link_reset(peer.name)

    def _pump(self, peer: _Peer) -> None:
        process = self._process
        if not peer.outbound.connected:
            if not peer.connecting:
                peer.connecting = True
                self._connect(peer)
            return
        outbound = peer.outbound
        if not outbound.waiting:
            return
        if peer.held:
            self._ride_back(peer)
        now = process.now
        while (batch := outbound.take(now, process.name, process.incarnation)) is not None:
            self._carry(peer, self._stamped(peer, batch))
        if peer.timer or not outbound.waiting:
            return
        ready_at = outbound.ready_at()
        if ready_at is not None:
            peer.timer = True
            process.later(max(0.0, ready_at - now) + 1e-6, lambda: self._on_timer(peer))

    def _on_timer(self, peer: _Peer) -> None:
        peer.timer = False
        self._pump(peer)

    def _carry(self, peer: _Peer, batch: items.Batch) -> None:
        data = items.encode_batch(batch)
        self._network.call(
            self._process,
            peer.target,
            lambda target: target.links.receive(data),
            lambda answer: self._carried(peer, batch, answer),
        )

    def _carried(self, peer: _Peer, batch: items.Batch, answer: str | bytes | None) -> None:
        arrived = self._take_back(peer, answer) if isinstance(answer, bytes) else answer == TAKEN
        if arrived:
            peer.outbound.taken(batch)
            if peer.outbound.waiting or not peer.outbound.connected:
                self._pump(peer)
        elif peer.outbound.concerns(batch):
            self._break(peer)

    def _take_back(self, peer: _Peer, data: bytes) -> bool:
        receipt = self._take(items.decode_batch(data))
        if receipt is Receipt.OVER:
            self._say_something(peer)
        return receipt is not Receipt.STALE

    def _connect(self, peer: _Peer) -> None:
        process = self._process
        target = process.world.find(peer.name)

        def on_answer(incarnation: str | None) -> None:
            if peer.outbound.connected:
                peer.connecting = False
            elif incarnation:
                peer.connecting = False
                peer.attempt = 0
                peer.target = target
                self._connected(peer, incarnation)
            else:
                wait = RECONNECT_SECONDS[min(peer.attempt, len(RECONNECT_SECONDS) - 1)]
                peer.attempt += 1
                process.later(wait, lambda: self._connect(peer))

        process.world.network.call(process, target, lambda there: there.reported_incarnation(), on_answer)

    def _connected(self, peer: _Peer, incarnation: str) -> None:
        peer.outbound.connect(incarnation)
        self._say_something(peer)
