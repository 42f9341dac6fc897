"""
The whole server: what must hold before it starts, start in order, run until told to stop, stop in reverse.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from openim_ray.actors import cluster
from openim_ray.actors.query import ask
from openim_ray.actors.settings import SUPERVISOR, gateway_names
from openim_ray.actors.supervisor import SupervisorActor, ensure_actor
from openim_ray.config import Config, Secret, to_payload
from openim_ray.domain.errors import OpenIMError
from openim_ray.storage.open import prepare as prepare_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET_FILE = "admin-secret"  # noqa: S105 - a file's name
LOCK_FILE = "lock"
START_SECONDS = 60.0
PORT_SECONDS = 5.0
"""How long the ports of a server that was killed may take to come free: its processes end one after the other."""

STOP_RAY_SECONDS = 2.0


class StartError(Exception):
    """
    The server can't start; the text is one line that says what to do.
    """


class Endpoints(NamedTuple):
    """
    Where a server listens, and where its files are.
    """

    ws_urls: list[str]
    api_urls: list[str]
    data_dir: Path
    secret_file: Path | None


def run(config: Config, announce: Callable[[Endpoints], None]) -> None:
    """
    Start a server and serve until SIGINT or SIGTERM; then drain and stop.

    StartError (or `cluster.ClusterError`) if it can't start; then nothing of it is left running.
    """
    data_dir = _data_directory(config)
    stopped = threading.Event()
    _stop_on_signals(stopped)
    with _locked(data_dir):
        crashed = cluster.sweep(data_dir)
        config, endpoints = _settle(config, data_dir, patience=PORT_SECONDS if crashed else 0.0)
        try:
            address = cluster.start(data_dir, config.cluster.namespace)
            # Ray puts handlers of its own into their place.
            _stop_on_signals(stopped)
            _start_actors(config, stopped)
            if not stopped.is_set():
                _leave_word(config, endpoints, address, detached=False)
                announce(endpoints)
                stopped.wait()
            drain(config)
        finally:
            cluster.remove_run_file(data_dir)
            cluster.stop()
            cluster.sweep(data_dir)


def run_detached(config: Config) -> Endpoints:
    """
    Make the actors in a Ray that runs already (or in one started for it), and return; `down` ends them.
    """
    data_dir = _data_directory(config)
    with _locked(data_dir):
        running = cluster.read_run_file(data_dir)
        address = config.cluster.address or (running.address if running else "")
        config, endpoints = _settle(config, data_dir, probe=running is None)
        loopback = not config.cluster.address
        if loopback:
            address = cluster.start_head(data_dir, config.cluster.port) if running is None else address
        cluster.attach(data_dir, address, config.cluster.namespace, loopback=loopback)
        _start_actors(config, threading.Event())
        _leave_word(config, endpoints, address, detached=True, loopback=loopback)
        cluster.stop()
    return endpoints


def drain(config: Config) -> None:
    """
    Let every actor finish what it has: gateways first, stores last.
    """
    with contextlib.suppress(cluster.ClusterError, OpenIMError, ValueError):
        ask(SUPERVISOR, "drain", config.server.drain_seconds)


# --- before anything starts


def _data_directory(config: Config) -> Path:
    data_dir = Path(config.server.data_dir).resolve()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = data_dir / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartError(f"data directory {data_dir} is not writable: {error.strerror}") from error
    return data_dir


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    with (data_dir / LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(f"data directory {data_dir} is in use by another server") from None
        yield


def _settle(config: Config, data_dir: Path, *, probe: bool = True, patience: float = 0.0) -> tuple[Config, Endpoints]:
    """Turn what is left open in the configuration into facts: absolute folder, ports, secret, schema."""
    config, secret_file = _with_secret(config, data_dir)
    server = config.server
    if probe:
        deadline = time.monotonic() + patience
        ws_port = _free_port(server.hosts, server.ws_port, "server.ws_port", deadline)
        api_port = _free_port(server.hosts, server.api_port, "server.api_port", deadline)
        server = msgspec.structs.replace(server, data_dir=str(data_dir), ws_port=ws_port, api_port=api_port)
    else:
        server = msgspec.structs.replace(server, data_dir=str(data_dir))
    config = msgspec.structs.replace(config, server=server)
    _check_certificate(config)
    asyncio.run(prepare_stores(data_dir))
    return config, _endpoints(config, data_dir, secret_file)


def _with_secret(config: Config, data_dir: Path) -> tuple[Config, Path | None]:
    if config.auth.admin_secret.reveal():
        return config, None
    path = data_dir / SECRET_FILE
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    secret = Secret(path.read_text().strip())
    auth = msgspec.structs.replace(config.auth, admin_secret=secret)
    return msgspec.structs.replace(config, auth=auth), path


def _free_port(hosts: tuple[str, ...], port: int, setting: str, deadline: float) -> int:
    for host in hosts:
        while True:
            try:
                port = _probe_port(host, port)
                break
            except OSError as error:
                if time.monotonic() >= deadline:
                    raise StartError(
                        f"port {port} on {host} can't be used ({error.strerror}); set {setting}"
                    ) from error
                time.sleep(0.05)
    return port


def _probe_port(host: str, port: int) -> int:
    """Probe by a plain bind: SO_REUSEPORT, which the servers use, would hide that a port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return port or int(probe.getsockname()[1])


def _check_certificate(config: Config) -> None:
    server = config.server
    if not server.tls_certificate:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(server.tls_certificate, server.tls_key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise StartError(
            f"certificate {server.tls_certificate} with key {server.tls_key} is not usable: {reason}"
        ) from error


def _endpoints(config: Config, data_dir: Path, secret_file: Path | None) -> Endpoints:
    server = config.server
    suffix = "s" if server.tls_certificate else ""
    hosts = [f"[{host}]" if ":" in host else host for host in server.hosts]
    return Endpoints(
        [f"ws{suffix}://{host}:{server.ws_port}" for host in hosts],
        [f"http{suffix}://{host}:{server.api_port}" for host in hosts],
        data_dir,
        secret_file,
    )


# --- start


def _start_actors(config: Config, stopped: threading.Event) -> None:
    payload = to_payload(config)
    ensure_actor(SupervisorActor, SUPERVISOR, config.cluster.namespace, payload)
    try:
        ask(SUPERVISOR, "ensure_running", START_SECONDS)
        for name in gateway_names(config):
            _wait_ready(name, stopped)
    except (OpenIMError, ValueError) as error:
        raise StartError(f"actors did not start: {str(error).strip().splitlines()[-1]}") from error


def _wait_ready(name: str, stopped: threading.Event) -> None:
    detail: object = "no answer"
    for _ in range(int(START_SECONDS / 0.05)):
        ask(name, "incarnation", START_SECONDS)
        ready, detail = ask(name, "ready", START_SECONDS)
        if ready or stopped.wait(0.05):
            return
    raise StartError(f"{name} did not become ready: {detail}")


def _leave_word(config: Config, endpoints: Endpoints, address: str, *, detached: bool, loopback: bool = True) -> None:
    cluster.write_run_file(
        endpoints.data_dir,
        cluster.RunFile(
            address=address,
            namespace=config.cluster.namespace,
            pid=os.getpid(),
            ws_urls=endpoints.ws_urls,
            api_urls=endpoints.api_urls,
            detached=detached,
            loopback=loopback,
        ),
    )


def _stop_on_signals(stopped: threading.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
