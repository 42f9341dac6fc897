"""
What a server is known by on its machine, so that everything of it can be found and ended: a mark in the environment of its processes, and
Ray's temporary directory.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from openim_ray.actors.fork_server import TRACE, TRACE_DESCRIPTOR
from openim_ray.actors.run_file import RUN_FILE, remove_run_file

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER_VARIABLE = "OPENIMRAY_OWNER"
"""Stands in the environment of every process that a server starts; its value says whose server."""

SWEEP_SECONDS = 5.0
REMOVALS_MAX = 3


def owner_mark(data_dir: Path) -> str:
    """
    Return the value of `OWNER_VARIABLE` for the server of a data directory.
    """
    return sha256(str(data_dir.resolve()).encode()).hexdigest()[:24]


def private_folder(data_dir: Path) -> Path:
    """
    Return the folder around `temporary_directory`: nobody but its owner gets past it, whatever Ray lets others do inside.
    """
    return Path(tempfile.gettempdir()) / f"openim-ray-{owner_mark(data_dir)[:12]}"


def temporary_directory(data_dir: Path) -> Path:
    """
    Return where Ray keeps its sockets and logs for the server of a data directory.

    Not inside the data directory: paths of Unix sockets over 107 bytes fail.
    """
    return private_folder(data_dir) / "ray"


def marks(data_dir: Path) -> dict[str, str]:
    """
    Return the variables by which `processes` knows the processes that are started with them.
    """
    # Some of Ray's processes give themselves a title, for which they would use the place of their environment, too.
    return {OWNER_VARIABLE: owner_mark(data_dir), "SPT_NOENV": "1"}


def processes(data_dir: Path) -> Iterator[int]:
    """
    Yield the process ids of everything that a server of this data directory has started, this process left out.
    """
    mark = f"{OWNER_VARIABLE}={owner_mark(data_dir)}".encode()
    trace = str(private_folder(data_dir).resolve() / TRACE)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if (_is_marked(process, mark) or _has_open(process, trace)) and not _is_zombie(process):
                yield int(process.name)


def sweep(data_dir: Path) -> bool:
    """
    End every process that a server of this data directory left behind and remove its traces; returns whether it had ended by a crash.

    The caller knows that none of them belongs to a living server. Actors are there for some two seconds after a `kill -9` of `up`.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    crashed = (data_dir / RUN_FILE).exists()
    while time.monotonic() < deadline and (lingering := list(processes(data_dir))):
        crashed = True
        _end(lingering, deadline)
    _remove(private_folder(data_dir))
    remove_run_file(data_dir)
    return crashed


def _remove(folder: Path) -> None:
    """Remove a folder into which somebody who ends in this moment may still write."""
    for _ in range(REMOVALS_MAX):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _end(pids: list[int], deadline: float) -> None:
    """Kill processes and wait until they are gone with all they held: ports come free after a process has left most of /proc."""
    for descriptor in [descriptor for pid in pids if (descriptor := _kill(pid)) is not None]:
        select.select([descriptor], [], [], max(deadline - time.monotonic(), 0.0))
        os.close(descriptor)


def _kill(pid: int) -> int | None:
    """Kill a process; returns a descriptor that becomes readable at its end, None if there is no such process."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    return descriptor


def _is_marked(process: Path, mark: bytes) -> bool:
    return mark in (process / "environ").read_bytes().split(b"\0")


def _has_open(process: Path, trace: str) -> bool:
    """Tell whether a process was forked from a server's own, and has that one's environment; its trace may have been removed meanwhile."""
    try:
        return str((process / "fd" / str(TRACE_DESCRIPTOR)).readlink()).startswith(trace)
    except FileNotFoundError:
        return False


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
