"""
What must hold before a server starts: a data directory of its own, a secret, free ports, a usable certificate, stores of this version.

Everything here that fails raises `StartError`, and leaves nothing running.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from openim_ray.config import Config, Secret
from openim_ray.domain.errors import OpenIMError, SchemaTooNew, UnsuitableStore
from openim_ray.migration_note import NOTE, NoteDamaged, read_note
from openim_ray.storage.migrations import revisions
from openim_ray.storage.open import keep_damaged_logs, newest_copy, old_files
from openim_ray.storage.open import prepare as prepare_stores
from openim_ray.storage.places import EMBEDDED, Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SECRET_FILE = "admin-secret"  # noqa: S105 - a file's name
LOCK_FILE = "lock"
RESTORE_MARK = "restore-unfinished"
"""Lies in a data directory whose files are being replaced by those of a backup."""

IGNORE_FILE = ".gitignore"
PORT_SECONDS = 5.0
"""How long the ports of a server that was killed may take to come free: its processes end one after the other."""

PORT_CHECK_SECONDS = 0.05
_SPECIFIC = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


class StartError(Exception):
    """
    The server can't start; the text is one line that says what to do.
    """


class InUse(StartError):
    """
    Another server has the data directory.
    """


class Endpoints(NamedTuple):
    """
    Where a server listens, how clients reach it, and where its files are.

    `secret_file` is None if the admin secret is configured; a public URL is empty if none is.
    """

    ws_urls: list[str]
    api_urls: list[str]
    public_ws_url: str
    public_api_url: str
    data_dir: Path
    secret_file: Path | None


def data_path(config: Config) -> Path:
    """
    Return where the data directory is, whether there is one or not.
    """
    # Unlike `Path.resolve`, this takes links that lead to themselves.
    return Path(os.path.realpath(config.server.data_dir))


def data_directory(config: Config) -> Path:
    """
    Return the data directory, made if missing, and known to be writable.
    """
    data_dir = data_path(config)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = data_dir / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
        _keep_out_of_version_control(data_dir)
    except FileExistsError as error:
        raise StartError(f"data directory {data_dir} is a file; set server.data_dir") from error
    except OSError as error:
        raise StartError(f"data directory {data_dir} is not writable: {error.strerror}; set server.data_dir") from error
    return data_dir


def _keep_out_of_version_control(data_dir: Path) -> None:
    """A data directory may lie in a repository, and holds secrets."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(data_dir / IGNORE_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("*\n")


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """
    Hold the data directory; StartError if that can't be, InUse if another process does.

    The kernel lets go of it when the process ends, however it ends.
    """
    path = data_dir / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartError(f"{path} can't be opened: {error.strerror}; is it another user's data directory?") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise StartError(f"{path} can't be locked: {error.strerror}") from error
        raise InUse(
            f"data directory {data_dir} is in use by another server: "
            f"`openim-ray status --data-dir {data_dir}` shows it, `openim-ray down --data-dir {data_dir}` ends it"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


def is_locked(data_dir: Path) -> bool:
    """
    Tell whether a server (not a detached one) runs or starts with this data directory.
    """
    if not (data_dir / LOCK_FILE).exists():
        return False
    try:
        with locked(data_dir):
            return False
    except InUse:
        return True
    except StartError:
        return False


def settle(
    config: Config, data_dir: Path, tell: Callable[[str], None], *, after_crash: bool = False
) -> tuple[Config, Endpoints]:
    """
    Turn what is left open in the configuration into facts (folder, ports, secret), and bring the stores to this version.

    `tell` hears which files were carried forward, and where the old ones are.
    The processes of a server that was killed end one after the other: `after_crash` gives their ports time to come free.
    """
    if (data_dir / RESTORE_MARK).exists():
        raise StartError(f"a restore into {data_dir} was interrupted; run `openim-ray restore` once more")
    _refuse_migrated(config, data_dir)
    config, secret_file = _with_secret(config, data_dir)
    _check_certificate(config)
    server = config.server
    ws_port, api_port = _free_ports(server.hosts, server.ws_port, server.api_port, PORT_SECONDS if after_crash else 0.0)
    server = msgspec.structs.replace(server, data_dir=str(data_dir), ws_port=ws_port, api_port=api_port)
    config = msgspec.structs.replace(config, server=server)
    try:
        for line in asyncio.run(_carry_forward(Places.of(config))):
            tell(line)
    except (SchemaTooNew, UnsuitableStore, ValueError) as error:
        raise StartError(f"{error} (data directory {data_dir})") from error
    except OpenIMError as error:
        raise StartError(f"a database can't be opened: {error.detail} (data directory {data_dir})") from error
    return config, _endpoints(config, data_dir, secret_file)


def _refuse_migrated(config: Config, data_dir: Path) -> None:
    """Files that were migrated stay behind: a server on them would go on from where they were then."""
    try:
        note = read_note(data_dir)
    except NoteDamaged as error:
        raise StartError(str(error)) from error
    if note is None:
        return
    path = data_dir / NOTE
    if not note.finished_at:
        raise StartError(
            f"a migration of {data_dir} is unfinished: run `openim-ray migrate` once more, or remove {path} to give it up"
        )
    places = Places.of(config).databases
    for database, place in note.databases.items():
        if places[database] in EMBEDDED:
            setting = "storage.messages_url" if database == "messages" else "storage.directory_url"
            raise StartError(
                f"{database}.db in {data_dir} was migrated to {place} at {note.finished_at}: set {setting}, "
                f"or remove {path} to go on with the file as it was then"
            )


async def _carry_forward(places: Places) -> list[str]:
    """Bring the stores to this version; one line for each file of an older one, and for each that has lost something."""
    old = await old_files(places)
    lost = await keep_damaged_logs(places)
    await prepare_stores(places)
    return lost + [
        f"{name} was carried forward from schema {revision} to {revisions(Path(name).stem)[-1]}; "
        f"as it was, it is kept in {newest_copy(places.data_dir / name)}"
        for name, revision in old.items()
    ]


# --- secret


def _with_secret(config: Config, data_dir: Path) -> tuple[Config, Path | None]:
    if config.auth.admin_secret.reveal():
        return config, None
    path = data_dir / SECRET_FILE
    try:
        if not path.exists():
            _make_secret(path)
        text = path.read_text().strip()
    except OSError as error:
        raise StartError(f"admin secret {path} is not usable: {error.strerror}") from error
    if not text:
        raise StartError(f"admin secret {path} is empty; remove the file, and a new one is made")
    auth = msgspec.structs.replace(config.auth, admin_secret=Secret(text))
    return msgspec.structs.replace(config, auth=auth), path


def _make_secret(path: Path) -> None:
    # Under its name only when it is whole: an empty secret would be found at the next start.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


# --- ports


def _free_ports(hosts: Sequence[str], ws_port: int, api_port: int, patience: float) -> tuple[int, int]:
    wanted = {"server.ws_port": ws_port, "server.api_port": api_port}
    with contextlib.ExitStack() as held:  # both at once, or both might be the same
        # Those that are named first, or the system might choose one of them for the other.
        for setting in sorted(wanted, key=lambda setting: wanted[setting] == 0):
            port = wanted[setting]
            # A port that the system chose for one address may be taken on another: it chooses again.
            wanted[setting] = _hold(held, hosts, port, setting, patience if port else PORT_SECONDS)
    return wanted["server.ws_port"], wanted["server.api_port"]


def _hold(held: contextlib.ExitStack, hosts: Sequence[str], port: int, setting: str, patience: float) -> int:
    deadline = time.monotonic() + patience
    while True:
        with contextlib.ExitStack() as attempt:
            try:
                found = _bind(attempt, hosts, port, setting)
            except StartError:
                if time.monotonic() >= deadline:
                    raise
            else:
                held.push(attempt.pop_all())
                return found
        time.sleep(PORT_CHECK_SECONDS)


def _bind(held: contextlib.ExitStack, hosts: Sequence[str], port: int, setting: str) -> int:
    """Probe by a plain bind: SO_REUSEPORT, which the servers use, would hide that a port is taken."""
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            probe = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family is socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, port))
        except OSError as error:
            key = setting.partition(".")[2]
            raise StartError(
                f"port {port} on {host} can't be used: {error.strerror}; "
                f"set {setting} (OPENIM_{key.upper()}, --{key.replace('_', '-')}) to another, or 0 for any that is free"
            ) from error
        port = port or int(probe.getsockname()[1])
    return port


# --- certificate


def _check_certificate(config: Config) -> None:
    server = config.server
    if not server.tls_certificate:
        return
    for path in (server.tls_certificate, server.tls_key):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise StartError(f"{path} is not readable: {error.strerror}") from error
    try:
        # With a password, so that a locked key is an error and not a question at the terminal.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            server.tls_certificate, server.tls_key, password=""
        )
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise StartError(
            f"certificate {server.tls_certificate} with key {server.tls_key} is not usable: "
            f"{reason.replace('_', ' ').lower()}"
        ) from error


# --- addresses


def _endpoints(config: Config, data_dir: Path, secret_file: Path | None) -> Endpoints:
    server = config.server
    suffix = "s" if server.tls_certificate else ""
    hosts = [_in_url(_SPECIFIC.get(host, host)) for host in server.hosts]
    return Endpoints(
        [f"ws{suffix}://{host}:{server.ws_port}" for host in hosts],
        [f"http{suffix}://{host}:{server.api_port}" for host in hosts],
        server.public_ws_url,
        server.public_api_url.rstrip("/"),
        data_dir,
        secret_file,
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
