"""Commands of a server run as a person runs them: in processes of their own, judged by what they print and by their exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from openim_ray.actors.leftovers import processes
from tests.e2e.processes import processes_of, ray_folder
from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 90.0


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def run(server: Server, *arguments: str, seconds: float = COMMAND_SECONDS) -> Said:
    """Run a command line of `openim-ray` for a server's data directory, and wait for its end."""
    return _run(server, server.command(*arguments), seconds)


def run_python(server: Server, *arguments: str, seconds: float = COMMAND_SECONDS) -> Said:
    """Run Python with the variables of a server's commands, OPENIM_DATA_DIR among them."""
    return _run(server, [sys.executable, *arguments], seconds)


def _run(server: Server, command: list[str], seconds: float) -> Said:
    variables = {**server.variables(), "OPENIM_DATA_DIR": str(server.data_dir), "COLUMNS": "200"}
    done = subprocess.run(
        command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


def refusal(said: Said, status: int = 2) -> str:
    """Return the one line by which a command refused."""
    assert said.status == status, said
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def traces(server: Server) -> list[str]:
    """Return what is left of a server on this machine besides its data: processes, Ray's folder, the run file."""
    files = [ray_folder(server.data_dir), server.data_dir / "run.json"]
    # As the server itself looks for them, and as tests do.
    left = dict.fromkeys(processes(server.data_dir), "") | processes_of(server.data_dir)
    return [*(f"{pid} {title}" for pid, title in left.items()), *(str(file) for file in files if file.exists())]
