"""
Watching what a running process asks of its disk, and letting the disk fail or be slow, with strace.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

END_SECONDS = 20.0
SYNCS = "fsync,fdatasync"

_CALL = re.compile(r"^\d+ +(?P<at>\d+\.\d+) (?P<name>\w+)\((?P<rest>.*)<(?P<took>\d+\.\d+)>$")
_RESUMED = re.compile(r"^\d+ +(?P<at>\d+\.\d+) <\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)<(?P<took>\d+\.\d+)>$")


class Call(NamedTuple):
    """A system call: its name, and when it began and ended (Unix seconds)."""

    name: str
    began: float
    ended: float


class Trace:
    """
    What was seen, once the tracing has ended.
    """

    def __init__(self, output: Path) -> None:
        self._output = output

    def calls(self) -> list[Call]:
        """Return the calls that succeeded, in the order in which they ended."""
        calls = []
        for line in self._output.read_text().splitlines():
            if match := _CALL.match(line):
                began = float(match["at"])
                ended = began + float(match["took"])
            elif match := _RESUMED.match(line):
                ended = float(match["at"])
                began = ended - float(match["took"])
            else:
                continue
            if " = -1 " not in match["rest"]:
                calls.append(Call(match["name"], began, ended))
        return sorted(calls, key=lambda call: call.ended)


@contextmanager
def strace(pid: int, file: Path, output: Path, *options: str) -> Iterator[Trace]:
    """
    Trace a process's writing of one file within the block; the test is skipped, with the reason, where that can't be done.

    `options` inject faults: `-e`, `inject=fdatasync:error=EIO`.
    """
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    command = [program, "-f", "-ttt", "-T", "-s", "0", "-P", str(file), "-e", f"trace={SYNCS},pwrite64", *options]
    with subprocess.Popen(
        [*command, "-o", str(output), "-p", str(pid)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            pytest.skip(f"strace can't be used here: {said.strip()}")
        try:
            yield Trace(output)
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=END_SECONDS)
