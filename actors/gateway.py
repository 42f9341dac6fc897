"""
GatewayActor: WebSocket connections and the HTTP API of one process; its composition root.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry

from openim_ray.actors.clock import wall_ms
from openim_ray.actors.lifetime import begin, check_start, tick_forever
from openim_ray.actors.metrics import Family, families_of, render_metrics
from openim_ray.actors.placement_updates import ASK_SECONDS, follow_placement
from openim_ray.actors.readiness import Readiness, checks_of
from openim_ray.actors.refs import Links, call
from openim_ray.actors.settings import (
    SUPERVISOR,
    first_placement,
    gateway_names,
    link_settings,
    load_actor_config,
    persistence_names,
)
from openim_ray.actors.store_waits import WAITING, StoreWaits
from openim_ray.api.app import build_api
from openim_ray.core.gateway.hub import Hub
from openim_ray.domain.errors import OpenIMError, Unavailable
from openim_ray.gateway.address_limits import AddressLimits
from openim_ray.gateway.broker import HubBroker
from openim_ray.gateway.deadlines import Times
from openim_ray.gateway.listeners import Listeners
from openim_ray.gateway.process import GatewayProcess
from openim_ray.gateway.requests import Requests
from openim_ray.gateway.server import Limits, WebSocketServer
from openim_ray.services.assembly import build_services
from openim_ray.storage.open import open_directory_store, open_message_reader, open_state_reader
from openim_ray.storage.places import Places
from openim_ray.telemetry import errors_logged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.actors.readiness import Checks
    from openim_ray.core import items
    from openim_ray.core.placement import Placement
    from openim_ray.services.auth import TokenService
    from openim_ray.storage.stores import OpenMessageReader, OpenStateReader

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.05
ANSWERED_BY = 0.4
"""The part of `server.drain_seconds` in which requests under way may still be answered; what follows takes its time, too."""

COUNTERS_SECONDS = 3.0


class GatewayActor:
    """
    Shell around `gateway.process.GatewayProcess` and the two servers.

    Killed, it takes its connections with it: clients come back to its next incarnation, or to another gateway.
    """

    def __init__(self, name: str, config_payload: bytes) -> None:
        self._name = name
        self._config = load_actor_config(config_payload, name)
        self._incarnation = uuid.uuid4().hex
        self._loop = asyncio.get_running_loop()
        self._namespace = self._config.cluster.namespace
        self._links = Links(name, self._incarnation, self._namespace, link_settings(self._config), self)
        self._registry = CollectorRegistry()
        self._hub = Hub(first_placement(self._config), persistence_names(self._config), self._incarnation)
        self._process: GatewayProcess | None = None
        self._messages: OpenMessageReader | None = None
        self._state: OpenStateReader | None = None
        self._server: WebSocketServer | None = None
        self._listeners: Listeners | None = None
        self._broker: HubBroker | None = None
        self._tokens: TokenService | None = None
        self._readiness = Readiness(self._checks)
        self._stores = StoreWaits()
        self._asking_placement = False
        self._started = begin(self._start())

    async def _start(self) -> None:
        await self._links.listen()
        self._process = await self._compose()
        self._process.spawn(
            follow_placement(self._namespace, ASK_SECONDS, lambda: self._hub.placement.epoch, self.place)
        )
        await tick_forever(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        process = self._process
        assert process is not None
        self._links.tick()
        process.tick()
        if self._hub.placement_wanted > self._hub.placement.epoch and not self._asking_placement:
            self._asking_placement = True
            process.spawn(self._ask_placement())

    async def _compose(self) -> GatewayProcess:
        config = self._config
        places = Places.of(config)
        stores = self._stores
        reader = await stores.open("message store", places.messages, lambda: open_message_reader(places))
        writers = persistence_names(config)
        state = await stores.open("state store", places.directory, lambda: open_state_reader(places, writers))
        self._state = state
        directory = await stores.open("directory", places.directory, lambda: open_directory_store(places))
        self._messages = reader
        self._hub.origin = await stores.open("message store", places.messages, reader.origin)
        self._hub.place(await self._placement(), wall_ms())
        limits = config.gateway
        times = Times(limits.read_deadline_seconds, limits.write_deadline_seconds, limits.web_ping_seconds)
        process = GatewayProcess(self._hub, reader, self._links.send, self._links.flush, wall_ms, times)
        self._broker = HubBroker(process, config.persistence.append_deadline_seconds)
        services = build_services(
            config=config, directory=directory, tokens=state, messages=reader, broker=self._broker, now_ms=wall_ms
        )
        self._tokens = services.tokens
        admins = config.auth.admin_user_ids
        await stores.open("directory", places.directory, lambda: services.users.ensure_admins(admins))
        requests = Requests(process, services.messages, config.persistence.append_deadline_seconds)
        addresses = AddressLimits(limits.connections_per_address_max, config.server.trusted_proxies)
        self._server = WebSocketServer(
            process, requests, services.tokens, addresses, _limits(config), wall_ms, self._activate
        )
        api = build_api(
            services=services,
            config=config,
            registry=self._registry,
            ready=self._ready,
            metrics=self._metrics,
            client_address=addresses.client_address,
        )
        self._listeners = Listeners(config.server, limits)
        await self._listeners.start(self._server.application(), api)
        process.spawn(services.announcements.run())
        return process

    async def _placement(self) -> Placement:
        while True:
            try:
                placement: Placement = await call(SUPERVISOR, self._namespace, "placement")
            except OpenIMError:
                await asyncio.sleep(0.1)
            else:
                return placement

    async def _ask_placement(self) -> None:
        try:
            placement = await self._placement()
            assert self._process is not None
            if placement.epoch <= self._hub.placement.epoch:
                await asyncio.sleep(0.1)
            self._hub.place(placement, wall_ms())
            self._process.perform()
        finally:
            self._asking_placement = False

    async def _activate(self, user_id: str) -> None:
        inboxes = self._config.inboxes
        if inboxes.placement == "shared" and user_id not in inboxes.dedicated_users:
            return
        try:
            placement = await call(SUPERVISOR, self._namespace, "activate", user_id, seconds=8.0)
        except OpenIMError:
            return
        self._hub.place(placement, wall_ms())

    # --- what peers call

    async def incarnation(self) -> str:
        """Return who this process is; empty until it can work."""
        check_start(self._name, self._started)
        return self._incarnation if self._process is not None else ""

    async def receive(self, data: bytes) -> str | bytes:
        """Take a batch of items; see `Links.receive`."""
        return await self._links.receive(data)

    async def place(self, placement: Placement) -> None:
        """Take over a newer placement."""
        if self._process is not None:
            self._hub.place(placement, wall_ms())
            self._process.perform()

    async def end_logins(self, user_id: str) -> None:
        """End all tokens of a user and close her connections, wherever they are. Raises Unavailable if that is not certain."""
        if self._tokens is None:
            raise Unavailable("starting")
        await self._tokens.end_all(user_id)

    async def ready(self) -> tuple[bool, dict[str, object]]:
        """Tell whether a client can log in and be answered now."""
        return await self._ready()

    async def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        process = self._process
        return {
            "name": self._name,
            "incarnation": self._incarnation,
            "connections": len(process.connections) if process else 0,
            "pushes": process.pushes if process else 0,
            "presence_pushes": process.presence_pushes if process else 0,
            "watches": len(self._hub.watches),
            "slow_clients": process.slow_clients if process else 0,
            "runs_read": process.runs_read if process else 0,
            "damaged_rows": self._messages.damaged_rows if self._messages else 0,
            "link_resets": self._links.resets,
            "errors_logged": errors_logged(),
            **(self._state.counters() if self._state else {}),
        }

    async def api_counters(self) -> list[Family]:
        """Return what this gateway counted of the HTTP API."""
        return families_of(self._registry)

    async def drain(self) -> None:
        """Admit nobody, let what is under way be answered, close sockets so that clients come back."""
        if self._server is not None:
            self._server.admitting = False
        if self._listeners is not None:
            await self._listeners.stop_accepting()
        deadline = self._loop.time() + self._config.server.drain_seconds * ANSWERED_BY
        while self._hub.busy and self._loop.time() < deadline:  # noqa: ASYNC110 - machines are plain objects, nothing wakes us
            await asyncio.sleep(0.01)
        if self._server is not None:
            await self._server.drain()
        self._started.cancel()
        if self._listeners is not None:
            await self._listeners.close()

    # --- what links tell

    def on_items(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Let the hub handle items, and do what it wants done."""
        if self._process is not None:
            self._process.receive(peer, batch)

    def on_link_reset(self, peer: str) -> None:
        """Tell the hub."""
        if self._process is not None:
            self._process.link_reset(peer)

    # --- health

    async def _ready(self) -> tuple[bool, dict[str, object]]:
        if self._stores.waiting_for:
            return False, {WAITING: self._stores.waiting_for}
        if self._broker is None or self._server is None or not self._server.admitting:
            return False, {"gateway": "starting or stopping"}
        return await self._readiness.ask()

    def _checks(self) -> dict[str, Checks]:
        assert self._broker is not None
        placement = self._hub.placement
        inboxes = [*placement.shards, *placement.dedicated.values()]
        stores = persistence_names(self._config)
        return checks_of(inboxes, stores, self._ask_serving, self._broker.reach_persistence)

    async def _ask_serving(self, name: str) -> None:
        if not await call(name, self._namespace, "incarnation"):
            raise Unavailable("starting")

    async def _metrics(self) -> str:
        actors, *counted = await asyncio.gather(
            self._health_of_all(), *(self._counters_of(name) for name in gateway_names(self._config))
        )
        return render_metrics(dict(zip(gateway_names(self._config), counted, strict=True)), actors)

    async def _health_of_all(self) -> Any:
        try:
            return await call(SUPERVISOR, self._namespace, "health", seconds=5.0)
        except OpenIMError:
            return [await self.health()]

    async def _counters_of(self, gateway: str) -> list[Family]:
        """Return what a gateway counted; nothing if it doesn't answer, which `openim_actor_up` tells."""
        if gateway == self._name:
            return families_of(self._registry)
        try:
            counted: list[Family] = await call(gateway, self._namespace, "api_counters", seconds=COUNTERS_SECONDS)
        except OpenIMError:
            return []
        return counted


def _limits(config: Any) -> Limits:
    gateway = config.gateway
    return Limits(
        connections_max=gateway.connections_max,
        send_queue_frames_max=gateway.send_queue_frames_max,
        send_queue_bytes_max=gateway.send_queue_bytes_max,
        frames_per_second_max=gateway.frames_per_second_max,
        frames_burst=gateway.frames_burst_max,
        handshake_seconds=gateway.handshake_seconds,
    )
