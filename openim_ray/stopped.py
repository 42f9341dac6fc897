"""
A data directory whose server does not run: what changes it as a whole needs it for itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from openim_ray.actors.cluster import is_reachable
from openim_ray.actors.leftovers import sweep
from openim_ray.actors.run_file import RunFileDamaged, read_run_file
from openim_ray.prepare import StartError, data_directory, locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openim_ray.config import Config


@contextmanager
def stopped(config: Config) -> Iterator[Path]:
    """
    Hold the data directory, with no server in it and nothing left of one that was killed; no server can start meanwhile.

    Raises:
        StartError: a server runs, or the directory can't be used.
    """
    data_dir = data_directory(config)
    with locked(data_dir):
        if _runs_detached(data_dir):
            raise StartError(
                f"data directory {data_dir} is in use by a detached server; `openim-ray down --data-dir {data_dir}` ends it"
            )
        sweep(data_dir)
        yield data_dir


def _runs_detached(data_dir: Path) -> bool:
    try:
        running = read_run_file(data_dir)
    except RunFileDamaged as error:
        raise StartError(f"{error}: whether a server runs can't be told") from error
    return running is not None and running.detached and is_reachable(running.address)
