"""
SupervisorActor: what runs where. It keeps the placement table, starts actors in order, and drains them in reverse.

Killing it takes nobody with it: the other actors are detached, and it learns the dedicated ones from themselves when it is back.
"""

from __future__ import annotations

import asyncio
import hashlib
from time import monotonic
from typing import TYPE_CHECKING, Any

import ray
import structlog
from ray._private.function_manager import FunctionActorManager
from ray.util import list_named_actors

from openim_ray.actors.clock import wall_ms
from openim_ray.actors.lifetime import begin
from openim_ray.actors.refs import call
from openim_ray.actors.settings import (
    SUPERVISOR,
    first_placement,
    gateway_names,
    load_actor_config,
    persistence_names,
    shard_names,
)
from openim_ray.core.placement import Placement, longest_idle
from openim_ray.domain.errors import OpenIMError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.config import Config

log = structlog.get_logger(__name__)

DEDICATED_PREFIX = "inbox-user-"
DEDICATED_MEMORY_BYTES = 80_000_000
DEDICATED_MEMORY_SHARE = 0.5
READY_SECONDS = 30.0
DRAINED_BY = (0.6, 0.75, 1.0)
"""Parts of `server.drain_seconds` after which gateways, inboxes and stores must be done; who is done earlier leaves the rest to the next."""

IDLE_SECONDS = 2.0


def ensure_actor(cls: type, name: str, namespace: str, *arguments: object) -> Any:
    """
    Return the named actor, starting it if it is not there.

    Detached and restarted by Ray without limit, never retried by it: retries live in `refs.py` and in the machines.
    """
    owner: Any = FunctionActorManager  # which does not offer it to others
    owner.compute_collision_identifier = _name_of
    return (
        ray.remote(cls)
        .options(
            name=name,
            namespace=namespace,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1000,
        )
        .remote(name, *arguments)
    )


def _name_of(_manager: object, exported: Any) -> bytes:
    """
    Return what Ray recognises a class by that was exported before, to warn of too many.

    By itself it disassembles all of its code for that, which took a tenth of a start's CPU time.
    """
    return hashlib.sha256(f"{exported.__module__}.{exported.__qualname__}".encode()).digest()


