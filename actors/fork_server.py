"""
The process that a server's actors are forked from: it has imported what they run, so that each is there at once, and shares that memory with the others.

Ray starts it as one of its agents (`cluster.py`) and, for each actor's process, `fork_request.py`, which asks here. It ends with its raylet; where it
is gone, actors start as Ray starts them.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import NamedTuple

WORKER = "ray._private.workers.default_worker"
PRELOADED = (
    WORKER,
    "openim_ray.actors.gateway",
    "openim_ray.actors.inbox",
    "openim_ray.actors.persistence",
    "openim_ray.actors.supervisor",
    # The default's driver; the others are for those who ask for them.
    "openim_ray.storage.relational.directory",
    "openim_ray.storage.relational.state",
    "openim_ray.storage.sqlite.database",
    "openim_ray.storage.sqlite.messages",
    # What Ray imports when a process joins it.
    "ray._common.usage.usage_lib",
    "ray._private.arrow_serialization",
)
NO_JOB = "ffffffff"
OUT_OF_MEMORY_FIRST = "1000"
REQUEST_SECONDS = 5.0
REQUEST_BYTES_MAX = 1_000_000
BACKLOG = 64
STANDARD_INPUT = 0


class Request(NamedTuple):
    """
    What a process of Ray is started with, and the connection to who asked for it.
    """

    arguments: list[str]
    environment: dict[str, str]
    connection: socket.socket


def main() -> None:
    """
    Serve until the raylet, which holds the other end of standard input, is gone; in a forked process run what was asked for.
    """
    _, place, root = sys.argv
    raylet = os.getppid()
    with socket.socket(socket.AF_UNIX) as listening:
        # First of all, so that who comes while modules are imported waits.
        listening.bind(place)
        listening.listen(BACKLOG)
        _stand_in_for_agent()
        _import_all(root, raylet)
        request = _serve(listening)
    if request is not None:
        _run(request)


def _stand_in_for_agent() -> None:
    """Leave what the raylet takes for its agent, and would not survive, to a program that nothing can happen to; go on in a child."""
    if os.fork():
        os.execv("/bin/sh", ["/bin/sh", "-c", "exec cat"])  # noqa: S606 - nothing is kept


def _import_all(root: str, raylet: int) -> None:
    # Ray's native code reads these once, when it is loaded: whose children the actors are, and that they belong to no job yet.
    os.environ.update(RAY_RAYLET_PID=str(raylet), RAY_JOB_ID=NO_JOB)
    # As in the process that started this server, and later in every actor; not from the folder of this file.
    sys.path[:] = [root, *(folder for folder in sys.path if folder != str(Path(__file__).parent))]
    for name in PRELOADED:
        importlib.import_module(name)
    del sys.path[0]
    gc.collect()
    gc.freeze()  # a look through it would copy it in every actor


def _serve(listening: socket.socket) -> Request | None:
    """Fork for each request; returns it in the child, and None in this process when the raylet has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([STANDARD_INPUT, listening.fileno()], [], [])
        if STANDARD_INPUT in ready:
            return None
        connection, _ = listening.accept()
        # Who is not answered starts its process itself.
        with contextlib.suppress(OSError, ValueError):
            request = _read(connection)
            if os.fork() == 0:
                return request
        connection.close()


def _read(connection: socket.socket) -> Request:
    connection.settimeout(REQUEST_SECONDS)
    content = bytearray()
    while part := connection.recv(65536):
        content += part
        if len(content) > REQUEST_BYTES_MAX:
            raise ValueError("too long")
    return Request(**json.loads(content), connection=connection)


def _answer(connection: socket.socket) -> None:
    """
    Tell who asked that this process is there, and end with it: it is what Ray knows of this process, and ends.

    Where nobody waits any more, there is another process by now.
    """
    try:
        connection.sendall(b"+")
    except OSError:
        os._exit(0)
    connection.settimeout(None)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()


def _end_with(connection: socket.socket) -> None:
    closed = select.poll()
    closed.register(connection, 0)
    closed.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _run(request: Request) -> None:
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # noqa: PLC0415

    _answer(request.connection)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STANDARD_INPUT)
    os.close(nothing)
    # As Ray does with what it starts: a signal from the terminal is not for actors, and of a machine without memory they go before what
    # they depend on.
    os.setpgid(0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OUT_OF_MEMORY_FIRST, encoding="ascii")
    os.environ.clear()
    os.environ.update(request.environment)
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()
    sys.argv = request.arguments
    del sys.modules[WORKER]  # or it would be run and be imported as two
    runpy.run_module(WORKER, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
