"""
The process that a server's actors are forked from: it has imported what they run, so that each is there at once, and shares that memory with the others.

A server that serves in the foreground forks it from its own process (`begin`), which has imported Ray already, and it ends with that. For a detached
one, Ray starts it as one of its agents (`cluster.py`), and it ends with its raylet. For each actor's process Ray starts `fork_request.py`, which
asks here; where it is gone, actors start as Ray starts them.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

WORKER = "ray._private.workers.default_worker"
PRELOADED = (
    "openim_ray.actors.bare_ray",
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
    "ray._private.arrow_serialization",
)
RAYLET_PID = "RAY_RAYLET_PID"
JOB_ID = "RAY_JOB_ID"
NO_JOB = "ffffffff"
OUT_OF_MEMORY_FIRST = "1000"
REQUEST_SECONDS = 5.0
REQUEST_BYTES_MAX = 1_000_000
BACKLOG = 64
STANDARD_INPUT = 0
STANDARD_OUTPUT = 1
STANDARD_ERROR = 2
PATH_BYTES_MAX = 4096
TRACE = "forked"
"""A file beside the socket; what forked processes say before they have a log of their own stands in it."""

TRACE_DESCRIPTOR = 99
"""Under this number every process that was forked from the server's own has `TRACE` open: its environment doesn't tell whose it is."""


class Request(NamedTuple):
    """
    What a process of Ray is started with, and the connection to who asked for it.
    """

    arguments: list[str]
    environment: dict[str, str]
    connection: socket.socket


def worker_flags(parent: int) -> dict[str, str]:
    """
    Return what Ray's native code reads from the environment once, when it is loaded: with whom actors end, and that they belong to no job yet.
    """
    return {RAYLET_PID: str(parent), JOB_ID: NO_JOB}


class Beginning:
    """
    A fork server that was forked from this process, and imports what it needs; it ends with this process.
    """

    def __init__(self, tell: int) -> None:
        self._tell = tell

    def serve(self, place: Path) -> bool:
        """Have it serve at this socket; returns whether it is there to do so."""
        try:
            os.write(self._tell, os.fsencode(place) + b"\n")
        except BrokenPipeError:
            return False
        return True


def begin() -> Beginning | None:
    """
    Fork the fork server from this process, whose only thread this must be; None if it is not.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return None
    told, tell = os.pipe()
    if not os.fork():
        _end_after(told)
    os.close(told)
    return Beginning(tell)


def _end_after(told: int) -> NoReturn:
    """In a forked process: serve, and end without going back to what the process has come from."""
    status = 1
    try:
        _leave_everything(told)
        request = _serve_where_told(told)
        if request is not None:
            _run(request)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may go back
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()  # noqa: SLF001 - as the interpreter does at its end
        os._exit(status)


def _leave_everything(kept: int) -> None:
    """Let go of what the server's process has: its terminal and output, its files and locks, its ways to take signals."""
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(STANDARD_ERROR + 1):
        os.dup2(nothing, standard)
    os.closerange(STANDARD_ERROR + 1, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _serve_where_told(told: int) -> Request | None:
    """Import what actors run, and serve where the server's process says; None if that has ended."""
    with socket.socket(socket.AF_UNIX) as listening:
        door = _Door(told, listening)
        _import_all(door.open_if_told)
        return _serve(listening, told) if door.open() else None


class _Door:
    """
    Opens as soon as it is told where, so that who comes while modules are imported waits and needs not look again and again.
    """

    def __init__(self, told: int, listening: socket.socket) -> None:
        self._told = told
        self._listening = listening
        self._is_open = False

    def open_if_told(self) -> None:
        if not self._is_open and select.select([self._told], [], [], 0)[0]:
            self.open()

    def open(self) -> bool:
        """Wait to be told, and return whether it is open: the server's process may have ended."""
        if not self._is_open and (place := self._place()):
            _leave_trace(place.with_name(TRACE))
            _listen(self._listening, str(place))
            self._is_open = True
        return self._is_open

    def _place(self) -> Path | None:
        said = bytearray()
        while not said.endswith(b"\n") and len(said) < PATH_BYTES_MAX:
            if not (part := os.read(self._told, PATH_BYTES_MAX)):
                return None
            said += part
        return Path(os.fsdecode(bytes(said[:-1])))


def _listen(listening: socket.socket, place: str) -> None:
    """Take connections at a place, which is there only when they are taken: who finds it and is refused takes the server for dead."""
    making = f"{place}.new"
    listening.bind(making)
    listening.listen(BACKLOG)
    Path(making).rename(place)


def _leave_trace(file: Path) -> None:
    trace = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (STANDARD_OUTPUT, STANDARD_ERROR, TRACE_DESCRIPTOR):
        os.dup2(trace, number)
    os.close(trace)


def main() -> None:
    """
    As a program: serve until the raylet, which holds the other end of standard input, is gone; in a forked process run what was asked for.
    """
    _, place, root = sys.argv
    raylet = os.getppid()
    with socket.socket(socket.AF_UNIX) as listening:
        # First of all, so that who comes while modules are imported waits.
        _listen(listening, place)
        _stand_in_for_agent()
        _import_from(root, raylet)
        request = _serve(listening, STANDARD_INPUT)
    if request is not None:
        _run(request)


def _stand_in_for_agent() -> None:
    """Leave what the raylet takes for its agent, and would not survive, to a program that nothing can happen to; go on in a child."""
    if os.fork():
        os.execv("/bin/sh", ["/bin/sh", "-c", "exec cat"])  # noqa: S606 - nothing is kept


def _import_from(root: str, raylet: int) -> None:
    os.environ.update(worker_flags(raylet))
    # As in the process that started this server, and later in every actor; not from the folder of this file.
    sys.path[:] = [root, *(folder for folder in sys.path if folder != str(Path(__file__).parent))]
    _import_all(lambda: None)
    del sys.path[0]


def _import_all(after_each: Callable[[], None]) -> None:
    gc.disable()  # it would find nothing: modules stay
    for name in PRELOADED:
        importlib.import_module(name)
        after_each()
    gc.freeze()  # a look through it would copy it in every actor
    gc.enable()


def _serve(listening: socket.socket, life: int) -> Request | None:
    """Fork for each request; returns it in the child, and None in this process when who holds the other end of `life` has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([life, listening.fileno()], [], [])
        if life in ready:
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
    count, *texts = os.fsdecode(bytes(content)).split("\0")
    arguments, variables = texts[: int(count)], texts[int(count) :]
    return Request(arguments, dict(variable.split("=", 1) for variable in variables), connection)


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
