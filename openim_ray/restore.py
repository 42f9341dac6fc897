"""
A backup put back, so that clients which have seen more than it holds can go on (decision 10).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from openim_ray.backup import BackupError, Manifest, copy_file, read_manifest, refuse_servers, sync, verify
from openim_ray.domain.errors import OpenIMError, SchemaTooNew
from openim_ray.migration_note import NOTE
from openim_ray.prepare import RESTORE_MARK, SECRET_FILE
from openim_ray.stopped import stopped
from openim_ray.storage import backups
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.config import Config

SKIP = 10_000
"""By default conversations go on so many seqs later: more messages than one of them is likely to get between two backups."""

SKIP_MAX = 1_000_000_000

STAGE = ".restoring"
ASIDE = "replaced-"
_BESIDE = ("", "-wal", "-shm", "-journal")
_DATABASES = ("messages", "state", "directory", "history")


def restore(config: Config, folder: Path, *, skip: int, replace: bool, tell: Callable[[str], None]) -> Manifest:
    """
    Put a backup into the data directory, whose server must not run; `tell` hears what was done with what was there.

    Everything is prepared beside, then moved to its place. A restore that was interrupted while it moved leaves a mark, with which no server
    starts until a restore has come to its end.

    Args:
        config: names the data directory.
        folder: the backup; it is not changed.
        skip: how many seqs later conversations go on than in the backup, and in files that are there, if they can be read.
        replace: whether files that are there are moved to a folder beside them; else they are a reason to refuse.
        tell: takes lines for people.

    Raises:
        BackupError, StartError: it can't be done.
    """
    places = Places.of(config)
    refuse_servers(places)
    if not 0 <= skip <= SKIP_MAX:
        raise BackupError(f"conversations can go on 0 to {SKIP_MAX} seqs later, not {skip}")
    manifest = read_manifest(folder)
    verify(folder, manifest)
    with stopped(config) as data_dir:
        there = _files_of(data_dir)
        if there and not (replace or (data_dir / RESTORE_MARK).exists()):
            raise BackupError(
                f"data directory {data_dir} holds {there[0].name} already; --replace puts such files aside"
            )
        try:
            unknown = _prepare(data_dir, folder, skip)
            # Redis may hold tokens of the server that has ended; under its lease they would be let in.
            time.sleep(backups.hot_copies_seconds(places))
            aside = _install(data_dir)
            _give_to_owner(data_dir)
        except OSError as error:
            raise BackupError(f"data directory {data_dir} can't be written: {error.strerror}") from error
        except SchemaTooNew as error:
            raise BackupError(f"{folder}: {error}") from error
        except OpenIMError as error:
            raise BackupError(f"{folder} can't be restored: {error.detail}") from error
        finally:
            shutil.rmtree(data_dir / STAGE, ignore_errors=True)
    # Whoever hears it may be gone: nothing is under way any more.
    if aside is not None:
        tell(f"what was there is in {aside}")
    for one, reason in unknown.items():
        tell(f"how far conversations had got in {one}, can't be told: {reason}")
    return manifest


def _files_of(data_dir: Path) -> list[Path]:
    files = [f"{database}.db{suffix}" for database in _DATABASES for suffix in _BESIDE]
    return [path for path in (data_dir / name for name in (*files, NOTE)) if path.exists()]


def _prepare(data_dir: Path, folder: Path, skip: int) -> dict[Path, str]:
    stage = data_dir / STAGE
    with contextlib.suppress(FileNotFoundError):  # of a restore that was killed
        shutil.rmtree(stage)
    stage.mkdir(mode=0o700)
    for name in backups.files():
        copy_file(folder / name, stage / name)
    if (folder / SECRET_FILE).exists():
        copy_file(folder / SECRET_FILE, stage / SECRET_FILE)
    # What was put aside counts, too: a restore that was interrupted may have moved what clients have seen last.
    older = [data_dir, *sorted(data_dir.glob(f"{ASIDE}*"))]
    unknown = backups.renew(stage, skip, older)
    if faults := backups.damage(stage):
        raise BackupError(f"{folder} can't be restored: {faults[0]}")
    for name in backups.files():
        sync(stage / name)
    return unknown


def _install(data_dir: Path) -> Path | None:
    mark = data_dir / RESTORE_MARK
    there = _files_of(data_dir)
    aside = _begun(mark) or (_make_aside(data_dir) if there else None)
    _write_mark(mark, aside)
    if aside is not None:
        for path in there:
            if os.path.lexists(aside / path.name):  # of the restore that was interrupted
                path.unlink()
            else:
                path.rename(aside / path.name)
        sync(aside)
        sync(data_dir)
    stage = data_dir / STAGE
    for name in backups.files():
        (stage / name).rename(data_dir / name)
    # The secret that is there is the one that callers of the API know.
    if (stage / SECRET_FILE).exists() and not (data_dir / SECRET_FILE).exists():
        (stage / SECRET_FILE).rename(data_dir / SECRET_FILE)
    sync(data_dir)
    mark.unlink()
    sync(data_dir)
    return aside


def _give_to_owner(data_dir: Path) -> None:
    """Done by the administrator, it is for the user to whom the data directory belongs: her server opens these files."""
    owner = data_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in data_dir.rglob("*"):
        if path.lstat().st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _begun(mark: Path) -> Path | None:
    """Return the folder to which an interrupted restore was moving what was there: a file and its journal belong together."""
    try:
        name = mark.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    aside = mark.parent / Path(name).name
    return aside if name.startswith(ASIDE) and aside.is_dir() else None


def _write_mark(mark: Path, aside: Path | None) -> None:
    partial = mark.with_name(f".{mark.name}")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(f"{aside.name}\n" if aside is not None else "")
    sync(partial)
    partial.rename(mark)
    sync(mark.parent)


def _make_aside(data_dir: Path) -> Path:
    name = time.strftime(f"{ASIDE}%Y%m%d-%H%M%S", time.gmtime())
    for number in range(1000):
        aside = data_dir / (f"{name}-{number}" if number else name)
        with contextlib.suppress(FileExistsError):
            aside.mkdir(mode=0o700)
            return aside
    raise FileExistsError(errno.EEXIST, "too many replaced folders", str(data_dir))
