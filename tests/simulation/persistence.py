"""
A persistence process: `core.persistence.writer.Writer` over the stores, as `actors/persistence.py` drives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.core import items
from openim_ray.core.persistence.writer import LogJob, StateJob, Writer
from openim_ray.domain.errors import OpenIMError
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import TokenRecord
from tests.simulation.coroutines import Future
from tests.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.domain.message import LogWrite
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


class PersistenceProcess(Process):
    """
    Writes what shards send, in batches.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._writer = Writer(rows_max=world.settings.commit_rows_max, bytes_max=1 << 20)
        self.later(world.scheduler.between(0.01, 0.3), self.begin)

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
            tables = self.world.stores.tables
            writes = [job.write for job in jobs]
            results = await self.world.stores.call(
                self,
                lambda: tables.messages.write(writes),
                outlives=True,
                beginning=lambda share: tables.messages.write(beginning_of(writes, share)),
            )
        except OpenIMError:
            pass
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
            await self.world.stores.call(self, lambda: state.save(tokens, positions))
        except OpenIMError as error:
            failure = error
        self._writer.state_saved(jobs, [failure] * len(jobs))
        self._work()


def _positions_of(item: items.SavePositions) -> tuple[str, dict[ConversationID, ReadPosition]]:
    return item.user_id, {ConversationID(key): ReadPosition(*value) for key, value in item.positions.items()}
