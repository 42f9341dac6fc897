"""
Ray itself: its environment, start, attach and end. Nobody else touches any of it.

Ray runs code for whoever reaches it, so in local mode every listener is on loopback and asks for a token that only the owner of the data directory
can read; dashboard and usage reporting are off.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray._private import auto_init_hook, ray_constants, services, worker
from ray._private import node as ray_node
from ray._private import utils as private_utils
from ray._private.node import Node
from ray._raylet import AuthenticationTokenLoader, Config, GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, GetTimeoutError, RayError, RayTaskError
from ray.util import list_named_actors

import openim_ray
from openim_ray.actors.leftovers import marks, private_folder, temporary_directory
from openim_ray.actors.run_file import RunFile, RunFileDamaged, no_server, read_run_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openim_ray.actors.fork_server import Beginning

TOKEN_FILE = "ray-token"  # noqa: S105 - a file's name
CONNECT_SECONDS = 1.0
HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
FAILURE_HANDLER_OFF = "RAY_DISABLE_FAILURE_SIGNAL_HANDLER"
OBJECT_STORE_BYTES = 80_000_000
"""The smallest that Ray takes without a word; nothing here is big enough for it."""

NOBODYS_PORT = 1
"""Where Ray is told that its agents listen."""

STAND_IN = subprocess.list2cmdline(["/bin/sh", "-c", "exec cat"])
"""A program that does nothing until its raylet, which holds the other end of its standard input, is gone."""

FORK_SERVER = str(Path(__file__).with_name("fork_server.py"))
FORK_REQUEST = str(Path(__file__).with_name("fork_request.py"))
WORKER = str(Path(services.__file__).with_name("workers") / "default_worker.py")
FORK_SERVER_SOCKET = "fork-server"
ROOT = Path(openim_ray.__file__).parents[1]
"""Where `openim_ray` was imported from, and is to be imported from in every process of the server."""

PORT_STEP_MS = 20
LOG_BYTES_MAX = 10_000_000
"""Of each log file that Ray keeps; then it begins another, and removes the third."""


class ClusterError(Exception):
    """
    Ray can't be started or reached; the text is one line for the person at the terminal.
    """


_namespace = ""
_address = ""
_silent = threading.Event()


def connected_namespace() -> str:
    """
    Return the namespace of the server that this process is connected to; ClusterError if it isn't.
    """
    if not _namespace or not ray.is_initialized():
        raise ClusterError("not connected: call connect() first")
    return _namespace


# --- start


def start(data_dir: Path, namespace: str, forking: Beginning | None = None) -> str:
    """
    Start a Ray of our own on loopback, whose life ends with this process; returns its address.

    What an earlier one left must have been swept. Actors are forked from the fork server that was begun, or else from one that is started.
    """
    _prepare_start(data_dir)
    forked = forking is not None and forking.serve(_place(data_dir))
    try:
        with _unused_parts_left_out(), _own_agents(data_dir, forked=forked), _signals_left_alone(), _waits_in_steps():
            context = ray.init(
                address="local",
                namespace=namespace,
                include_dashboard=False,
                num_cpus=_cpus(),
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                configure_logging=False,
                _temp_dir=str(temporary_directory(data_dir)),
            )
    except (RayError, OSError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray did not start: {_last_line(error)}") from error
    address = str(context.address_info["gcs_address"])  # type: ignore[attr-defined]
    _note_connection(address, namespace)
    return address


def start_head(data_dir: Path, port: int) -> str:
    """
    Start a Ray head that outlives this process, on loopback; returns its address.

    What an earlier one left must have been swept.
    """
    # Imported here: the command line of Ray is needed nowhere else.
    from click.exceptions import ClickException  # noqa: PLC0415
    from ray.scripts.scripts import start as start_command  # noqa: PLC0415

    _prepare_start(data_dir)
    port = port or _unused_port()
    arguments = [
        "--head",
        "--node-ip-address=127.0.0.1",
        f"--port={port}",
        "--include-dashboard=false",
        "--disable-usage-stats",
        f"--num-cpus={_cpus()}",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--temp-dir={temporary_directory(data_dir)}",
    ]
    said = io.StringIO()
    try:
        with (
            _unused_parts_left_out(),
            _own_agents(data_dir, forked=False),
            _signals_left_alone(),
            _waits_in_steps(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            start_command.main(arguments, standalone_mode=False)
    except (ClickException, SystemExit, RayError, OSError, RuntimeError, ValueError) as error:
        raise ClusterError(f"Ray did not start: {_last_line(error, said.getvalue())}") from error
    return f"127.0.0.1:{port}"


def _prepare_start(data_dir: Path) -> None:
    _make_token(data_dir)
    _make_private_folder(private_folder(data_dir))
    os.environ.update(_environment_of_parts(data_dir))
    _set_environment(data_dir, loopback=True)


def _make_private_folder(folder: Path) -> None:
    """Make the folder in which Ray lets everybody read and write; one that is there may be a trap of another user of the machine."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise ClusterError(
            f"the folder {folder} can't be made: {error.strerror}; remove what stands there, or set TMPDIR"
        ) from error


