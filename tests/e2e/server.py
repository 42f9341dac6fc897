"""
A real server for tests: `openim-ray up` in a process of its own, on free ports, with its own data directory.

It can be killed as a crash would end it, as a whole or actor by actor, and started again on the same ports and data.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from openim_ray.storage.places import Places
from tests.e2e.fault_log import FaultLog
from tests.e2e.ports import free_ports
from tests.e2e.processes import processes_of, ray_folder

START_SECONDS = 90.0  # `up` itself gives up after 60
STOP_SECONDS = 15.0
CALL_SECONDS = 15.0
READY_MARK = "is ready"
WEB = 5


class ApiError(Exception):
    """An HTTP call was refused; `code` is the errCode of its answer."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code


class Server:
    """
    One server. Everything here blocks; from asynchronous code call what takes seconds by `asyncio.to_thread`.

    `environment` holds OPENIM_* variables and `arguments` further options of `up`. `log_file` keeps what `up` prints over all restarts.
    """

    def __init__(
        self, folder: Path, *, environment: Mapping[str, str] | None = None, arguments: tuple[str, ...] = ()
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.data_dir = folder / "data"
        self.log_file = folder / "up.log"
        self.ws_port, self.api_port = free_ports(2)
        self.expected_errors: set[str] = set()
        """Texts of what the actors may log as errors, since a test makes it happen; anything else fails `stop` and the kills."""

        self._environment = dict(environment or {})
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._admin_token = ""

    @property
    def ws_url(self) -> str:
        """Address for SDKs' `wsAddr`."""
        return f"ws://127.0.0.1:{self.ws_port}"

    @property
    def api_url(self) -> str:
        """Address for SDKs' `apiAddr`; the chat page is at its root."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def admin_secret(self) -> str:
        """The secret that the server made at its first start."""
        return (self.data_dir / "admin-secret").read_text().strip()

    @property
    def places(self) -> Places:
        """Where its stores are."""
        urls = (
            self._environment.get(f"OPENIM_STORAGE_{store}_URL", "")
            for store in ("MESSAGES", "DIRECTORY", "HISTORY", "TOKENS")
        )
        return Places(self.data_dir, *urls)

    @property
    def pid(self) -> int:
        """Process id of `up`."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether `up` runs."""
        return self._process is not None and self._process.poll() is None

    # --- life

    def start(self) -> None:
        """Start the server and return when it says that it is ready; AssertionError with its output if it doesn't."""
        assert not self.running, "the server runs already"
        self._admin_token = ""
        with self.log_file.open("ab") as log:
            start = log.tell()
            self._process = subprocess.Popen(
                self.command("up", "--ws-port", str(self.ws_port), "--api-port", str(self.api_port), *self._arguments),
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_ready(start)

    def stop(self) -> None:
        """End the server by SIGTERM; it must drain, exit with 0, and have logged no error."""
        with self._without_faults():
            process = self._ended_by(signal.SIGTERM)
        assert process.returncode == 0, f"exit {process.returncode} after SIGTERM\n{self.log_tail()}"

    def kill(self) -> None:
        """End `up` by `kill -9`; everything else of the server must follow by itself."""
        with self._without_faults():
            self._ended_by(signal.SIGKILL)

    def kill_everything(self) -> None:
        """End every process of the server by `kill -9` at once."""
        pids = [self.pid, *self.processes()]
        with self._without_faults():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._ended_by(signal.SIGKILL)

    def restart(self) -> None:
        """Start again after a kill: same ports, same data."""
        self.start()

    def command(self, *arguments: str) -> list[str]:
        """Return a command line of `openim-ray` for this server's data directory."""
        name, *rest = arguments
        return [sys.executable, "-m", "openim_ray", name, *rest, "--data-dir", str(self.data_dir)]

    def variables(self) -> dict[str, str]:
        """Return the environment of this server's commands: none of the OPENIM_* variables of whoever runs the tests."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENIM")}
        return {**inherited, **self._environment}

    def log_tail(self, lines: int = 60) -> str:
        """Return the last lines of what `up` printed."""
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    def actor_logs(self, lines: int = 40) -> str:
        """Return the last lines that each actor wrote, as long as the server runs (Ray's folder goes with it)."""
        tails = []
        for file in sorted(self._ray_folder.glob("session_latest/logs/worker-*.err")):
            with contextlib.suppress(OSError):
                written = [line for line in file.read_text(errors="replace").splitlines() if line.strip()]
                if written:
                    tails += [f"--- {file.name}", *written[-lines:]]
        return "\n".join(tails)

    # --- processes

    def processes(self) -> dict[int, str]:
        """Return the processes of this server besides `up`: process id and title."""
        return {pid: title for pid, title in processes_of(self.data_dir).items() if pid != self.pid}

    def actors(self, kind: str) -> list[int]:
        """Return the process ids of the actors of a class: `GatewayActor`, `InboxActor`, `PersistenceActor`, `SupervisorActor`."""
        return list(processes_of(self.data_dir, f"ray::{kind}"))

    def kill_actor(self, kind: str, number: int = 0) -> int:
        """End one actor's process by `kill -9`; Ray starts it again. Returns the process id."""
        pids = sorted(self.actors(kind))
        assert pids, f"no {kind} among {self.processes()}"
        os.kill(pids[number % len(pids)], signal.SIGKILL)
        return pids[number % len(pids)]

    # --- users

    def call(self, path: str, body: Mapping[str, object], token: str | None = None) -> dict[str, Any]:
        """Call the HTTP API, as the administrator unless a token is given; ApiError if it refuses."""
        return dict(self.data(path, body, token) or {})

    def data(self, path: str, body: Mapping[str, object], token: str | None = None) -> Any:
        """Call the HTTP API as `call` does; returns the data as it is, which may be a list or nothing."""
        token = self.admin_token() if token is None else token
        headers = {"Content-Type": "application/json", "operationID": uuid.uuid4().hex, "token": token}
        request = urllib.request.Request(self.api_url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=CALL_SECONDS) as response:
            answer = json.load(response)
        if answer["errCode"]:
            raise ApiError(int(answer["errCode"]), f"{path}: {answer['errMsg']} {answer.get('errDlt', '')}")
        return answer.get("data")

    def admin_token(self) -> str:
        """Return a token of the administrator."""
        if not self._admin_token:
            body = {"secret": self.admin_secret, "userID": "imAdmin"}
            self._admin_token = str(self.call("/auth/get_admin_token", body, token="")["token"])
        return self._admin_token

    def add_user(self, name: str) -> str:
        """Register a new user and return its id, which no other test uses; the nickname is `name`."""
        user_id = f"{name}-{uuid.uuid4().hex[:8]}"
        user = {"userID": user_id, "nickname": name, "faceURL": ""}
        self.call("/user/user_register", {"users": [user]})
        return user_id

    def token(self, user_id: str, platform: int = WEB) -> str:
        """Return a new token of a user; older ones of the same platform are kicked by this."""
        return str(self.call("/auth/get_user_token", {"userID": user_id, "platformID": platform})["token"])

    # --- inside

    @property
    def _ray_folder(self) -> Path:
        return ray_folder(self.data_dir) / "ray"

    def _wait_ready(self, start: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with self.log_file.open("rb") as log:
                log.seek(start)
                if READY_MARK in log.read().decode(errors="replace"):
                    return
            if not self.running or self._exits_within(0.05):
                break
        tail = self.log_tail()
        with contextlib.suppress(ProcessLookupError):
            self._ended_by(signal.SIGKILL)
        raise AssertionError(f"the server did not become ready\n{tail}")

    @contextlib.contextmanager
    def _without_faults(self) -> Iterator[None]:
        """Fail if an actor, one that was killed too, logged an error until the end of the block, in which the server ends."""
        log = FaultLog(self._ray_folder)
        yield
        faults = log.read(self.expected_errors)
        assert not faults, "\n".join(["the actors logged errors", *faults])

    def _exits_within(self, seconds: float) -> bool:
        descriptor = os.pidfd_open(self.pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)

    def _ended_by(self, number: signal.Signals) -> subprocess.Popen[bytes]:
        process = self._process
        assert process is not None, "the server was not started"
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise AssertionError(f"still running {STOP_SECONDS:g} s after {number.name}\n{self.log_tail()}") from None
        return process
