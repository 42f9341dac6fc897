"""
The whole server: start in order, run until told to stop, stop in reverse.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from openim_ray.actors import bare_ray, cluster  # noqa: F401 - bare_ray is the first to import Ray
from openim_ray.actors.fork_server import begin
from openim_ray.actors.leftovers import sweep
from openim_ray.actors.query import ask
from openim_ray.actors.run_file import (
    RunFile,
    RunFileDamaged,
    RunFileUnreadable,
    no_server,
    read_run_file,
    remove_run_file,
    write_run_file,
)
from openim_ray.actors.settings import SUPERVISOR, gateway_names
from openim_ray.actors.store_waits import WAITING
from openim_ray.actors.supervisor import SupervisorActor, ensure_actor
from openim_ray.config import to_payload
from openim_ray.domain.errors import OpenIMError
from openim_ray.prepare import SECRET_FILE, Endpoints, StartError, data_directory, data_path, is_locked, locked, settle
from openim_ray.stop_flag import StopFlag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from openim_ray.actors.fork_server import Beginning
    from openim_ray.config import Config

START_SECONDS = 60.0
STOP_SECONDS = 30.0
NAMESAKE_SECONDS = 5.0
HALT_SECONDS = 0.5
"""So long the start may be somewhere where it does not notice a signal, before everything is ended beside it."""

READY_CHECK_SECONDS = 0.05
LIFE_CHECK_SECONDS = 1.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ServerLost(Exception):
    """
    A part without which nothing works has ended by itself; the text is one line.
    """


class NothingRuns(Exception):
    """
    There is no server to be ended; the text is one line.
    """


def run(config: Config, announce: Callable[[Endpoints], None], tell: Callable[[str], None]) -> None:
    """
    Start a server and serve until SIGINT, SIGTERM or SIGHUP; then drain and stop.

    `announce` is called when it is ready, `tell` with each line that somebody who waits for that should read.
    Nothing of it is left running when this returns or raises. One of these signals during the start ends this process with status 0.

    Raises:
        StartError, ClusterError: it can't start.
        ServerLost: it ran, and Ray has ended.
    """
    _refuse_to_join(config)
    data_dir = data_directory(config)
    stopped = StopFlag()
    _stop_on_signals(stopped)
    with locked(data_dir):
        _refuse_beside_detached(data_dir)
        forking = begin()  # before there is another thread
        try:
            with _ended_by_signals(data_dir, stopped):
                endpoints = _start(config, data_dir, forking, tell)
                announce(endpoints)
            _serve(stopped)
            drain(config)
        finally:
            remove_run_file(data_dir)
            if not cluster.lost_parts():
                cluster.stop()
            sweep(data_dir)


def _start(config: Config, data_dir: Path, forking: Beginning | None, tell: Callable[[str], None]) -> Endpoints:
    config, endpoints = settle(config, data_dir, tell, after_crash=sweep(data_dir))
    address = cluster.start(data_dir, config.cluster.namespace, forking)
    _start_actors(config, tell)
    _write_run_file(config, endpoints, address, detached=False, loopback=True)
    return endpoints


def _serve(stopped: StopFlag) -> None:
    while not stopped.wait(LIFE_CHECK_SECONDS):
        if lost := cluster.lost_parts():
            raise ServerLost(f"{', '.join(lost)} of Ray ended unexpectedly; the server is down, start it again")


def run_detached(config: Config, tell: Callable[[str], None]) -> Endpoints:
    """
    Make the actors in a Ray that runs already (or in one started for it), and return; `stop` ends them. For `tell` see `run`.

    Done again, it finds the same server, and starts what is missing of it.

    Raises:
        StartError, ClusterError: it can't start; then nothing of it is left running.
    """
    data_dir = data_directory(config)
    with locked(data_dir):
        running = _detached_server(data_dir)
        if running is not None:
            return _resume(config, data_dir, running, tell)
        config, endpoints = settle(config, data_dir, tell, after_crash=sweep(data_dir))
        own = begun = not config.cluster.address
        try:
            address = config.cluster.address or cluster.start_head(data_dir, config.cluster.port)
            cluster.attach(data_dir, address, config.cluster.namespace, loopback=own)
            _refuse_several_machines()
            _refuse_beside_namesake(config)
            begun = True
            _start_actors(config, tell)
            _write_run_file(config, endpoints, address, detached=True, loopback=own)
        except BaseException:
            if begun and not own:
                _end_actors(config)
            cluster.stop()
            if own:
                sweep(data_dir)
            raise
        cluster.stop()
    return endpoints


def _resume(config: Config, data_dir: Path, running: RunFile, tell: Callable[[str], None]) -> Endpoints:
    cluster.attach(data_dir, running.address, running.namespace, loopback=running.loopback)
    try:
        ask(SUPERVISOR, "ensure_running", START_SECONDS)
        for name in gateway_names(config):
            _wait_ready(name, tell)
    finally:
        cluster.stop()
    secret_file = None if config.auth.admin_secret.reveal() else data_dir / SECRET_FILE
    return Endpoints(
        running.ws_urls, running.api_urls, running.public_ws_url, running.public_api_url, data_dir, secret_file
    )


def _end_actors(config: Config) -> None:
    with contextlib.suppress(cluster.ClusterError):
        cluster.end_actors(config.cluster.namespace)


# --- end


def stop(config: Config) -> None:
    """
    End the server of a data directory, detached or not, and return when it is gone.

    Raises:
        NothingRuns: there is none.
        ClusterError: it can't be reached or does not end.
    """
    data_dir = data_path(config)
    running = _run_file_of(data_dir)
    if running is not None and running.detached:
        _stop_detached(config, data_dir, running)
    elif running is not None and is_locked(data_dir):
        _stop_process(running.pid, data_dir)
    elif is_locked(data_dir):
        raise cluster.ClusterError(f"the server with data directory {data_dir} is still starting; try again")
    else:
        raise NothingRuns(no_server(data_dir))


def _stop_detached(config: Config, data_dir: Path, running: RunFile) -> None:
    if not cluster.is_reachable(running.address):
        if running.loopback:
            sweep(data_dir)
        remove_run_file(data_dir)
        raise NothingRuns(f"the server with data directory {data_dir} had ended already")
    cluster.attach(data_dir, running.address, running.namespace, loopback=running.loopback)
    drain(config)
    cluster.end_actors(running.namespace)
    cluster.stop()
    if running.loopback:
        sweep(data_dir)
    remove_run_file(data_dir)


def _stop_process(pid: int, data_dir: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    # By the lock, not by the process id: a process whose parent doesn't ask for its end keeps its id.
    while is_locked(data_dir):
        if time.monotonic() >= deadline:
            raise cluster.ClusterError(f"process {pid} did not stop within {STOP_SECONDS:g} s")
        time.sleep(READY_CHECK_SECONDS)


def drain(config: Config) -> None:
    """
    Let every actor finish what it has: gateways first, stores last. Where Ray hangs, nobody can be told.
    """
    if cluster.hangs():
        return
    with contextlib.suppress(cluster.ClusterError, OpenIMError, ValueError):
        ask(SUPERVISOR, "drain", config.server.drain_seconds)


# --- which servers there are


def _refuse_to_join(config: Config) -> None:
    for name, value in (("cluster.address", config.cluster.address), ("cluster.port", config.cluster.port)):
        if value:
            raise StartError(
                f"{name} = {value} has a meaning for `openim-ray up --detach` only: "
                "in the foreground the server has a Ray of its own, on a free port; add --detach, or leave the setting out"
            )


def _refuse_beside_detached(data_dir: Path) -> None:
    if _detached_server(data_dir) is not None:
        raise StartError(
            f"data directory {data_dir} is in use by a detached server; `openim-ray down --data-dir {data_dir}` ends it"
        )


def _refuse_several_machines() -> None:
    if (machines := cluster.machines()) > 1:
        raise StartError(
            f"this Ray has {machines} machines, and a server on several is not implemented yet: join a Ray of one machine"
        )


def _refuse_beside_namesake(config: Config) -> None:
    """Another server's actors would be taken for those of this one, and serve its data directory."""
    try:
        served = ask(SUPERVISOR, "data_directory", NAMESAKE_SECONDS)
    except cluster.ClusterError:
        return
    if served != config.server.data_dir:
        raise StartError(
            f"this Ray has a server with namespace {config.cluster.namespace} and data directory {served} already; "
            "set cluster.namespace"
        )


