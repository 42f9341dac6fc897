"""
From the SQLite files of a data directory to database servers.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from openim_ray.config.values import hide_password
from openim_ray.domain.errors import OpenIMError, SchemaTooNew, SchemaTooOld, UnsuitableStore
from openim_ray.migration_note import NOTE, MigrationNote, NoteDamaged, read_note, write_note
from openim_ray.stopped import stopped
from openim_ray.storage.open import require_schemas
from openim_ray.storage.places import Places
from openim_ray.storage.transfer import Differs, Transfer, moving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openim_ray.config import Config


class MigrateError(Exception):
    """
    A migration can't be made, or did not come to its end; the text is one line.
    """


class Report(NamedTuple):
    """
    What a migration did. `seconds` are those of copying, `compare_seconds` those of reading everything back.
    """

    messages: int
    copied: int
    damaged: int
    seconds: float
    compare_seconds: float
    databases: dict[str, str]

    @property
    def messages_per_second(self) -> float:
        """Messages that were copied in a second."""
        return self.copied / max(self.seconds, 0.001)


class Watch(NamedTuple):
    """
    Who hears of the work: `begin` what comes next and how many messages it concerns, `advance` that some of them are done.
    """

    begin: Callable[[str, int], None]
    advance: Callable[[int], None]


def migrate(
    config: Config,
    watch: Watch,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - the clock of those who don't bring one
) -> Report:
    """
    Take what the data directory holds to the servers that the configuration names, whose server must not run.

    Interrupted, it goes on where it was when it is called again. The files are left as they are; a note beside them keeps a server from starting on
    them by accident.

    Raises:
        MigrateError, StartError: it can't be done, or the target turned out to differ.
    """
    with stopped(config) as data_dir:
        target = Places.of(config)._replace(data_dir=data_dir)
        databases = {one: hide_password(target.databases[one]) for one in moving(data_dir, target)}
        if not databases:
            raise MigrateError("no server to migrate to: set storage.messages_url, storage.directory_url or both")
        try:
            note = _note(data_dir, databases)
            asyncio.run(require_schemas(Places(data_dir)))
            write_note(data_dir, note)
            return asyncio.run(_run(data_dir, target, note, watch, clock))
        except (UnsuitableStore, SchemaTooNew, SchemaTooOld, NoteDamaged, ValueError) as error:
            raise MigrateError(f"{error} (data directory {data_dir})") from error
        except Differs as error:
            raise MigrateError(
                f"what was copied differs from what is here: {error}; nothing was switched over"
            ) from error
        except OpenIMError as error:
            raise MigrateError(f"interrupted, it can be called again: {error.detail}") from error
        except OSError as error:
            raise MigrateError(f"data directory {data_dir} can't be written: {error.strerror}") from error


def _note(data_dir: Path, databases: dict[str, str]) -> MigrationNote:
    note = read_note(data_dir)
    if note is None:
        return MigrationNote(uuid.uuid4().hex, databases)
    if note.databases != databases:
        known = ", ".join(note.databases.values())
        raise UnsuitableStore(
            f"a migration to {known} was begun before; set the same URLs, or remove {data_dir / NOTE} to give it up"
        )
    return note


async def _run(data_dir: Path, target: Places, note: MigrationNote, watch: Watch, clock: Callable[[], float]) -> Report:
    transfer = Transfer(data_dir, target, note.name, watch.advance)
    if note.finished_at:
        await transfer.finish()  # in case it was killed just before
        raise MigrateError(f"it was migrated already, at {note.finished_at}")
    messages = await transfer.prepare()
    watch.begin("copying", messages)
    begun = time.monotonic()
    figures = await transfer.copy()
    copied = time.monotonic()
    watch.begin("comparing", messages)
    await transfer.compare()
    compared = time.monotonic()
    now = datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
    write_note(data_dir, MigrationNote(note.name, note.databases, now))
    await transfer.finish()
    return Report(
        figures.messages, figures.copied, figures.damaged, copied - begun, compared - copied, dict(note.databases)
    )