def _last_line(error: BaseException, said: str = "") -> str:
    return (str(error).strip() or said.strip() or type(error).__name__).splitlines()[-1]


def _cpus() -> int:
    return max(os.cpu_count() or 1, 2)


def _unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _unused_parts_left_out() -> Iterator[None]:
    """
    Let Ray start without autoscaler, log forwarding, dashboard and client server, for which one machine has no use.

    Together 150 MB (PSS) and two seconds; and the client server, where its packages are installed, takes port 10001. `ray.init` has no
    switch for them.
    """
    parts = ("start_monitor", "start_log_monitor", "start_api_server", "start_ray_client_server")
    with contextlib.ExitStack() as restored:
        for name in parts:
            if hasattr(Node, name):
                restored.callback(setattr, Node, name, getattr(Node, name))
                setattr(Node, name, lambda *_, **__: None)
        yield


@contextlib.contextmanager
def _own_agents(data_dir: Path, *, forked: bool) -> Iterator[None]:
    """
    Let Ray start without its two agents, and fork its workers: `forked` says that the fork server is there already.

    One agent is for the dashboard and metrics of Ray, the other makes runtime environments of actors. Nobody here has a use for either; each is a
    Python process of 50 MB (PSS) that takes a second of CPU to start, and outlives a killed raylet by a minute. Ray insists on having them:
    the fork server and something far smaller stand in.
    """
    owner: Any = services  # which does not offer it to others
    start_process, look_for_dashboard = owner.start_ray_process, private_utils.get_dashboard_dependency_error

    def start_with_own_agents(command: list[str], process_type: str, *rest: Any, **options: Any) -> Any:
        if process_type == ray_constants.PROCESS_TYPE_RAYLET:
            command = _with_own_agents(command, _place(data_dir), forked=forked)
        return start_process(command, process_type, *rest, **options)

    owner.start_ray_process = start_with_own_agents
    # It imports whatever a dashboard needs, a third of a second of CPU, to tell an agent that isn't there whether it may use that.
    private_utils.get_dashboard_dependency_error = lambda: ImportError("left out")
    try:
        yield
    finally:
        owner.start_ray_process = start_process
        private_utils.get_dashboard_dependency_error = look_for_dashboard


def _place(data_dir: Path) -> Path:
    """Return where the fork server listens."""
    return private_folder(data_dir) / FORK_SERVER_SOCKET


def _with_own_agents(command: list[str], fork_server: Path, *, forked: bool) -> list[str]:
    """Return a raylet's command line with other agents and forked workers. It waits for the ports of agents whose ports it isn't told."""
    ports = ("metrics-agent-port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")
    ours = {f"--{port}": str(NOBODYS_PORT) for port in ports}
    ours["--dashboard_agent_command"] = ours["--runtime_env_agent_command"] = STAND_IN
    if not forked:
        server = [sys.executable, FORK_SERVER, str(fork_server), str(ROOT)]
        ours["--runtime_env_agent_command"] = subprocess.list2cmdline(server)
    kept = [argument for argument in command if argument.partition("=")[0] not in ours]
    worker = subprocess.list2cmdline([WORKER])
    request = subprocess.list2cmdline(["-IS", FORK_REQUEST, str(fork_server), sys.executable, WORKER])
    begin = "--python_worker_command="
    kept = [argument.replace(worker, request, 1) if argument.startswith(begin) else argument for argument in kept]
    return [*kept, *(f"{name}={value}" for name, value in ours.items())]


@contextlib.contextmanager
def _signals_left_alone() -> Iterator[None]:
    """Keep the handlers of this program: Ray puts two kinds of its own in their place, and they end it in their own ways."""
    with contextlib.ExitStack() as restored:
        restored.callback(setattr, private_utils, "set_sigterm_handler", private_utils.set_sigterm_handler)
        private_utils.set_sigterm_handler = lambda _handler: None
        restored.callback(setattr, ray_constants, FAILURE_HANDLER_OFF, getattr(ray_constants, FAILURE_HANDLER_OFF))
        setattr(ray_constants, FAILURE_HANDLER_OFF, True)
        yield


