"""
PersistenceActor: batched, idempotent writes to the message store and the state store.
"""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from typing import TYPE_CHECKING

import structlog

from openim_ray.actors.erasing import Eraser, end_logins
from openim_ray.actors.history import HistoryKeeper
from openim_ray.actors.lifetime import begin, check_start, tick_forever
from openim_ray.actors.refs import Links
from openim_ray.actors.settings import link_settings, load_actor_config, persistence_names
from openim_ray.actors.store_waits import StoreWaits
from openim_ray.core import items
from openim_ray.core.persistence.writer import LogJob, StateJob, Writer
from openim_ray.domain.conversation import home_key
from openim_ray.domain.errors import OpenIMError, Unavailable
from openim_ray.domain.ids import ConversationID, UserID, partition_of
from openim_ray.domain.message import Outcome, WriteResult
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import TokenRecord
from openim_ray.storage.open import open_message_store, open_state_store
from openim_ray.storage.places import Places
from openim_ray.storage.stores import OpenMessageStore, OpenStateStore
from openim_ray.telemetry import errors_logged

if TYPE_CHECKING:
    from collections.abc import Sequence

    Positions = tuple[UserID, dict[ConversationID, ReadPosition]]

TICK_SECONDS = 0.1
REFUSAL_SECONDS = 15.0
"""So long the store that refused a write counts as one that takes none: owners say theirs again sooner."""

log = structlog.get_logger(__name__)


