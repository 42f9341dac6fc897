"""
A database server of the tests' own: a process that can't outlive them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOG_TAIL_CHARACTERS = 2000

# PR_SET_PDEATHSIG is 1. The program takes over this process, so the request stays; a parent that is gone already sends nothing.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class CannotRun(Exception):
    """
    There is no such server on this machine, or it doesn't start; the text says why.
    """


def find_program(name: str, package: str) -> Path | None:
    """Return a server's program: the one on PATH, or else the one in an installed package."""
    if (on_path := shutil.which(name)) is not None:
        return Path(on_path)
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == name), None)


class ServerProcess:
    """
    Runs a command in the foreground, its output in a file. The kernel kills it when the process that started it dies.
    """

    def __init__(self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self._command = [sys.executable, "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
        self._name = Path(command[0]).name
        self._log = log
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, is_ready: Callable[[], bool]) -> None:
        """Start, and wait until `is_ready`; CannotRun with the end of its output if that doesn't come."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environ,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise CannotRun(f"{self._name} does not start: {self._tail()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order, or kill it if that takes too long."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would: it can't finish anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Let it hang: its connections stay open, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.running:
            os.kill(self.pid, signal.SIGCONT)

    def _tail(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARACTERS:]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and that nobody has asked about doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