def _detached_server(data_dir: Path) -> RunFile | None:
    running = _run_file_of(data_dir)
    if running is None or not running.detached or not cluster.is_reachable(running.address):
        return None
    return running


def _run_file_of(data_dir: Path) -> RunFile | None:
    try:
        return read_run_file(data_dir)
    except RunFileUnreadable as error:
        raise cluster.ClusterError(f"{error}; remove it if it is yours") from error
    except RunFileDamaged:
        return None


def _write_run_file(config: Config, endpoints: Endpoints, address: str, *, detached: bool, loopback: bool) -> None:
    run_file = _run_file(config, endpoints, address, detached=detached, loopback=loopback)
    try:
        write_run_file(endpoints.data_dir, run_file)
    except OSError as error:
        raise StartError(f"the run file in {endpoints.data_dir} can't be written: {error.strerror}") from error


def _run_file(config: Config, endpoints: Endpoints, address: str, *, detached: bool, loopback: bool) -> RunFile:
    return RunFile(
        address=address,
        namespace=config.cluster.namespace,
        pid=os.getpid(),
        ws_urls=endpoints.ws_urls,
        api_urls=endpoints.api_urls,
        public_ws_url=endpoints.public_ws_url,
        public_api_url=endpoints.public_api_url,
        detached=detached,
        loopback=loopback,
    )


