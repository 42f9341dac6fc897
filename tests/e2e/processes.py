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


def processes_of(data_dir: Path, title: str = "") -> dict[int, str]:
    """
    Return the processes of a data directory's server, as far as they are Ray's, and their titles; those whose title begins so.

    By two things of which the server itself uses one: a variable in their environment, and a file in Ray's folder that they write.
    Plain strings, not paths: tests look often, and machines have many processes with many files.
    """
    owner, folder = f"OPENIMRAY_OWNER={_mark(data_dir)}".encode(), f"{ray_folder(data_dir)}/"
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - see above
        if name.isdigit() and (read := _title(f"/proc/{name}")).startswith(title):
            with contextlib.suppress(OSError):
                if _is_owned(owner, f"/proc/{name}") or _writes_below(folder, f"/proc/{name}"):
                    found[int(name)] = read
    return found


def _is_owned(owner: bytes, process: str) -> bool:
    return owner in _read(f"{process}/environ").split(b"\0")


def _writes_below(folder: str, process: str) -> bool:
    for descriptor in os.listdir(f"{process}/fd"):  # noqa: PTH208 - as above
        with contextlib.suppress(OSError):
            is_below = os.readlink(f"{process}/fd/{descriptor}").startswith(folder)  # noqa: PTH115 - as above
            if is_below and _is_writable(f"{process}/fdinfo/{descriptor}"):
                return True
    return False


def _is_writable(information: str) -> bool:
    flags = next(line for line in _read(information).splitlines() if line.startswith(b"flags:"))
    return bool(int(flags.split()[1], 8) & os.O_ACCMODE)


def _title(process: str) -> str:
    try:
        return _read(f"{process}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read()


def _mark(data_dir: Path) -> str:
    return sha256(str(data_dir.resolve()).encode()).hexdigest()[:24]
