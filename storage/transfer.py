"""
The door from the SQLite files of a data directory to database servers.

Everything may be interrupted and done again: what is there is left, what is missing is added. Nothing here writes to the source.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.storage.mongo.intake import MongoIntake
from openim_ray.storage.mongo.messages import MongoMessageReader
from openim_ray.storage.open import open_history_reader, open_history_store, prepare
from openim_ray.storage.places import EMBEDDED, Places, is_postgresql
from openim_ray.storage.postgres.intake import PostgresIntake
from openim_ray.storage.relational import copying
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors
from openim_ray.storage.sqlite.database import bind
from openim_ray.storage.sqlite.export import exporting
from openim_ray.storage.sqlite.messages import SqliteMessageReader
from openim_ray.storage.transfer_logs import Differs, LogComparison, LogCopier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from sqlalchemy import Connection, Table

__all__ = ["Differs", "Figures", "Transfer", "moving"]


class Figures(NamedTuple):
    """
    What a transfer did.
    """

    messages: int
    """Rows of the source's log."""

    copied: int
    """Of them, those that this run has copied; the others were there."""

    damaged: int
    """Rows copied as they are, though their checksum fails."""


def moving(data_dir: Path, target: Places) -> list[str]:
    """
    Return which databases of a data directory have a server as their target.
    """
    urls = Places(data_dir).databases
    return [database for database in urls if target.databases[database] not in EMBEDDED]


class Transfer:
    """
    Takes what a data directory holds to the servers that places name.

    Args:
        data_dir: with files of this version, which nobody writes.
        target: where everything is afterwards.
        name: of this migration; what another one has brought is refused.
        progress: hears how many rows were copied or compared, as they are.
    """

    def __init__(self, data_dir: Path, target: Places, name: str, progress: Callable[[int], None]) -> None:
        self._data_dir = data_dir
        self._target = target
        self._name = name
        self._progress = progress

    @property
    def _moves_messages(self) -> bool:
        return "messages" in moving(self._data_dir, self._target)

    @property
    def _tables(self) -> list[str]:
        return [one for one in moving(self._data_dir, self._target) if one in copying.SCHEMAS]

    async def prepare(self) -> int:
        """
        Make tables and collections, claim them for this migration, and return how many messages there are.

        UnsuitableStore if one of them holds something else.
        """
        rest = self._target._replace(messages="") if self._moves_messages else self._target
        await prepare(rest)
        if self._moves_messages:
            async with AsyncExitStack() as stack:
                intake = MongoIntake(self._target.messages)
                stack.push_async_callback(intake.aclose)
                await intake.begin(self._name)
        if is_postgresql(self._target.history) and self._target.has_history:
            history = PostgresIntake(self._target.history, self._name)
            await asyncio.to_thread(history.begin_history)
        with exporting(self._data_dir / "messages.db") as export:
            return export.figures()[0]

    async def copy(self) -> Figures:
        """Copy what is not there yet: people and state in one transaction, then the logs."""
        if self._tables:
            await asyncio.to_thread(self._copy_tables)
        async with AsyncExitStack() as stack:
            intake = history = None
            if self._moves_messages:
                intake = MongoIntake(self._target.messages)
                stack.push_async_callback(intake.aclose)
            if self._target.has_history:
                history = await open_history_store(self._target)
                stack.push_async_callback(history.aclose)
            export = stack.enter_context(exporting(self._data_dir / "messages.db"))
            rows, epoch, origin = export.figures()
            if intake is not None:
                await intake.set_counters(epoch, origin)
            copier = LogCopier(export, intake, history, self._progress)
            if intake is not None or history is not None:
                await copier.run()
        return Figures(rows, copier.copied, copier.damaged)

    async def compare(self) -> None:
        """Read everything back; Differs names the first difference."""
        if self._tables:
            await asyncio.to_thread(self._compare_tables)
        if self._moves_messages or self._target.has_history:
            await self._compare_logs()

    async def finish(self) -> None:
        """Let servers use the target; harmless if repeated."""
        if self._moves_messages:
            intake = MongoIntake(self._target.messages)
            try:
                await intake.end(self._name)
            finally:
                await intake.aclose()
        for url in {url for url in (self._target.directory, self._target.history) if is_postgresql(url)}:
            await asyncio.to_thread(PostgresIntake(url, self._name).end)

    # --- people and state

    def _copy_tables(self) -> None:
        tables = copying.tables_of(self._tables)
        ids: dict[str, int] = {}
        for database in self._tables:
            with self._reading(database) as connection:
                ids |= copying.highest_ids(connection, copying.tables_of([database]))
        PostgresIntake(self._target.directory, self._name).copy(tables, self._parts(), ids)

    def _parts(self) -> Iterator[tuple[Table, Sequence[Any]]]:
        for database in self._tables:
            with self._reading(database) as connection:
                for table in copying.tables_of([database]):
                    for part in copying.rows_of(connection, table):
                        yield table, part

    def _compare_tables(self) -> None:
        there = PostgresIntake(self._target.directory, self._name).digests(copying.tables_of(self._tables))
        for database in self._tables:
            with self._reading(database) as connection:
                for table in copying.tables_of([database]):
                    here = copying.digest(connection, table)
                    if here != there[table.name]:
                        raise Differs(
                            f"table {table.name} holds {here.rows} rows here and {there[table.name].rows} there, or others"
                        )

    @contextmanager
    def _reading(self, database: str) -> Iterator[Connection]:
        path = self._data_dir / f"{database}.db"
        with driver_errors(path), closing(connect_reader(path)) as driver, bind(driver) as connection:
            yield connection

    # --- logs

    async def _compare_logs(self) -> None:
        async with AsyncExitStack() as stack:
            source = SqliteMessageReader(self._data_dir / "messages.db")
            stack.push_async_callback(source.aclose)
            target = history = None
            if self._moves_messages:
                target = MongoMessageReader(self._target.messages)
                stack.push_async_callback(target.aclose)
            if self._target.has_history:
                history = await open_history_reader(self._target)
                stack.push_async_callback(history.aclose)
            await LogComparison(source, target, history, self._progress).run()
