"""
The processes of a server, found as the tests' own judge of what it leaves behind: not by its own code.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from hashlib import sha256
from pathlib import Path


def ray_folder(data_dir: Path) -> Path:
    """Return the folder of the sockets and logs of a data directory's Ray."""
    return Path(tempfile.gettempdir(), f"openim-ray-{_mark(data_dir)[:12]}")


def processes_of(data_dir: Path) -> dict[int, str]:
    """
    Return the processes of a data directory's server, as far as they are Ray's, and their titles.

    By two things of which the server itself uses one: a variable in their environment, and a file in Ray's folder that they write.
    """
    return {
        int(one.name): _title(one) for one in Path("/proc").iterdir() if one.name.isdigit() and _is_of(data_dir, one)
    }


def _is_of(data_dir: Path, process: Path) -> bool:
    try:
        environment = (process / "environ").read_bytes().split(b"\0")
        return f"OPENIMRAY_OWNER={_mark(data_dir)}".encode() in environment or _writes_below(
            ray_folder(data_dir), process
        )
    except OSError:
        return False


def _writes_below(folder: Path, process: Path) -> bool:
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            if folder in descriptor.readlink().parents and _is_writable(process / "fdinfo" / descriptor.name):
                return True
    return False


def _is_writable(information: Path) -> bool:
    flags = next(line for line in information.read_text().splitlines() if line.startswith("flags:"))
    return bool(int(flags.split()[1], 8) & os.O_ACCMODE)


def _title(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _mark(data_dir: Path) -> str:
    return sha256(str(data_dir.resolve()).encode()).hexdigest()[:24]