class PersistenceActor:
    """
    Shell around `core.persistence.writer.Writer`: decodes, delegates, commits.

    Guarantee: an answer leaves after the store's commit. Killed at any moment, it loses only answers: owners say unanswered writes
    again to its next incarnation, and the store takes a repetition as success.
    """

    def __init__(self, name: str, config_payload: bytes) -> None:
        self._name = name
        self._config = load_actor_config(config_payload, name)
        self._incarnation = uuid.uuid4().hex
        settings = self._config.persistence
        self._writer = Writer(rows_max=settings.batch_messages_max, bytes_max=settings.batch_bytes_max)
        self._links = Links(name, self._incarnation, self._config.cluster.namespace, link_settings(self._config), self)
        self._messages: OpenMessageStore | None = None
        self._state: OpenStateStore | None = None
        self._rows_written = 0
        self._commits = 0
        self._commits_failed = 0
        self._refusal = ""
        self._refused_at = 0.0
        self._history: HistoryKeeper | None = None
        self._history_kept: asyncio.Task[None] | None = None
        self._eraser: Eraser | None = None
        self._erased: asyncio.Task[None] | None = None
        self._committing: set[asyncio.Task[None]] = set()
        self._started = begin(self._start())

    async def _start(self) -> None:
        await self._links.listen()
        places = Places.of(self._config)
        stores = StoreWaits()
        self._messages = await stores.open("message store", places.messages, lambda: open_message_store(places))
        if places.has_history:
            self._history = HistoryKeeper(self._config, self._messages, self._is_mine)
            self._history_kept = begin(self._history.run())
        self._eraser = Eraser(self._config, self._messages, self._works_for, partial(end_logins, self._config))
        self._erased = begin(self._eraser.run())
        self._state = await stores.open(
            "state store", places.directory, lambda: open_state_store(places, writer=self._name)
        )
        await tick_forever(TICK_SECONDS, self._links.tick)

    def _is_mine(self, conversation_id: ConversationID) -> bool:
        return self._works_for(home_key(conversation_id))

    def _works_for(self, key: str) -> bool:
        names = persistence_names(self._config)
        return names[partition_of(key) % len(names)] == self._name

    # --- what peers call

    async def incarnation(self) -> str:
        """Return who this process is; empty until it can work."""
        check_start(self._name, self._started)
        return self._incarnation if self._state is not None else ""

    async def receive(self, data: bytes) -> str | bytes:
        """Take a batch of items; see `Links.receive`."""
        return await self._links.receive(data)

    async def claim(self, partitions: list[str], owner: str) -> dict[str, int]:
        """Raise the epochs of partitions durably for a new owner and return them."""
        if self._messages is None:
            raise Unavailable("starting")
        return await self._messages.claim(partitions, owner)

    async def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return {
            "name": self._name,
            "incarnation": self._incarnation,
            "rows_written": self._rows_written,
            "commits": self._commits,
            "commits_failed": self._commits_failed,
            "link_resets": self._links.resets,
            "errors_logged": errors_logged(),
            **(self._state.counters() if self._state else {}),
            **(self._history.health() if self._history else {}),
            **(self._eraser.health() if self._eraser else {}),
        }

    async def drain(self) -> None:
        """Wait until nothing is in work, then close the stores."""
        while self._committing:
            await asyncio.wait(self._committing)
        self._started.cancel()
        jobs = [job for job in (self._history_kept, self._erased) if job is not None]
        for job in jobs:
            job.cancel()  # what they have not done is found at the next start
        if jobs:
            await asyncio.wait(jobs)
        if self._messages is not None:
            await self._messages.aclose()
        if self._state is not None:
            await self._state.aclose()

    # --- what links tell

    def on_items(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Let writes wait for the next commit, and begin one if none is in work."""
        self._writer.receive(peer, batch)
        self._work()

    def on_link_reset(self, peer: str) -> None:
        """Nothing to do: the owner says again what it has no answer for."""

    # --- committing

    def _work(self) -> None:
        for failure in self._writer.failures.take():
            log.error("item failed", **failure._asdict())
        logs = self._writer.take_logs()
        if logs:
            self._spawn(self._commit_logs(logs))
        state = self._writer.take_state()
        if state:
            self._spawn(self._save_state(state))
        for peer, item in self._writer.take_items():
            self._links.send(peer, item)
        self._links.flush()

    async def _commit_logs(self, jobs: list[LogJob]) -> None:
        results = await self._write(jobs)
        if results is None and len(jobs) > 1:
            # One of them may be what the store can't take: its neighbours pass.
            results = [one for job in jobs for one in await self._write([job]) or [None]]
        self._writer.logs_written(jobs, results)
        self._work()

    async def _write(self, jobs: list[LogJob]) -> list[WriteResult | None] | None:
        assert self._messages is not None
        try:
            results = await self._messages.write([job.write for job in jobs])
        except Unavailable as error:
            log.warning("message store unavailable", error=error.detail)
            self._refused(error.detail)
            return [None] * len(jobs)
        except Exception:
            log.exception("write refused by the store", logs=len(jobs))
            return None
        self._rows_written += sum(len(job.write.rows) for job in jobs)
        self._commits += 1
        self._refusal = ""
        if self._history is not None:
            stored = zip(jobs, results, strict=True)
            self._history.stored(
                [row for job, result in stored if result.outcome is Outcome.STORED for row in job.write.rows]
            )
        return list(results)

    def _refused(self, reason: str) -> None:
        self._commits_failed += 1
        self._refusal = reason
        self._refused_at = asyncio.get_running_loop().time()

    async def _takes_writes(self, messages: OpenMessageStore) -> None:
        """Who saves nothing wants to know whether something could be stored: a full disk, or a server that is only read, answers reads."""
        if self._refusal and asyncio.get_running_loop().time() - self._refused_at < REFUSAL_SECONDS:
            raise Unavailable(self._refusal)
        await messages.read_marks("")

    async def _save_state(self, jobs: list[StateJob]) -> None:
        failure = await self._save(jobs)
        errors = [failure] * len(jobs)
        if len(jobs) > 1 and failure is not None and not isinstance(failure, Unavailable):
            # One of them may be what the store can't take: it fails alone.
            errors = await self._save_each(jobs)
        self._writer.state_saved(jobs, errors)
        self._work()

    async def _save_each(self, jobs: list[StateJob]) -> list[OpenIMError | None]:
        errors: list[OpenIMError | None] = []
        for job in jobs:
            is_down = bool(errors) and isinstance(errors[-1], Unavailable)
            errors.append(errors[-1] if is_down else await self._save([job]))
        return errors

    async def _save(self, jobs: list[StateJob]) -> OpenIMError | None:
        """Save a batch in one commit and return what it failed of; whatever that is, it must not keep the lane busy for ever."""
        assert self._state is not None
        tokens, positions = _state_of(jobs)
        try:
            if self._messages is not None and not tokens and not positions:
                await self._takes_writes(self._messages)
            await self._state.save(tokens, positions)
        except OpenIMError as error:
            log.warning("not saved", saves=len(jobs), error=str(error))
            return error
        except Exception:
            log.exception("save refused by the store", saves=len(jobs))
            return OpenIMError("not saved")
        return None

    def _spawn(self, coroutine: object) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]
        self._committing.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._committing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("commit failed", error=repr(error))


def _state_of(jobs: Sequence[StateJob]) -> tuple[list[TokenRecord], list[Positions]]:
    """Return what is to be saved, in the order in which it was asked for."""
    tokens: list[TokenRecord] = []
    positions: list[Positions] = []
    for _, item in jobs:
        if isinstance(item, items.SaveTokens):
            tokens += (TokenRecord(*record) for record in item.records)
        else:
            found = {ConversationID(key): ReadPosition(*value) for key, value in item.positions.items()}
            positions.append((UserID(item.user_id), found))
    return tokens, positions
