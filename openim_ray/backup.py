"""
Backups: the SQLite files of a data directory as they were at one moment, in a folder with a manifest.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from openim_ray import __version__
from openim_ray.domain.errors import OpenIMError, SchemaTooNew, SchemaTooOld
from openim_ray.prepare import SECRET_FILE, data_path
from openim_ray.storage import backups
from openim_ray.storage.open import require_schemas
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from openim_ray.config import Config

MANIFEST = "manifest.json"
FORMAT = 1


class BackupError(Exception):
    """
    No backup can be made or used; the text is one line.
    """


class File(msgspec.Struct, frozen=True):
    """
    A file of a backup.
    """

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """
    What a backup consists of. It is written last: a folder without it is no backup.

    Args:
        format: of the folder.
        version: of the server that made it.
        made_at: ISO 8601, UTC.
        schemas: the revision of each database.
        counts: how much of what is in it.
        files: by name.
    """

    format: int
    version: str
    made_at: str
    schemas: dict[str, str]
    counts: dict[str, int]
    files: dict[str, File]

    @property
    def summary(self) -> str:
        """What is in it, for people."""
        named = ("conversations", "messages", "users")
        return ", ".join(f"{self.counts.get(name, 0)} {name}" for name in named)


def save(
    config: Config,
    target: Path,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - the clock of those who don't bring one
) -> Manifest:
    """
    Make a backup in a folder that must not be there yet; a server may run meanwhile.

    It appears under its name only when it is whole and on the disk; whatever fails leaves nothing behind (a `kill -9` leaves a hidden
    folder beside it, which is a backup only if it is whole).

    Raises:
        BackupError: it can't be made.
    """
    places = Places.of(config)._replace(data_dir=data_path(config))
    refuse_servers(places)
    target = Path(os.path.abspath(target))  # noqa: PTH100 - a link is a name that is taken
    if os.path.lexists(target):
        raise BackupError(f"{target} is there already; a backup never takes the place of anything")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise BackupError(f"{target} can't be made: {error.strerror}") from error
    try:
        manifest = _fill(folder, places, datetime.fromtimestamp(clock(), UTC))
        folder.rename(target)
        sync(target.parent)
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror}") from error
    except (SchemaTooNew, SchemaTooOld) as error:
        raise BackupError(f"{error} (data directory {places.data_dir})") from error
    except OpenIMError as error:
        raise BackupError(f"{places.data_dir} can't be copied to {target}: {error.detail}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return manifest


def refuse_servers(places: Places) -> None:
    """
    Raise BackupError if one of the stores is a database server: those have tools of their own.
    """
    if servers := backups.servers_of(places):
        raise BackupError(
            f"only what is in SQLite files is saved and restored; these are servers with tools of their own: {', '.join(servers)}"
        )


def read_manifest(folder: Path) -> Manifest:
    """
    Return the manifest of a backup; BackupError if there is none that this version understands.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {MANIFEST} can't be read: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackupError(f"{folder} is no backup: {MANIFEST} is damaged: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"{folder} has format {manifest.format}, this version knows {FORMAT}: use a newer one")
    return manifest


def verify(folder: Path, manifest: Manifest) -> None:
    """
    Raise BackupError unless the files in a folder are those that a manifest names.
    """
    missing = set(backups.files()) - set(manifest.files)
    if missing:
        raise BackupError(f"{folder} lacks {', '.join(sorted(missing))}")
    for name, file in manifest.files.items():
        try:
            found = _file(folder / Path(name).name)
        except OSError as error:
            raise BackupError(f"{folder / name} can't be read: {error.strerror}") from error
        if found != file:
            raise BackupError(f"{folder / name} is not what was saved: its size or checksum differs from {MANIFEST}")


def sync(path: Path) -> None:
    """
    Make a file, or the names in a folder, durable.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_file(source: Path, copy: Path) -> None:
    """
    Copy a file, for its owner only and durably.
    """
    with (
        source.open("rb") as read,
        os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written,
    ):
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())


def _fill(folder: Path, places: Places, now: datetime) -> Manifest:
    asyncio.run(require_schemas(places))
    made_at = now.isoformat(timespec="seconds")
    backups.copy_files(places.data_dir, folder)
    if faults := backups.damage(folder):
        raise BackupError(f"{places.data_dir} is damaged, `openim-ray check` says where: {faults[0]}")
    if (places.data_dir / SECRET_FILE).exists():
        copy_file(places.data_dir / SECRET_FILE, folder / SECRET_FILE)
    counts = backups.count(folder)
    manifest = Manifest(FORMAT, __version__, made_at, backups.schemas(), counts, _files(folder.iterdir()))
    copy = folder / MANIFEST
    copy.touch(mode=0o600)
    copy.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    for path in (*folder.iterdir(), folder):
        sync(path)
    return manifest


def _files(paths: Iterable[Path]) -> dict[str, File]:
    return {path.name: _file(path) for path in sorted(paths)}


def _file(path: Path) -> File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return File(path.stat().st_size, digest)