@contextlib.contextmanager
def _waits_in_steps() -> Iterator[None]:
    """
    Let other threads run while Ray waits for the port of a part.

    Its native code waits half a minute without letting go of the interpreter: a part that the same signal ended as was sent to this
    process never tells its port, and the thread that ends a start at a signal could not run.
    """
    owner: Any = ray_node  # which does not offer it to others
    wait = owner.wait_for_persisted_port

    def wait_in_steps(*place: Any, timeout_ms: int) -> int:
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            try:
                return int(wait(*place, timeout_ms=min(PORT_STEP_MS, timeout_ms)))
            except RuntimeError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(PORT_STEP_MS / 1000)

    owner.wait_for_persisted_port = wait_in_steps
    try:
        yield
    finally:
        owner.wait_for_persisted_port = wait


def leave_out_client_server(ray_params: Any, _is_head: bool) -> None:
    """
    Keep Ray's client server from taking port 10001: for `RAY_START_HOOK`, where `ray start` is called by others (`cluster.yaml`).
    """
    ray_params.ray_client_server_port = None


# --- attach


def attach(data_dir: Path, address: str, namespace: str, *, loopback: bool = False) -> str:
    """
    Join a Ray that runs already; returns its address.

    ClusterError within seconds if there is none, if it hangs, or refuses the token.
    """
    if ray.is_initialized():
        if (address, namespace) == (_address, _namespace):
            return address
        raise ClusterError("this process is connected to another Ray already: call ray.shutdown() first")
    if not is_reachable(address):
        raise ClusterError(f"no server answers at {address}: it has stopped, or the address is an old one")
    _require_token(data_dir)
    _set_environment(data_dir, loopback=loopback)
    with _native_stderr_closed():
        _probe(address)
        try:
            ray.init(address=address, namespace=namespace, log_to_driver=False, configure_logging=False)
        except (RayError, ConnectionError, RuntimeError) as error:
            raise ClusterError(f"Ray at {address} refuses: {str(error).splitlines()[0]}") from error
    _note_connection(address, namespace)
    return address


def connect(data_dir: str | Path | None = None) -> RunFile:
    """
    Connect this process to the running server whose data directory this is.

    Without an argument: `OPENIM_DATA_DIR`, or `data` in the current directory. ClusterError says in one line what is wrong.
    """
    folder = Path(os.path.realpath(data_dir or os.environ.get("OPENIM_DATA_DIR") or "data"))
    try:
        run = read_run_file(folder)
    except RunFileDamaged as error:
        raise ClusterError(str(error)) from error
    if run is None:
        raise ClusterError(no_server(folder))
    attach(folder, run.address, run.namespace, loopback=run.loopback)
    return run


def is_reachable(address: str) -> bool:
    """
    Tell whether anybody listens at an address HOST:PORT.
    """
    try:
        with _connection(address):
            return True
    except (OSError, ValueError):
        return False


def _speaks(address: str) -> bool:
    """Tell whether the gRPC server at an address says anything: for a process that hangs the system takes connections all the same."""
    try:
        with _connection(address) as connection:
            connection.sendall(HTTP2_GREETING)
            connection.recv(1)
            return True
    except (OSError, ValueError):
        return False


def _connection(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)


def _probe(address: str) -> None:
    """
    Ask for the cluster's id, and look whether its parts speak.

    By itself `ray.init` takes 20 to 80 seconds to find out that it gets no answer, in native code that no other thread can interrupt.
    """
    silent = f"no answer from Ray at {address}: it hangs, or is overloaded"
    if not _speaks(address):
        raise ClusterError(silent)
    try:
        with _short_deadlines():
            nodes = GcsClient(address=address).get_all_node_info(timeout=CONNECT_SECONDS).values()
    except AuthenticationError as error:
        raise ClusterError(f"Ray at {address} refuses the token in {os.environ['RAY_AUTH_TOKEN_PATH']}") from error
    except RayError as error:
        raise ClusterError(silent) from error
    raylets = [
        f"{node.node_manager_address}:{node.node_manager_port}" for node in nodes if node.state == GcsNodeInfo.ALIVE
    ]
    if len(raylets) == 1 and not _speaks(raylets[0]):
        raise ClusterError(silent)


@contextlib.contextmanager
def _short_deadlines() -> Iterator[None]:
    names = ("RAY_gcs_rpc_server_connect_timeout_s", "RAY_py_gcs_connect_timeout_s")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    Config.initialize("")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        Config.initialize("")


