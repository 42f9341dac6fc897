"""Ports for the servers that tests start."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

FIRST = 20_000
PER_PROCESS = 3_000
APART = 101
PROCESSES = 4  # all below 32768, where Linux begins to take ports of outgoing connections: a restarted server finds its own free


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens, and which no other process of this run of tests is given."""
    return list(itertools.islice((port for port in _own if _is_free(port)), count))


def _own_ports() -> Iterator[int]:
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
    # Two runs that begin at the same moment have neighbouring process ids: they shall not try the same ports.
    for step in itertools.count(os.getpid() * APART):
        yield FIRST + process * PER_PROCESS + step % PER_PROCESS


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_own = _own_ports()
