"""
What a whole run of tests makes once: whichever of its processes needs it first makes it, the others find it.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "OPENIM_TEST_RUN"
"""Names the folder of this run to its further processes."""

FILES = "PYTEST_DEBUG_TEMPROOT"
"""Where pytest has the files of tests, if it was told (`scripts/check`): in memory, perhaps."""


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of this run, empty when `make` got it, complete when it is returned; copy what is in it, and change nothing."""
    folder = run_folder() / name
    with folder.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder.parent))
            make(unfinished)
            unfinished.rename(folder)
    return folder


@cache
def run_folder() -> Path:
    """Return the folder of this run, which ends with the process that asked for it first: in `pytest_configure`, of all of pytest's the first."""
    if given := os.environ.get(VARIABLE):
        return Path(given)
    folder = Path(tempfile.mkdtemp(prefix="openim-run-", dir=os.environ.get(FILES)))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[VARIABLE] = str(folder)
    return folder
