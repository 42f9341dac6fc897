"""
Ray itself: its environment, start, attach, run file and sweep. Nobody else touches any of it.

Ray runs code for whoever reaches it, so in local mode every listener is on loopback and asks for a token that only the owner of the data directory
can read; dashboard and usage reporting are off.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import ray
from ray._private import ray_constants
from ray._private.node import Node
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util import list_named_actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWNER_VARIABLE = "OPENIMRAY_OWNER"
"""Stands in the environment of every process of a server; a later start finds by it what lingers."""

RUN_FILE = "run.json"
TOKEN_FILE = "ray-token"  # noqa: S105 - a file's name
SWEEP_SECONDS = 5.0
CONNECT_SECONDS = 1.5


class ClusterError(Exception):
    """
    Ray can't be started or reached; the text is one line for the person at the terminal.
    """


class RunFile(msgspec.Struct, frozen=True):
    """
    What a running server leaves in its data directory for scripts and for the next start.
    """

    address: str
    namespace: str
    pid: int
    ws_urls: list[str]
    api_urls: list[str]
    detached: bool = False
    loopback: bool = True


_namespace = ""


def connected_namespace() -> str:
    """
    Return the namespace of the server that this process is connected to; ClusterError if it isn't.
    """
    if not _namespace or not ray.is_initialized():
        raise ClusterError("not connected: call connect() first")
    return _namespace


def start(data_dir: Path, namespace: str) -> str:
    """
    Start a Ray of our own on loopback, whose life ends with this process; returns its address.
    """
    global _namespace  # noqa: PLW0603 - one Ray per process, as Ray itself has it
    _set_environment(data_dir, loopback=True)
    with _unused_parts_left_out():
        context = ray.init(
            address="local",
            namespace=namespace,
            include_dashboard=False,
            num_cpus=max(os.cpu_count() or 1, 2),
            object_store_memory=80_000_000,
            log_to_driver=False,
            configure_logging=False,
            _temp_dir=str(_temporary_directory(data_dir)),
        )
    _namespace = namespace
    return str(context.address_info["gcs_address"])  # type: ignore[attr-defined]


@contextlib.contextmanager
def _unused_parts_left_out() -> Iterator[None]:
    """
    Let Ray start without autoscaler, log forwarding and dashboard, for which one machine has no use: 150 MB (PSS), and two seconds.

    `ray.init` has no switch for them; `ray start` has, but for the dashboard.
    """
    parts = [name for name in ("start_monitor", "start_log_monitor", "start_api_server") if hasattr(Node, name)]
    with contextlib.ExitStack() as restored:
        for name in parts:
            restored.callback(setattr, Node, name, getattr(Node, name))
            setattr(Node, name, lambda *_, **__: None)
        yield


def attach(data_dir: Path, address: str, namespace: str, *, loopback: bool = False) -> str:
    """
    Join a Ray that runs already; returns its address.

    ClusterError if there is none, or it refuses the token.
    """
    global _namespace  # noqa: PLW0603 - one Ray per process, as Ray itself has it
    _set_environment(data_dir, loopback=loopback)
    _probe(address)
    try:
        ray.init(address=address, namespace=namespace, log_to_driver=False, configure_logging=False)
    except (RayError, ConnectionError, RuntimeError) as error:
        raise ClusterError(f"Ray at {address} refuses: {str(error).splitlines()[0]}") from error
    _namespace = namespace
    return address


def connect(data_dir: str | Path | None = None) -> RunFile:
    """
    Connect this process to the running server whose data directory this is.

    Without an argument: `OPENIM_DATA_DIR`, or `data` in the current directory. ClusterError says in one line what is wrong.
    """
    folder = Path(data_dir or os.environ.get("OPENIM_DATA_DIR", "data")).resolve()
    run = read_run_file(folder)
    if run is None:
        raise ClusterError(f"no server runs with data directory {folder} (there is no {RUN_FILE})")
    attach(folder, run.address, run.namespace, loopback=run.loopback)
    return run


def find_actor(name: str, namespace: str) -> Any:
    """
    Return a named actor; ClusterError if it is not there.
    """
    try:
        return ray.get_actor(name, namespace)
    except ValueError as error:
        raise ClusterError(f"the server's actor {name} is not there") from error


def answer_of(reference: Any, seconds: float) -> Any:
    """
    Wait for the answer to an actor call; ClusterError if none comes in time or the actor is gone.

    An error that the actor raised itself passes as it is.
    """
    get: Callable[..., Any] = ray.get
    try:
        return get(reference, timeout=seconds)
    except RayTaskError as error:
        raise error.cause or error from error
    except (GetTimeoutError, RayError) as error:
        raise ClusterError(f"no answer from the server: {type(error).__name__}") from error


def end_actors(namespace: str) -> None:
    """
    End every actor of the server in a Ray that goes on.
    """
    for actor in list_named_actors(all_namespaces=True):
        if actor["namespace"] == namespace:
            with contextlib.suppress(ValueError):
                ray.kill(ray.get_actor(actor["name"], namespace), no_restart=True)


def stop() -> None:
    """
    Leave Ray; one that this process started ends.
    """
    ray.shutdown()


# --- the run file


def write_run_file(data_dir: Path, run: RunFile) -> None:
    """
    Leave word of a running server.
    """
    partial = data_dir / f".{RUN_FILE}.{os.getpid()}"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    partial.replace(data_dir / RUN_FILE)


def read_run_file(data_dir: Path) -> RunFile | None:
    """
    Return what a server left word of; None if there is nothing.
    """
    try:
        return msgspec.json.decode((data_dir / RUN_FILE).read_bytes(), type=RunFile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ClusterError(f"{data_dir / RUN_FILE} is not readable: {error}") from error


def remove_run_file(data_dir: Path) -> None:
    """
    Take the word back.
    """
    (data_dir / RUN_FILE).unlink(missing_ok=True)


# --- what lingers


def sweep(data_dir: Path) -> bool:
    """
    End every process that an earlier server of this data directory left behind; returns whether that server ended in another way than by itself.

    The caller holds the data directory's lock, so none of them belongs to a living server. Two of Ray's own linger for about a minute after a `kill -9`.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    crashed = (data_dir / RUN_FILE).exists()
    while time.monotonic() < deadline and (lingering := list(_lingering(_owner_mark(data_dir)))):
        crashed = True
        _end(lingering, deadline)
    shutil.rmtree(_temporary_directory(data_dir), ignore_errors=True)
    remove_run_file(data_dir)
    return crashed


