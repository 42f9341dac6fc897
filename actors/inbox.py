"""
InboxActor: one shard, the home of many user inboxes and of the conversation logs placed on it.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from openim_ray.actors.clock import wall_ms
from openim_ray.actors.lifetime import begin, check_start, tick_forever
from openim_ray.actors.placement_updates import ASK_SECONDS, ASK_SECONDS_DEDICATED, follow_placement
from openim_ray.actors.refs import Links, call
from openim_ray.actors.settings import (
    SUPERVISOR,
    link_settings,
    load_actor_config,
    persistence_names,
    shard_settings,
)
from openim_ray.actors.store_waits import StoreWaits
from openim_ray.config import LiveConfig
from openim_ray.core.inboxes.inbox import RowCut
from openim_ray.core.logs.mentions import MARKS_AT_ONCE
from openim_ray.core.placement import Placement
from openim_ray.core.shard import Shard
from openim_ray.core.shard_loads import (
    DeleteEffects,
    EnsureRows,
    Load,
    LoadEffects,
    LoadFacts,
    LoadInbox,
    LoadLog,
    LoadToken,
    MarkMentions,
    WriteCuts,
)
from openim_ray.domain.conversation import (
    notification_stream_id,
    self_stream_id,
)
from openim_ray.domain.errors import OpenIMError, RecordNotFound, Superseded, Unavailable
from openim_ray.domain.ids import UserID
from openim_ray.services.groups.seats import write_cuts
from openim_ray.services.mentions import mark_page
from openim_ray.storage.open import open_directory_store, open_message_reader, open_state_reader
from openim_ray.storage.places import Places
from openim_ray.telemetry import errors_logged

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from openim_ray.core.items import AnyItem
    from openim_ray.core.logs.admission import Facts
    from openim_ray.core.shard_loads import EffectLoad
    from openim_ray.ports import DirectoryStore
    from openim_ray.storage.stores import OpenMessageReader, OpenStateReader

log = structlog.get_logger(__name__)

LOG_TAIL = 64
TICK_SECONDS = 0.1
DESCRIBE_SECONDS = 5.0
PLACE_SECONDS = 8.0
LOADS_AT_ONCE = 64
"""Inboxes, and as many other things, that are read at the same time; the others wait, or a restart with many users would fail for want of room."""


class InboxActor:
    """
    Shell around `core.shard.Shard`: carries its items, performs its loads, tells it the time.

    Guarantee: it serves only after the epochs of its partitions were raised durably, so that whatever an earlier incarnation had under way
    is either in the store already or refused by it.
    """

    def __init__(self, name: str, config_payload: bytes, dedicated_user: str = "") -> None:
        self._name = name
        self._dedicated_user = dedicated_user
        self._config = load_actor_config(config_payload, name)
        self._live = LiveConfig(self._config)
        self._incarnation = uuid.uuid4().hex
        self._loop = asyncio.get_running_loop()
        namespace = self._config.cluster.namespace
        self._links = Links(name, self._incarnation, namespace, link_settings(self._config), self)
        self._persistence = persistence_names(self._config)
        self._shard: Shard | None = None
        self._messages: OpenMessageReader | None = None
        self._state: OpenStateReader | None = None
        self._directory: DirectoryStore | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._room_for_inboxes = asyncio.Semaphore(LOADS_AT_ONCE)
        self._room_for_logs = asyncio.Semaphore(LOADS_AT_ONCE)
        self._room_for_mentions = asyncio.Semaphore(MARKS_AT_ONCE)
        self._items_received = 0
        self._serving_since = 0.0
        self._started = begin(self._start())

    async def _start(self) -> None:
        await self._links.listen()
        places = Places.of(self._config)
        stores = StoreWaits()
        self._messages = await stores.open("message store", places.messages, lambda: open_message_reader(places))
        origin = await stores.open("message store", places.messages, self._messages.origin)
        self._state = await stores.open(
            "state store", places.directory, lambda: open_state_reader(places, self._persistence)
        )
        self._directory = await stores.open("directory", places.directory, lambda: open_directory_store(places))
        placement = Placement(epoch=0, shards=())
        while not placement.partitions_of(self._name):
            placement = await self._until_there(SUPERVISOR, "placement")
            if not placement.partitions_of(self._name):
                await asyncio.sleep(0.1)
        epochs = await self._claim(placement.partitions_of(self._name))
        now = self._serving_since = self._loop.time()
        settings = shard_settings(self._config)._replace(origin=origin)
        self._shard = Shard(
            self._name, placement, epochs, self._persistence, settings, now, incarnation=self._incarnation
        )
        every = ASK_SECONDS_DEDICATED if self._dedicated_user else ASK_SECONDS
        namespace = self._config.cluster.namespace
        self._spawn(follow_placement(namespace, every, lambda: self._serving().placement.epoch, self.place))
        await tick_forever(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._links.tick()
        if (superseded := self._serving().logs.superseded) is not None:
            # Whoever took over serves; if that was nobody (a claim that came late), the next incarnation claims anew.
            raise Superseded(*superseded)
        self._serving().tick(self._loop.time(), wall_ms())
        self._perform()

    async def _claim(self, partitions: list[str]) -> dict[str, int]:
        epochs: dict[str, int] = await self._until_there(self._persistence[0], "claim", partitions, self._incarnation)
        return epochs

    async def _until_there(self, actor: str, method: str, *arguments: object) -> Any:
        while True:
            try:
                return await call(actor, self._config.cluster.namespace, method, *arguments)
            except OpenIMError:
                await asyncio.sleep(0.1)

    # --- what peers and scripts call

    async def incarnation(self) -> str:
        """Return who this process is; empty until it can work."""
        check_start(self._name, self._started)
        return self._incarnation if self._shard is not None else ""

    async def receive(self, data: bytes) -> str | bytes:
        """Take a batch of items; see `Links.receive`."""
        return await self._links.receive(data)

    async def dedicated_to(self) -> str:
        """Return the user this actor was started for; empty for a shared one."""
        return self._dedicated_user

    async def idle_seconds(self) -> float | None:
        """Return how long the user this actor was started for has had no use of it; None while she has a device connected."""
        inbox = self._serving().inboxes.find(self._dedicated_user)
        if inbox is None:
            return self._loop.time() - self._serving_since
        return None if inbox.sessions else self._loop.time() - inbox.last_used

    async def place(self, placement: Placement) -> None:
        """
        Take over a newer placement: claim what came, then let go of what left.

        Returns when the read positions of who left are durable; Unavailable if that takes too long.
        """
        shard = self._serving()
        if placement.epoch <= shard.placement.epoch:
            return
        known = set(shard.placement.partitions_of(self._name))
        came = [one for one in placement.partitions_of(self._name) if one not in known]
        came += placement.returned_since(shard.placement, self._name)
        epochs = await self._claim(came) if came else {}
        shard.place(placement, epochs)
        self._perform()
        deadline = self._loop.time() + PLACE_SECONDS
        while shard.saves_for_others:
            if self._loop.time() >= deadline:
                raise Unavailable("positions of users that left are not saved yet")
            await asyncio.sleep(0.01)

    async def describe(self, user_id: str) -> dict[str, object]:
        """
        Return position, buffer, devices and conversations of a user's inbox, from the shard that owns it.

        RecordNotFound if there is no such user.
        """
        shard = self._serving()
        owner = shard.placement.inbox_of(user_id)
        if owner != self._name:
            described: dict[str, object] = await call(owner, self._config.cluster.namespace, "describe", user_id)
            return described
        assert self._directory is not None
        if shard.inboxes.find(user_id) is None and not await self._directory.users([user_id]):
            raise RecordNotFound(f"no user {user_id!r}")
        inbox = shard.inboxes.activate(user_id, shard.placement.inbox_partition(user_id), self._loop.time())
        self._perform()
        async with asyncio.timeout(DESCRIBE_SECONDS):
            while not inbox.loaded:  # noqa: ASYNC110 - machines are plain objects, nothing wakes us
                await asyncio.sleep(0.005)
        return {**inbox.describe(), "actor": self._name}

    async def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        shard = self._shard
        return {
            "name": self._name,
            "incarnation": self._incarnation,
            "inboxes_active": len(list(shard.inboxes.active())) if shard else 0,
            "items_received": self._items_received,
            "damaged_rows": self._messages.damaged_rows if self._messages else 0,
            "marks_dropped": shard.logs.mentions.dropped if shard else 0,
            "link_resets": self._links.resets,
            "errors_logged": errors_logged(),
            **(self._state.counters() if self._state else {}),
        }

    async def drain(self) -> None:
        """Stop: nothing of what was answered is only here."""
        self._started.cancel()
        for task in list(self._tasks):
            task.cancel()
        await self._links.close()

    # --- what links tell

    def on_items(self, peer: str, batch: Sequence[AnyItem]) -> None:
        """Let the shard handle items, and do what it wants done."""
        self._items_received += len(batch)
        self._serving().receive(peer, batch, self._loop.time(), wall_ms())
        self._perform()

    def on_link_reset(self, peer: str) -> None:
        """Tell the shard."""
        if self._shard is not None:
            self._shard.link_reset(peer, self._loop.time(), wall_ms())
            self._perform()

    # --- what the shard wants done

    def _serving(self) -> Shard:
        if self._shard is None:
            raise Unavailable(f"{self._name} is starting")
        return self._shard

    def _perform(self) -> None:
        shard = self._serving()
        for failure in shard.outbox.failures.take():
            log.error("item failed", **failure._asdict())
        ensures: list[EnsureRows] = []
        for load in shard.outbox.take_loads():
            if isinstance(load, EnsureRows):
                ensures.append(load)
            else:
                self._spawn(self._load(load))
        if ensures:
            self._spawn(self._ensure_rows(ensures))
        for peer, item in shard.outbox.take_items():
            self._links.send(peer, item)
        self._links.flush()

    async def _load(self, load: Load) -> None:
        shard = self._serving()
        try:
            async with self._room_for(load):
                await self._read(shard, load)
        except OpenIMError as error:
            log.warning("load failed", load=type(load).__name__, error=repr(error))
            self._load_failed(load)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait for it must not wait for ever
            log.error("load failed", load=type(load).__name__, error=repr(error))
            self._load_failed(load)
        shard.logs.flush(wall_ms())
        self._perform()

    def _room_for(self, load: Load) -> asyncio.Semaphore:
        if isinstance(load, LoadInbox | LoadToken):
            return self._room_for_inboxes
        return self._room_for_mentions if isinstance(load, MarkMentions) else self._room_for_logs

    async def _read(self, shard: Shard, load: Load) -> None:
        if isinstance(load, LoadLog):
            await self._load_log(shard, load)
        elif isinstance(load, LoadInbox):
            await self._load_inbox(shard, load)
        elif isinstance(load, LoadFacts):
            await self._load_facts(shard, load)
        elif isinstance(load, LoadToken):
            await self._load_token(shard, load)
        elif isinstance(load, MarkMentions):
            await self._mark_mentions(shard, load)
        elif not isinstance(load, EnsureRows):
            await self._work_on_effects(shard, load)

    async def _work_on_effects(self, shard: Shard, load: EffectLoad) -> None:
        assert self._directory is not None
        effects = shard.logs.effects
        if isinstance(load, LoadEffects):
            waiting = await self._directory.view(lambda view: view.waiting_effects(load.home_key, load.limit))
            effects.read(load.home_key, waiting)
        elif isinstance(load, WriteCuts):
            written = await self._directory.change(lambda change: write_cuts(change, load))
            if written.result:
                effects.cuts_written(load)
            else:
                effects.cuts_refused(load)
        elif isinstance(load, DeleteEffects):
            await self._directory.change(lambda change: change.delete_effects(load.home_key, load.through))
            effects.deleted(load)
        else:
            found = await self._directory.view(lambda view: view.logs_with_effects(load.limit))
            effects.found([key for key in found if shard.placement.log_of(key) == self._name])

    async def _mark_mentions(self, shard: Shard, load: MarkMentions) -> None:
        assert self._directory is not None
        page = await mark_page(self._directory, load)
        shard.logs.mentions.marked(load, page.changed, page.after)

    def _load_failed(self, load: Load) -> None:
        shard, now = self._serving(), self._loop.time()
        if isinstance(load, LoadInbox | LoadToken):
            shard.inboxes.load_failed(load, now)
        else:
            shard.logs.load_failed(load, now)

    async def _load_log(self, shard: Shard, load: LoadLog) -> None:
        assert self._messages is not None
        state = await self._messages.load_log(load.home_key, LOG_TAIL)
        shard.logs.log_loaded(load.home_key, state, self._loop.time(), wall_ms())

    async def _load_inbox(self, shard: Shard, load: LoadInbox) -> None:
        assert self._messages is not None
        assert self._state is not None
        assert self._directory is not None
        user_id = UserID(load.user_id)
        rows = await self._directory.conversations(user_id)
        positions = await self._state.read_positions(user_id)
        ids = [row.conversation_id for row in rows]
        streams = [notification_stream_id(one) for one in ids]
        heads = await self._messages.heads([*ids, *streams, self_stream_id(user_id)])
        cuts = {row.conversation_id: RowCut(row.min_seq, row.max_seq) for row in rows if row.min_seq or row.max_seq}
        shard.inboxes.inbox_loaded(user_id, ids, positions, heads, self._loop.time(), wall_ms(), cuts)

    async def _load_token(self, shard: Shard, load: LoadToken) -> None:
        assert self._state is not None
        state = await self._state.token_state(load.user_id, load.platform_id, load.digest)
        shard.inboxes.token_read(load, state)

    async def _load_facts(self, shard: Shard, load: LoadFacts) -> None:
        assert self._directory is not None
        if load.is_group:
            facts: Facts = await self._directory.group_chat_facts(load.receiver_id, load.sender_id)
        else:
            single = await self._directory.single_chat_facts(load.sender_id, load.receiver_id)
            facts = replace(single, friends_only=self._live.now().relations.friends_only)
        shard.logs.facts_loaded(load.sender_id, load.receiver_id, facts, self._loop.time(), wall_ms())

    async def _ensure_rows(self, ensures: list[EnsureRows]) -> None:
        shard = self._serving()
        for one, is_ensured in zip(ensures, await self._ensured(ensures), strict=True):
            if is_ensured:
                shard.logs.rows_ensured(one)
            else:
                shard.logs.load_failed(one, self._loop.time())
        shard.logs.flush(wall_ms())
        self._perform()

    async def _ensured(self, ensures: list[EnsureRows]) -> list[bool]:
        """Tell of which chats the rows are there now; messages wait for the others, which are asked for again."""
        assert self._directory is not None
        try:
            await self._directory.ensure_conversations([row for one in ensures for row in one.rows()])
        except OpenIMError as error:
            # The store is down: each of them alone would take as long again.
            log.warning("rows not ensured", chats=len(ensures), error=str(error))
            return [False] * len(ensures)
        except Exception as error:  # noqa: BLE001 - whatever it was
            log.error("rows not ensured", chats=len(ensures), error=repr(error))
            if len(ensures) == 1:
                return [False]
            # One of them may be what the store can't take: its neighbours pass.
            return [(await self._ensured([one]))[0] for one in ensures]
        return [True] * len(ensures)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", error=repr(error))
