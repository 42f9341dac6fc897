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


async def describe(server: Server, user_id: str) -> dict[str, Any]:
    """Ask the actor that hosts a user's inbox, as an operator does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "scripts" / "inbox.py"),
        user_id,
        "--json",
        "--data-dir",
        str(server.data_dir),
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return dict(json.loads(output))


_ASK_ALL: Final = """
import json, sys
import ray
from openim_ray.actors import connect, inbox
connect(sys.argv[1])
print(json.dumps([ray.get(inbox(one).describe.remote(), timeout=20)["actor"] for one in sys.argv[2:]]))
"""


async def hosts_of(server: Server, *user_ids: str) -> list[str]:
    """Ask for the actors that host users' inboxes, in a script that asks for all of them: it takes longer to start than to ask."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _ASK_ALL, str(server.data_dir), *user_ids, cwd=ROOT, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    return list(json.loads(output))


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