class SupervisorActor:
    """
    Owner of the placement table; everything in it can be found again from the configuration and the actors that live.
    """

    def __init__(self, name: str, config_payload: bytes) -> None:
        self._name = name
        self._payload = config_payload
        self._config = load_actor_config(config_payload, name)
        self._namespace = self._config.cluster.namespace
        self._placement = first_placement(self._config)
        self._epoch = self._placement.epoch
        self._dedicated_max = _dedicated_max(self._config)
        self._moving = asyncio.Lock()
        self._recovered = asyncio.Event()
        self._started = begin(self._recover())

    # --- start and end

    async def ensure_running(self) -> None:
        """Start every actor that is not there yet, in order: who is asked comes before who asks."""
        await self._recovered.wait()
        await asyncio.to_thread(self._ensure_all)

    def _ensure_all(self) -> None:
        for names, cls in self._base():
            for name in names:
                ensure_actor(cls, name, self._namespace, self._payload)

    async def gateway_ready(self, name: str, seconds: float) -> tuple[bool, dict[str, object]]:
        """
        Return whether clients can log in at a gateway and be answered, and what of it is not well; Unavailable if it could not start.

        For those who start the server: to ask a gateway itself, they would have to import all that it runs.
        """
        await call(name, self._namespace, "incarnation", seconds=seconds)
        ready, detail = await call(name, self._namespace, "ready", seconds=seconds)
        return ready, detail

    async def drain(self) -> None:
        """
        Stop in reverse order: gateways admit nothing more and close sockets, logs flush, stores close.

        All of it within `server.drain_seconds`. An actor that does not answer costs its group's part of them, and no more.
        """
        began, whole = monotonic(), self._config.server.drain_seconds
        gateways, inboxes, stores = (
            gateway_names(self._config),
            shard_names(self._config),
            persistence_names(self._config),
        )
        groups = (gateways, (*inboxes, *self._placement.dedicated.values()), stores)
        for names, share in zip(groups, DRAINED_BY, strict=True):
            await self._drain(names, began + whole * share - monotonic())

    async def _drain(self, names: Sequence[str], seconds: float) -> None:
        calls = [call(name, self._namespace, "drain", seconds=seconds) for name in names]
        for result in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(result, BaseException):
                log.warning("drain failed", error=str(result))

    def _base(self) -> list[tuple[Sequence[str], type]]:
        # Not at the top: whoever asks the supervisor something, a script too, imports this module to do so.
        from openim_ray.actors.gateway import GatewayActor  # noqa: PLC0415
        from openim_ray.actors.inbox import InboxActor  # noqa: PLC0415
        from openim_ray.actors.persistence import PersistenceActor  # noqa: PLC0415

        config = self._config
        return [
            (persistence_names(config), PersistenceActor),
            (shard_names(config), InboxActor),
            (gateway_names(config), GatewayActor),
        ]

    # --- placement

    async def placement(self) -> Placement:
        """Return the placement table."""
        await self._recovered.wait()
        return self._placement

    async def activate(self, user_id: str) -> Placement:
        """
        Note that a user became active; under the per-user policy she is given an actor of her own.

        At the limit the longest idle one is given back for it. If none is idle, or the new actor does not come up, she shares.
        """
        await self._recovered.wait()
        if not self._wants_dedication(user_id):
            return self._placement
        async with self._moving:
            if user_id not in self._placement.dedicated and await self._make_room():
                await self._dedicate_or_retire(user_id)
            return self._placement

    async def _dedicate_or_retire(self, user_id: str) -> None:
        try:
            await self._dedicate(user_id)
        except (OpenIMError, TimeoutError) as error:
            log.warning("dedicated inbox not started", error=str(error))
            await self._retire(user_id)

    async def _make_room(self) -> bool:
        """Give the longest idle dedicated actor back if there are as many as there may be; False if none is idle."""
        if len(self._placement.dedicated) < self._dedicated_max:
            return True
        retired = longest_idle(await self._idle_seconds())
        if retired is None:
            return False
        await self._retire(retired)
        return True

    async def _idle_seconds(self) -> dict[str, float | None]:
        """Ask the dedicated actors of users who are not named in the configuration; who does not answer is not idle."""
        named = self._config.inboxes.dedicated_users
        actors = {user_id: name for user_id, name in self._placement.dedicated.items() if user_id not in named}
        calls = [call(name, self._namespace, "idle_seconds", seconds=IDLE_SECONDS) for name in actors.values()]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return {
            user_id: None if isinstance(answer, BaseException) else answer
            for user_id, answer in zip(actors, answers, strict=True)
        }

    def _wants_dedication(self, user_id: str) -> bool:
        inboxes = self._config.inboxes
        return inboxes.placement == "per-user" or user_id in inboxes.dedicated_users

    async def _dedicate(self, user_id: str) -> None:
        from openim_ray.actors.inbox import InboxActor  # noqa: PLC0415 - as in `_base`

        name = _dedicated_name(user_id)
        handle = await asyncio.to_thread(ensure_actor, InboxActor, name, self._namespace, self._payload, user_id)
        old_home = self._placement.inbox_of(user_id)
        placement = self._next({**self._placement.dedicated, user_id: name})
        # The old home lets go before anybody else hears of it. One that did not answer, and missed that the user was given back,
        # would go on with an inbox that has missed what was delivered elsewhere.
        await call(old_home, self._namespace, "place", placement)
        self._placement = placement
        await self._wait_ready(handle)
        await self._publish(except_for=(old_home,))

    async def _retire(self, user_id: str) -> None:
        """Take a user's actor away, also one that did not come into use."""
        name = _dedicated_name(user_id)
        placement = self._next({key: value for key, value in self._placement.dedicated.items() if key != user_id})
        try:
            await call(name, self._namespace, "place", placement)
        except OpenIMError as error:
            log.info("dedicated inbox did not let go; it is ended all the same", error=str(error))
        # It ends before another one owns the inbox.
        await asyncio.to_thread(_end, name, self._namespace)
        self._placement = placement
        await self._publish(except_for=())

    def _next(self, dedicated: dict[str, str]) -> Placement:
        """Return a newer table. Its epoch is time based, so that a supervisor that starts anew continues above its predecessor."""
        self._epoch = max(wall_ms(), self._epoch + 1)
        return Placement(epoch=self._epoch, shards=self._placement.shards, dedicated=dedicated)

    async def _publish(self, except_for: Sequence[str]) -> None:
        names = [*gateway_names(self._config), *self._placement.shards, *self._placement.dedicated.values()]
        calls = [call(name, self._namespace, "place", self._placement) for name in names if name not in except_for]
        for result in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(result, BaseException):
                log.info("placement not told; the actor will ask", error=str(result))

    async def _wait_ready(self, handle: Any) -> None:
        async with asyncio.timeout(READY_SECONDS):
            while not await call_handle(handle, "incarnation"):  # noqa: ASYNC110 - the other process has no event here
                await asyncio.sleep(0.02)

    async def _recover(self) -> None:
        names = await asyncio.to_thread(_dedicated_names, self._namespace)
        serving: dict[str, str] = {}
        idle: list[str] = []
        for name in names:
            try:
                user_id = await call(name, self._namespace, "dedicated_to", seconds=READY_SECONDS)
                if await call(name, self._namespace, "incarnation"):
                    serving[user_id] = name
                else:
                    idle.append(user_id)
            except OpenIMError as error:
                log.info("dedicated inbox does not answer; it is ended", error=str(error))
                await asyncio.to_thread(_end, name, self._namespace)
        # Also without any: what the predecessor was about to place may have been told to one actor only.
        self._placement = self._next(serving)
        self._recovered.set()
        await self._publish(except_for=())
        async with self._moving:
            for user_id in idle:
                # Whether her old home has let go, nobody knows: it is told again.
                if user_id not in self._placement.dedicated:
                    await self._dedicate_or_retire(user_id)

    # --- what others ask

    async def data_directory(self) -> str:
        """Return whose server this is."""
        return self._config.server.data_dir

    async def health(self) -> list[dict[str, object]]:
        """Return the counters of every actor; one that does not answer says so."""
        names = [name for group, _ in self._base() for name in group] + list(self._placement.dedicated.values())
        calls = [call(name, self._namespace, "health", seconds=3.0) for name in names]
        results = await asyncio.gather(*calls, return_exceptions=True)
        return [
            {"name": name, "error": str(result)} if isinstance(result, BaseException) else result
            for name, result in zip(names, results, strict=True)
        ]


