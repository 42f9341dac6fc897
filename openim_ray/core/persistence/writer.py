"""
The persistence actor's order of work: log writes in group commits, state saves in a lane of their own.

Promise: answers are given only after the store said what became of a write; a write of unknown outcome is answered "unavailable",
and its owner says it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openim_ray.core import items
from openim_ray.core.failures import INTERNAL_ERROR, Failures
from openim_ray.core.persistence.batcher import Batcher
from openim_ray.core.sizes import ENTRY_BYTES, size_of
from openim_ray.domain.errors import OpenIMError, Overloaded
from openim_ray.domain.message import LogWrite, StoredMessage, WriteResult

if TYPE_CHECKING:
    from collections.abc import Sequence

StateSave = items.SavePositions | items.SaveTokens

UNAVAILABLE = "unavailable"


class LogJob(NamedTuple):
    """
    A log write and who asked for it.
    """

    peer: str
    call: int
    write: LogWrite


class StateJob(NamedTuple):
    """
    A state save and who asked for it.
    """

    peer: str
    item: StateSave


class Writer:
    """
    State of one persistence actor.

    Limits: `rows_max` and `bytes_max` bound a commit, `waiting_max` writes wait, and as many bytes as a `Batcher`
    takes (beyond either they are answered "unavailable").
    """

    def __init__(self, *, rows_max: int, bytes_max: int, waiting_max: int = 10_000) -> None:
        self._logs: Batcher[LogJob] = Batcher(count_max=rows_max, size_max=bytes_max, waiting_max=waiting_max)
        self._state: Batcher[StateJob] = Batcher(count_max=rows_max, size_max=bytes_max, waiting_max=waiting_max)
        self._items: list[tuple[str, items.AnyItem]] = []
        self.failures = Failures()

    def take_items(self) -> list[tuple[str, items.AnyItem]]:
        """Return and forget the answers that are to be sent, in order."""
        taken, self._items = self._items, []
        return taken

    def receive(self, peer: str, batch: Sequence[items.AnyItem]) -> None:
        """Let writes wait for the next commit; one whose handling fails is answered, and leaves the others alone."""
        for item in batch:
            if not self.failures.attempt(type(item).__name__, self._handle, peer, item):
                self._failed(peer, item)

    def _handle(self, peer: str, item: items.AnyItem) -> None:
        if isinstance(item, items.StoreLog):
            job = LogJob(peer, item.call, _log_write(item))
            if not self._logs.add(job, sum(ENTRY_BYTES + len(row.body) for row in item.rows), len(item.rows)):
                self._items.append((peer, items.StoredLog(item.call, UNAVAILABLE)))
        elif isinstance(item, items.SavePositions | items.SaveTokens) and not self._state.add(
            StateJob(peer, item), size_of(item)
        ):
            self._refuse(peer, item.call, Overloaded("too many saves wait"))

    def _failed(self, peer: str, item: items.AnyItem) -> None:
        if isinstance(item, items.StoreLog):
            self._items.append((peer, items.StoredLog(item.call, UNAVAILABLE)))
        elif isinstance(item, items.SavePositions | items.SaveTokens):
            self._refuse(peer, item.call, OpenIMError(INTERNAL_ERROR))

    # --- the lane of logs

    def take_logs(self) -> list[LogJob]:
        """Take the next commit's writes; empty while one is in work. `logs_written` must follow."""
        return self._logs.take()

    def logs_written(self, jobs: Sequence[LogJob], results: Sequence[WriteResult | None] | None) -> None:
        """Answer a commit; `results` (or one of them) None: its outcome is unknown."""
        self._logs.done()
        for job, result in zip(jobs, results or [None] * len(jobs), strict=True):
            if result is None:
                self._items.append((job.peer, items.StoredLog(job.call, UNAVAILABLE)))
                continue
            existing: dict[int, tuple[int, str, int]] = {
                index: (ref.seq, ref.server_id, ref.send_time) for index, ref in result.existing.items()
            }
            self._items.append((job.peer, items.StoredLog(job.call, result.outcome.value, existing)))

    # --- the lane of state

    def take_state(self) -> list[StateJob]:
        """Take the next saves, to be done in order; empty while some are in work. `state_saved` must follow."""
        return self._state.take()

    def state_saved(self, jobs: Sequence[StateJob], errors: Sequence[OpenIMError | None]) -> None:
        """Answer saves: those without an error are durable, the outcome of the others is unknown."""
        self._state.done()
        for job, error in zip(jobs, errors, strict=True):
            if error is None:
                self._items.append((job.peer, items.Reply(job.item.call)))
            else:
                self._refuse(job.peer, job.item.call, error)

    def _refuse(self, peer: str, call: int, error: OpenIMError) -> None:
        self._items.append((peer, items.Reply(call, error.code, error.detail)))


def _log_write(item: items.StoreLog) -> LogWrite:
    rows = tuple(
        StoredMessage(
            row.conversation_id,  # type: ignore[arg-type]
            row.seq,  # type: ignore[arg-type]
            row.sender_id,  # type: ignore[arg-type]
            row.client_id,  # type: ignore[arg-type]
            row.server_id,  # type: ignore[arg-type]
            row.send_time,
            row.content_type,
            row.sender_sync,
            row.operation_id,
            row.body,
        )
        for row in item.rows
    )
    return LogWrite(item.partition, item.epoch, item.home_key, tuple(item.participants), rows, item.read)
