"""
The door to backups: the SQLite files of a data directory, copied, counted and renewed. Everything here blocks.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from openim_ray.domain.errors import OpenIMError, SchemaTooNew, SchemaTooOld
from openim_ray.storage.migrations import revisions
from openim_ray.storage.places import EMBEDDED, is_mongodb
from openim_ray.storage.redis.lease import LEASE_SECONDS, MARGIN_SECONDS
from openim_ray.storage.sqlite import renewal
from openim_ray.storage.sqlite.connection import connect_reader, driver_errors
from openim_ray.storage.sqlite.inspection import inspect
from openim_ray.storage.sqlite.migrate import ensure_schema
from openim_ray.storage.sqlite.snapshots import copy_at_one_moment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from openim_ray.storage.places import Places

DATABASES = ("state", "messages", "directory")
"""What a server without database servers consists of."""

COUNTED = {
    "conversations": ("messages", "SELECT COUNT(*) FROM streams WHERE max_seq > 0"),
    "messages": ("messages", "SELECT COUNT(*) FROM messages"),
    "users": ("directory", "SELECT COUNT(*) FROM users"),
    "read_positions": ("state", "SELECT COUNT(*) FROM read_positions"),
}


def files() -> Iterable[str]:
    """
    Return the names of the files of a backup.
    """
    return (f"{database}.db" for database in DATABASES)


def servers_of(places: Places) -> list[str]:
    """
    Return, for each store that is a server, its setting and the program that backs such a server up.
    """
    urls = {
        "storage.messages_url": places.messages,
        "storage.directory_url": places.directory,
        "storage.history_url": places.history,
    }
    return [
        f"{setting} ({'mongodump' if is_mongodb(url) else 'pg_dump'})"
        for setting, url in urls.items()
        if url not in EMBEDDED
    ]


def hot_copies_seconds(places: Places) -> float:
    """
    Return how long hot copies of tokens and positions may still be believed when the server that wrote them has ended.
    """
    return LEASE_SECONDS + MARGIN_SECONDS if places.tokens else 0.0


def copy_files(data_dir: Path, folder: Path) -> None:
    """
    Copy the files as they were at one moment; a server may run meanwhile. See `copy_at_one_moment` for what it raises.
    """
    copy_at_one_moment({data_dir / name: folder / name for name in files()})


def count(folder: Path) -> dict[str, int]:
    """
    Return how much of what is in the files of a folder.
    """
    counts = {}
    for name, (database, query) in COUNTED.items():
        path = folder / f"{database}.db"
        with driver_errors(path), closing(connect_reader(path)) as connection:
            (counts[name],) = connection.execute(query).fetchone()
    return counts


def damage(folder: Path) -> list[str]:
    """
    Return what SQLite finds wrong with the files of a folder.
    """
    return [f"{name}: {fault}" for name in files() for fault in inspect(folder / name)]


def schemas() -> dict[str, str]:
    """
    Return the revision that each file of this version has.
    """
    return {f"{database}.db": revisions(database)[-1] for database in DATABASES}


def renew(folder: Path, skip: int, older: Iterable[Path] = ()) -> dict[Path, str]:
    """
    Bring the files of a folder to this version, and make of them a state with which clients of a newer one can go on (decision 10).

    Args:
        folder: with the files.
        skip: how many seqs later streams go on: later than these files, and than those in `older`.
        older: folders with what clients may have seen.

    Returns:
        why it can't be told of some of `older` how far they had got.

    Raises:
        SchemaTooNew: a newer server wrote them.
        Unavailable: they can't be read or written.
    """
    paths = {database: folder / f"{database}.db" for database in DATABASES}
    for database, path in paths.items():
        ensure_schema(path, database, keep_old=False)
    unknown = {one: reason for one in older if (reason := _go_behind(paths["messages"], one / "messages.db"))}
    renewal.skip_ahead(paths["messages"], skip)
    renewal.renew_versions(paths["directory"])
    renewal.end_tokens_and_read_all(paths["state"], paths["messages"], paths["directory"])
    for path in paths.values():
        renewal.to_write_ahead(path)
    return unknown


def _go_behind(path: Path, older: Path) -> str:
    if not older.exists():
        return ""
    try:
        renewal.go_behind(path, older)
    except (SchemaTooNew, SchemaTooOld) as error:
        return str(error)
    except OpenIMError as error:
        return error.detail
    return ""
