"""What a server's processes hold, and what it says of itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.e2e.server import CALL_SECONDS, Server

ROOT: Final = Path(__file__).parents[2]
RETURN_SECONDS: Final = 30.0
"""How long something may take to come back to where it was."""

_LISTEN: Final = "0A"
_LOOK_AGAIN_SECONDS: Final = 0.1


def metric(server: Server, name: str) -> int:
    """Return the sum of a metric over all actors."""
    with urllib.request.urlopen(f"{server.api_url}/metrics", timeout=CALL_SECONDS) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if line.startswith(f"{name}{{")]
    assert lines, f"no metric {name}"
    return int(sum(float(value) for _, value in lines))


_ASK: Final = """
import json, sys
import ray
from openim_ray.actors import connect, inbox
connect(sys.argv[1])
for line in sys.stdin:
    print(json.dumps(ray.get([inbox(one).describe.remote() for one in json.loads(line)], timeout=20)), flush=True)
"""


class Operator:
    """
    Asks for inboxes in three lines of Python, as an operator may. It stays: to connect to Ray costs more than all questions. Blocks.
    """

    def __init__(self, server: Server) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ASK, str(server.data_dir)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def describe(self, *user_ids: str) -> list[dict[str, Any]]:
        """Return what the actors that host users' inboxes say of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(user_ids) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the operator's script has failed"
        return list(json.loads(answer))

    def close(self) -> None:
        """End the script."""
        self._process.kill()
        self._process.communicate()


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def client_sockets(pid: int, port: int) -> int:
    """Return how many connections to a local port a process holds, closed ones included whose descriptor it still has."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in table]
    inodes = {row[9] for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] != _LISTEN}
    held = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held += str(descriptor.readlink()).removeprefix("socket:[").rstrip("]") in inodes
    return held


def pss_kilobytes(pid: int) -> int:
    """Return the proportional set size of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError(f"no Pss of process {pid}")


async def until(look: Callable[[], int], wanted: Callable[[int], bool], what: str) -> int:
    """Look again and again, since another process tells of no change, until the value is as wanted; AssertionError if it never is."""
    value = await asyncio.to_thread(look)
    try:
        async with asyncio.timeout(RETURN_SECONDS):
            while not wanted(value):
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                value = await asyncio.to_thread(look)
    except TimeoutError:
        raise AssertionError(f"{what}: still {value}") from None
    return value


async def until_connections(server: Server, count: int) -> None:
    """Wait until the server knows of so many connections."""
    await until(lambda: metric(server, "openim_connections"), lambda value: value == count, f"{count} connections")