def _end(pids: list[int], deadline: float) -> None:
    """Kill processes and wait until they are gone with all they held: ports come free after a process has left most of /proc."""
    for descriptor in [descriptor for pid in pids if (descriptor := _kill(pid)) is not None]:
        select.select([descriptor], [], [], max(deadline - time.monotonic(), 0.0))
        os.close(descriptor)


def _kill(pid: int) -> int | None:
    """Kill a process; returns a descriptor that becomes readable at its end, None if there is no such process."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    return descriptor


def _lingering(mark: str) -> Iterator[int]:
    wanted = f"{OWNER_VARIABLE}={mark}".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (process / "environ").read_bytes().split(b"\0") and not _is_zombie(process):
                yield int(process.name)


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


# --- environment


def environment(data_dir: Path, *, loopback: bool) -> dict[str, str]:
    """
    Return the variables that every process of a server, and every script that asks it, must have.
    """
    variables = {
        OWNER_VARIABLE: _owner_mark(data_dir),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(_token_file(data_dir)),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # Ray gives its workers way to everything else on the machine (nice 15): right for batch work, not for a server.
        "RAY_worker_niceness": "0",
    }
    if loopback:
        # The only switch that puts every listener of Ray on 127.0.0.1 (measured with Ray 2.60).
        variables["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return variables


def _set_environment(data_dir: Path, *, loopback: bool) -> None:
    os.environ.update(environment(data_dir, loopback=loopback))
    # Ray read its settings when it was imported, which for scripts was earlier; this reads them again.
    ray_constants.ENABLE_RAY_CLUSTER = not loopback
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _token_file(data_dir: Path) -> Path:
    path = data_dir / TOKEN_FILE
    if not path.exists():
        partial = data_dir / f".{TOKEN_FILE}.{os.getpid()}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        partial.rename(path)
    return path


def _owner_mark(data_dir: Path) -> str:
    return sha256(str(data_dir.resolve()).encode()).hexdigest()[:24]


def _temporary_directory(data_dir: Path) -> Path:
    # Not inside the data directory: paths of Unix sockets over 107 bytes fail.
    return Path(tempfile.gettempdir()) / f"openim-ray-{_owner_mark(data_dir)[:12]}"


def _probe(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS):
            return
    except (OSError, ValueError) as error:
        raise ClusterError(f"no server answers at {address} (it has stopped, or the run file is old)") from error


def start_head(data_dir: Path, port: int) -> str:
    """
    Start a Ray head that outlives this process, on loopback; returns its address.
    """
    port = port or _unused_port()
    command = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--node-ip-address=127.0.0.1",
        f"--port={port}",
        "--include-dashboard=false",
        "--disable-usage-stats",
        f"--num-cpus={max(os.cpu_count() or 1, 2)}",
        "--object-store-memory=80000000",
        f"--temp-dir={_temporary_directory(data_dir)}",
    ]
    variables = {**os.environ, **environment(data_dir, loopback=True)}
    done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
        command, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        raise ClusterError(f"Ray did not start: {lines[-1]}")
    return f"127.0.0.1:{port}"


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