async def call_handle(handle: Any, method: str) -> Any:
    """
    Call a method of an actor handle; Unavailable if it failed.
    """
    try:
        return await getattr(handle, method).remote()
    except ray.exceptions.RayError as error:
        raise Unavailable(type(error).__name__) from error


def _dedicated_name(user_id: str) -> str:
    return DEDICATED_PREFIX + hashlib.sha256(user_id.encode()).hexdigest()[:32]


def _dedicated_names(namespace: str) -> list[str]:
    named = list_named_actors(all_namespaces=True)
    return [one["name"] for one in named if one["namespace"] == namespace and one["name"].startswith(DEDICATED_PREFIX)]


def _end(name: str, namespace: str) -> None:
    try:
        ray.kill(ray.get_actor(name, namespace), no_restart=True)
    except ValueError:
        log.info("dedicated inbox was gone already", actor=name)


def _dedicated_max(config: Config) -> int:
    if config.inboxes.dedicated_actors_max:
        return config.inboxes.dedicated_actors_max
    with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123
        available_kb = next((int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), 1_000_000)
    return max(1, int(available_kb * 1024 * DEDICATED_MEMORY_SHARE / DEDICATED_MEMORY_BYTES))


__all__ = ["SUPERVISOR", "SupervisorActor", "ensure_actor"]
