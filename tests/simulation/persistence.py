"""
A persistence process: `core.persistence.writer.Writer` over the stores, as `actors/persistence.py` drives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.persistence.history_lane import HistoryLane
from openim_ray.core.persistence.writer import LogJob, StateJob, Writer
from openim_ray.domain.conversation import home_key
from openim_ray.domain.errors import OpenIMError
from openim_ray.domain.ids import ConversationID, partition_of
from openim_ray.domain.message import Outcome
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import TokenRecord
from openim_ray.services.expiry import DAY_MS, Expiry
from openim_ray.services.history_copying import HistoryCopying
from tests.simulation.coroutines import Future
from tests.simulation.process import Process
from tests.simulation.stores import STATE, Expiring, History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.message import LogWrite, WriteResult
    from tests.simulation.world import World


def beginning_of(writes: Sequence[LogWrite], share: float) -> list[LogWrite]:
    """
    Return what stands of a batch that was cut off: its first rows, and of a write that isn't whole no marks (`ports.MessageStore.write`).
    """
    left = int(share * sum(len(write.rows) for write in writes))
    standing: list[LogWrite] = []
    for write in writes:
        if left < len(write.rows):
            if left:
                standing.append(write._replace(rows=write.rows[:left], read={}))
            break
        standing.append(write)
        left -= len(write.rows)
    return standing


RETRY_SECONDS = 1.0
COMPARE_SECONDS = 5.0
SWEEP_SECONDS = 0.5


class HistoryJobs:
    """
    Copying and retention, as `actors/history.py` has them run.
    """

    def __init__(self, process: PersistenceProcess) -> None:
        settings = process.world.settings
        self._process = process
        self._history = History(process.world.stores, process)
        messages = Expiring(process.world.stores, process)
        lane = HistoryLane(
            rows_max=settings.commit_rows_max,
            bytes_max=1 << 20,
            waiting_rows_max=settings.history_rows_max,
            conversations_max=settings.history_conversations_max,
        )
        self._copying = HistoryCopying(lane, messages, process.writes)  # type: ignore[arg-type]
        days = settings.retention_seconds * 1000 / DAY_MS
        self._expiry = Expiry(messages, lambda: days, process.writes)  # type: ignore[arg-type]
        self._expires = settings.retention_seconds > 0
        self._works = self._sweeps = False
        self._work_at = self._sweep_at = 0.0
        self._compare_at = process.now + COMPARE_SECONDS

    def stored(self, jobs: Sequence[LogJob], results: Sequence[WriteResult]) -> None:
        """Let rows that have become durable follow."""
        for job, result in zip(jobs, results, strict=True):
            if result.outcome is Outcome.STORED:
                self._copying.stored(job.write.rows)

    def begin_due(self) -> None:
        """Begin what has something to do and isn't under way."""
        now = self._process.now
        if now >= self._compare_at:
            self._compare_at = now + COMPARE_SECONDS
            self._copying.compare_again()
        if not self._works and now >= self._work_at and self._copying.has_work:
            self._works = True
            self._process.spawn(self._work())
        if self._expires and not self._sweeps and now >= self._sweep_at:
            self._sweeps = True
            self._process.spawn(self._sweep())

    async def _work(self) -> None:
        if not await self._copying.work(self._history):  # type: ignore[arg-type]
            self._work_at = self._process.now + RETRY_SECONDS
        self._works = False

    async def _sweep(self) -> None:
        try:
            skip: int | None = 0
            while skip is not None:
                skip = await self._expiry.look(self._history, skip)  # type: ignore[arg-type]
        except OpenIMError:
            pass
        self._sweep_at = self._process.now + SWEEP_SECONDS
        self._sweeps = False


class PersistenceProcess(Process):
    """
    Writes what shards send, in batches; copies it to the history, if there is one.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._writer = Writer(rows_max=world.settings.commit_rows_max, bytes_max=1 << 20)
        self._history = HistoryJobs(self) if world.settings.history else None
        self.later(world.scheduler.between(0.01, 0.3), self.begin)

    def writes(self, conversation_id: ConversationID) -> bool:
        """Tell whether this process writes a conversation."""
        names = self.world.persistence_names
        return names[partition_of(home_key(conversation_id)) % len(names)] == self.name

    def on_tick(self) -> None:
        """Begin what is due for the history."""
        if self._history is not None:
            self._history.begin_due()

    def claim(self, partitions: list[str], owner: str) -> Future[dict[str, int] | None]:
        """Raise epochs for a shard; None if that failed."""
        told: Future[dict[str, int] | None] = Future()
        if not self.serving:
            told.resolve(None)
            return told
        tables = self.world.stores.tables
        claimed = self.world.stores.call(self, lambda: tables.messages.claim(partitions, owner), outlives=True)

        def answer() -> None:
            try:
                told.resolve(claimed.result())
            except OpenIMError:
                told.resolve(None)

        claimed.when_done(answer)
        return told

    def on_items(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Let writes wait for the next commit, and begin one if none is in work."""
        self._writer.receive(peer, batch)
        self._work()

    def on_link_reset(self, peer: str) -> None:
        """Nothing to do."""

    def _work(self) -> None:
        assert not (failures := self._writer.failures.take()), failures
        logs = self._writer.take_logs()
        if logs:
            self.spawn(self._commit_logs(logs))
        state = self._writer.take_state()
        if state:
            self.spawn(self._save_state(state))
        for peer, item in self._writer.take_items():
            self.links.send(peer, item)
        self.links.flush()

    async def _commit_logs(self, jobs: list[LogJob]) -> None:
        results = None
        try:
            stores = self.world.stores
            writes = [job.write for job in jobs]
            results = await stores.call(
                self,
                lambda: stores.write(writes),
                outlives=True,
                beginning=lambda share: stores.write(beginning_of(writes, share)),
            )
        except OpenIMError:
            pass
        else:
            if self._history is not None:
                self._history.stored(jobs, results)
        self._writer.logs_written(jobs, results)
        self._work()

    async def _save_state(self, jobs: list[StateJob]) -> None:
        failure: OpenIMError | None = None
        tokens = [
            TokenRecord(*record) for _, item in jobs if isinstance(item, items.SaveTokens) for record in item.records
        ]
        positions = [_positions_of(item) for _, item in jobs if isinstance(item, items.SavePositions)]
        try:
            state = self.world.stores.tables.state
            await self.world.stores.call(self, lambda: state.save(tokens, positions), STATE)
        except OpenIMError as error:
            failure = error
        self._writer.state_saved(jobs, [failure] * len(jobs))
        self._work()


def _positions_of(item: items.SavePositions) -> tuple[str, dict[ConversationID, ReadPosition]]:
    return item.user_id, {ConversationID(key): ReadPosition(*value) for key, value in item.positions.items()}
