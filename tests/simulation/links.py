"""
The links of a process, driven as `actors/refs.py` drives them over Ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openim_ray.core import items
from openim_ray.core.channel import InboundChannel, OutboundChannel, Receipt

if TYPE_CHECKING:
    from tests.simulation.process import Process

RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.4)
WINDOW_SECONDS = 0.005
BYTES_MAX = 64_000
QUEUE_MAX = 5_000


class _Peer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.target: Process | None = None
        self.outbound = OutboundChannel(window=WINDOW_SECONDS, bytes_max=BYTES_MAX, queue_max=QUEUE_MAX)
        self.inbound = InboundChannel()
        self.connecting = False
        self.timer = False
        self.attempt = 0


class Links:
    """
    Ordered channels to and from every peer.
    """

    def __init__(self, process: Process) -> None:
        self.resets = 0
        self._process = process
        self._peers: dict[str, _Peer] = {}

    def send(self, peer_name: str, item: items.AnyItem) -> None:
        """Let an item go to a peer, after those sent before; `flush` must follow."""
        peer = self._peer(peer_name)
        if not peer.outbound.put(item):
            self._break(peer)
            peer.outbound.put(item)

    def flush(self) -> None:
        """Let go what may go now."""
        for peer in list(self._peers.values()):
            if peer.outbound.waiting:
                self._pump(peer)

    def receive(self, data: bytes) -> str:
        """Take a batch of a peer; returns a `Receipt` value."""
        batch = items.decode_batch(data)
        process = self._process
        if batch.receiver_incarnation != process.incarnation:
            return Receipt.STALE.value
        peer = self._peer(batch.sender)
        receipt, due = peer.inbound.receive(batch, process.now, lambda new: self._renewed(peer, new))
        if due:
            process.world.trace(process, f"< {peer.name}", due)
            process.on_items(peer.name, due)
        return receipt.value

    def tick(self) -> None:
        """End inbound channels whose hole did not close."""
        for peer in self._peers.values():
            peer.inbound.check_hole(self._process.now)

    # --- parts

    def _peer(self, name: str) -> _Peer:
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = _Peer(name)
        return peer

    def _renewed(self, peer: _Peer, incarnation: str) -> None:
        if peer.outbound.connected and peer.outbound.receiver_incarnation != incarnation:
            peer.outbound.reset()
            peer.target = self._process.world.find_incarnation(incarnation)
            self._connected(peer, incarnation)
        self._reset_seen(peer)

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
        while (batch := peer.outbound.take(process.now, process.name, process.incarnation)) is not None:
            self._carry(peer, batch)
        ready_at = peer.outbound.ready_at()
        if ready_at is not None and not peer.timer:
            peer.timer = True
            process.later(max(0.0, ready_at - process.now) + 1e-6, lambda: self._on_timer(peer))

    def _on_timer(self, peer: _Peer) -> None:
        peer.timer = False
        self._pump(peer)

    def _carry(self, peer: _Peer, batch: items.Batch) -> None:
        data = items.encode_batch(batch)
        network = self._process.world.network
        network.call(
            self._process,
            peer.target,
            lambda target: target.links.receive(data),
            lambda receipt: self._carried(peer, batch, receipt),
        )

    def _carried(self, peer: _Peer, batch: items.Batch, receipt: Any) -> None:
        if receipt == Receipt.TAKEN.value:
            peer.outbound.taken(batch)
            self._pump(peer)
        elif peer.outbound.concerns(batch):
            self._break(peer)

    def _connect(self, peer: _Peer) -> None:
        process = self._process
        target = process.world.find(peer.name)

        def on_answer(incarnation: Any) -> None:
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
        peer.outbound.put(items.Heartbeat())
        self._pump(peer)