# --- start


def _start_actors(config: Config, tell: Callable[[str], None]) -> None:
    payload = to_payload(config)
    ensure_actor(SupervisorActor, SUPERVISOR, config.cluster.namespace, payload)
    try:
        ask(SUPERVISOR, "ensure_running", START_SECONDS)
        for name in gateway_names(config):
            _wait_ready(name, tell)
    except (OpenIMError, ValueError) as error:
        raise StartError(f"actors did not start: {str(error).strip().splitlines()[-1]}") from error


def _wait_ready(name: str, tell: Callable[[str], None]) -> None:
    """Wait until an actor serves; the time that a store takes to come does not count, and is told."""
    deadline = time.monotonic() + START_SECONDS
    detail: Mapping[str, object] = {}
    told: object = None
    while time.monotonic() < deadline:
        ready, detail = ask(SUPERVISOR, "gateway_ready", START_SECONDS, name, START_SECONDS)
        if ready:
            return
        if WAITING in detail:
            deadline = time.monotonic() + START_SECONDS
            if detail[WAITING] != told:
                told = detail[WAITING]
                tell(f"waiting for {told}")
        time.sleep(READY_CHECK_SECONDS)
    raise StartError(f"{name} did not become ready: {detail}")


# --- signals


def _stop_on_signals(stopped: StopFlag) -> None:
    """Further signals change nothing: stopping is under way, and has its deadlines."""
    for number in ENDING:
        if number is signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
            continue  # as nohup wants it
        signal.signal(number, lambda *_: stopped.set())


@contextlib.contextmanager
def _ended_by_signals(data_dir: Path, stopped: StopFlag) -> Iterator[None]:
    """
    Let a signal end a start at once, wherever it is.

    No handler can do it: native code of Ray waits half a minute for parts that the same signal, sent to all, has ended. A thread can, as
    nobody has been told of the server yet: it ends the process, and Ray's parts end with that as after `kill -9`.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    halted = StopFlag()
    threading.Thread(target=_end_when_told, args=(told, halted, data_dir), daemon=True).start()
    try:
        if stopped.is_set:  # by one that came before anybody listened
            raise SystemExit
        with _halted_by_signals(halted):
            yield
    finally:
        signal.set_wakeup_fd(-1)
        os.close(tell)


@contextlib.contextmanager
def _halted_by_signals(halted: StopFlag) -> Iterator[None]:
    """Let a signal stop the start where it is, or else it goes on to make what the thread has swept away already."""

    def halt(*_: object) -> None:
        halted.set()
        while True:
            time.sleep(STOP_SECONDS)

    before = {number: handler for number in ENDING if (handler := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, halt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_when_told(told: int, halted: StopFlag, data_dir: Path) -> None:
    with os.fdopen(told, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            if number[0] in ENDING:
                halted.wait(HALT_SECONDS)
                sweep(data_dir)
                os._exit(0)