@contextlib.contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Keep what Ray's C++ writes to the terminal by itself, past every logging setting, from getting there."""
    with contextlib.ExitStack() as restored:
        kept = os.dup(2)
        restored.callback(os.close, kept)
        restored.callback(os.dup2, kept, 2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield


def _note_connection(address: str, namespace: str) -> None:
    # Past every logging setting, Ray prints at the terminal when a process of it dies; what that means here is told by those who miss it.
    worker.print_to_stdstream = lambda *_, **__: None
    global _address, _namespace
    _address, _namespace = address, namespace


# --- actors


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
    End every actor of the server in a Ray that goes on; none if this process is not connected to it.
    """
    if not ray.is_initialized():
        return
    for actor in list_named_actors(all_namespaces=True):
        if actor["namespace"] == namespace:
            with contextlib.suppress(ValueError):
                ray.kill(ray.get_actor(actor["name"], namespace), no_restart=True)


def machines() -> int:
    """
    Return how many machines the connected Ray has.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return len([node for node in nodes if node["Alive"]])


# --- end


def lost_parts() -> list[str]:
    """
    Return which of the processes of the Ray that this process started are gone; without them nothing works, and nothing says so.
    """
    node: Any = worker._global_node  # noqa: SLF001
    return [] if node is None else [str(name) for name, _ in node.dead_processes()]


def hangs() -> bool:
    """
    Tell whether the Ray that this process is connected to does not answer any more; then it is left as it is, and only `os._exit` ends this process.
    """
    node: Any = worker._global_node  # noqa: SLF001
    if _address and node is not None and not _silent.is_set():
        raylet = f"{node.node_ip_address}:{node.node_manager_port}"
        if not (_speaks(_address) and _speaks(raylet)):
            _silent.set()
    return _silent.is_set()


def stop() -> None:
    """
    Leave Ray; one that this process started ends. One that hangs would never let go.
    """
    if hangs():
        return
    # While it ends, C++ parts report each other's end as failures.
    with _native_stderr_closed():
        ray.shutdown()


# --- environment


def environment(data_dir: Path, *, loopback: bool) -> dict[str, str]:
    """
    Return the variables that every process of a server, and every script that asks it, must have.
    """
    variables = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(data_dir / TOKEN_FILE),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if loopback:
        # The only switch that puts every listener of Ray on 127.0.0.1 (measured with Ray 2.60).
        variables["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return variables


def _environment_of_parts(data_dir: Path) -> dict[str, str]:
    """Return what only the processes of a server need: a script's children must not be taken for such."""
    return {
        **marks(data_dir),
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_ROTATION_MAX_BYTES": str(LOG_BYTES_MAX),
        "RAY_ROTATION_BACKUP_COUNT": "2",
        # Ray gives its workers way to everything else on the machine (nice 15): right for batch work, not for a server.
        "RAY_worker_niceness": "0",
        # With its 30 s a machine that is busy at the start gets no server at all.
        "RAY_raylet_start_wait_time_s": "60",
        # For an agent that isn't there (`_own_agents`) whoever wants a runtime environment waits; after this time the raylet would end.
        "RAY_agent_register_timeout_ms": "2000000000",
        # A record of every call, for Ray's dashboard, which doesn't run here; and timing of every handler in Ray's event loops.
        "RAY_task_events_report_interval_ms": "0",
        "RAY_event_stats": "0",
        "RAY_enable_metrics_collection": "0",
    }


def _set_environment(data_dir: Path, *, loopback: bool) -> None:
    os.environ.update(environment(data_dir, loopback=loopback))
    # Nearly every function of Ray starts one, or joins whichever it finds, if this process has none yet: that is for `start` and `attach` only.
    auto_init_hook.enable_auto_connect = False
    # Ray read its settings when it was imported, which for scripts was earlier; this reads them again.
    ray_constants.ENABLE_RAY_CLUSTER = not loopback
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _make_token(data_dir: Path) -> None:
    path = data_dir / TOKEN_FILE
    if path.exists():
        _require_token(data_dir)
        return
    partial = data_dir / f".{TOKEN_FILE}.{os.getpid()}"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        partial.rename(path)
    except OSError as error:
        raise ClusterError(f"Ray's token {path} can't be written: {error.strerror}") from error


def _require_token(data_dir: Path) -> None:
    path = data_dir / TOKEN_FILE
    try:
        if path.read_text().strip():
            return
    except OSError as error:
        raise ClusterError(f"the server's Ray token is not readable: {path}: {error.strerror}") from error
    raise ClusterError(f"the server's Ray token is empty: {path}")
