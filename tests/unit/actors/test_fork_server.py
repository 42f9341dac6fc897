"""Actors are forked where the fork server lives; where it doesn't, each is started all the same."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from openim_ray.actors import cluster, fork_request, fork_server
from openim_ray.actors.cluster import FORK_REQUEST, FORK_SERVER

SECONDS = 30.0
COMMAND = [sys.executable, "-c", "import sys; print('itself', *sys.argv[1:])", "with an argument"]


@pytest.fixture
def place() -> Iterator[str]:
    """The path of the fork server's socket: a short one, for there is a limit of 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="fork-", dir="/tmp") as folder:
        yield str(Path(folder, "fork-server"))


@pytest.fixture
def listening(place: str) -> Iterator[socket.socket]:
    """The fork server's socket, served by the test."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        yield listening


def asked(listening: socket.socket, answer: Callable[[socket.socket], None]) -> tuple[bool, bytes]:
    """Return whether a process was forked as who asked sees it, and what was asked, of a fork server that answers in this way."""

    def serve() -> bytes:
        connection, _ = listening.accept()
        with connection:
            request = b"".join(iter(lambda: connection.recv(4096), b""))
            answer(connection)
            return request

    with ThreadPoolExecutor() as threads:
        served = threads.submit(serve)
        forked = fork_request.ask(str(listening.getsockname()), COMMAND)
        if forked is not None:
            forked.close()
        return forked is not None, served.result(SECONDS)


def test_a_worker_gets_the_arguments_and_the_environment_of_its_command(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a program is started with, but for the interpreter; also what is not text."""
    monkeypatch.setitem(os.environ, "OPENIM_ODD", "a=b\udcff\nc")
    forked, request = asked(listening, lambda connection: connection.sendall(b"+"))
    assert forked
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(request)
        theirs.shutdown(socket.SHUT_WR)
        assert fork_server._read(ours)[:2] == (COMMAND[1:], dict(os.environ))


def test_who_is_not_answered_is_not_forked(listening: socket.socket) -> None:
    """A fork server that ends meanwhile, or can't fork, says nothing."""
    assert not asked(listening, lambda connection: None)[0]


def test_what_ray_knows_of_a_forked_process_lives_as_long(listening: socket.socket, place: str) -> None:
    """Its number may not be another's while Ray may send signals to it; and it runs no command of its own."""
    command = [sys.executable, "-IS", FORK_REQUEST, place, *COMMAND]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as known:
        connection, _ = listening.accept()
        with connection:
            assert b"".join(iter(lambda: connection.recv(4096), b""))
            connection.sendall(b"+")
            with pytest.raises(subprocess.TimeoutExpired):
                known.wait(0.2)
        assert known.communicate(timeout=SECONDS) == (b"", None)
    assert known.returncode == 0


def test_where_nobody_listens_the_command_runs_itself(place: str) -> None:
    """After a fork server has died its socket is still there; the program is started in the place of who asked."""
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(place)
    done = subprocess.run(
        [sys.executable, "-IS", FORK_REQUEST, place, *COMMAND], capture_output=True, timeout=SECONDS, check=True
    )
    assert done.stdout == b"itself with an argument\n"


def test_the_place_is_there_when_connections_are_taken(place: str) -> None:
    """Who is refused starts its process itself, which takes seconds."""
    found: list[bool] = []
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as coming:

        def listen(backlog: int) -> None:
            found.append(Path(place).exists())
            listening.listen(backlog)

        seen = SimpleNamespace(bind=listening.bind, listen=listen)
        fork_server._listen(cast("socket.socket", seen), place)
        coming.connect(place)
    assert found == [False]


def test_it_serves_when_it_is_told_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it still imports modules; where nobody is left to tell it, it doesn't."""
    monkeypatch.setattr(fork_server, "_leave_trace", lambda _file: None)
    told, tell = os.pipe()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as coming:
        door = fork_server._Door(told, listening)
        door.open_if_told()
        assert list(tmp_path.iterdir()) == []
        assert fork_server.Beginning(tell).serve(tmp_path / "door")
        door.open_if_told()
        coming.connect(str(tmp_path / "door"))
        assert door.open()
    os.close(tell)
    with socket.socket(socket.AF_UNIX) as listening:
        assert not fork_server._Door(told, listening).open()
    os.close(told)


def test_a_fork_server_that_died_is_not_relied_on(tmp_path: Path) -> None:
    """Ray then starts one, as for a detached server."""
    told, tell = os.pipe()
    os.close(told)
    assert not fork_server.Beginning(tell).serve(tmp_path)
    os.close(tell)


def test_a_process_with_threads_is_not_forked() -> None:
    """What they hold at that moment would be held for ever."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait, daemon=True)
    thread.start()
    try:
        assert fork_server.begin() is None
    finally:
        over.set()
        thread.join()


BEGINNING = """
import fcntl, pathlib, sys, tempfile
tempfile.tempdir = sys.argv[1]
from openim_ray.actors.fork_server import begin
from openim_ray.actors.leftovers import private_folder, processes

data_dir = pathlib.Path(sys.argv[1], "data")
private_folder(data_dir).mkdir()
with open(data_dir, "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    begun = begin()
    begun.serve(private_folder(data_dir) / "fork-server")
    while not (found := list(processes(data_dir))):
        pass
with open(data_dir, "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(*found, flush=True)
input()
"""


def test_a_fork_server_holds_nothing_of_the_server_and_ends_with_it(tmp_path: Path) -> None:
    """Neither its lock, which would keep the next server out, nor its output. A sweep finds it, though its environment says nothing."""
    command = [sys.executable, "-c", BEGINNING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        (forked,) = server.stdout.readline().split()
        descriptor = os.pidfd_open(int(forked))
        assert not select.select([descriptor], [], [], 0)[0]
        server.kill()
        assert select.select([descriptor], [], [], SECONDS)[0]
        os.close(descriptor)
        assert server.stdout.read() == b""


def test_a_server_that_does_not_come_is_not_waited_for(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is missing at the deadline, too."""
    monkeypatch.setattr(fork_request, "WAIT_SECONDS", 0.0)
    assert fork_request.ask(place, COMMAND) is None


def test_a_request_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gets to the socket can't fill the memory of the server."""
    monkeypatch.setattr(fork_server, "REQUEST_BYTES_MAX", 10)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"1\0longer than that")
        with pytest.raises(ValueError, match="too long"):
            fork_server._read(ours)


def test_the_raylet_asks_for_workers_and_starts_the_fork_server(tmp_path: Path) -> None:
    """Ray's own agents are left out; the rest of the command line, and the end of the worker's, stay as they are."""
    place = tmp_path / "with a space" / "fork-server"
    worker = f"{sys.executable} setup_worker.py {subprocess.list2cmdline([cluster.WORKER])} --gcs-address=here"
    command = ["raylet", "--head", f"--python_worker_command={worker}", "--runtime_env_agent_command=python agent.py"]
    ours = cluster._with_own_agents(command, place, forked=False)
    values = dict(argument.partition("=")[::2] for argument in ours)
    assert ours[:2] == ["raylet", "--head"]
    assert FORK_SERVER in values["--runtime_env_agent_command"]
    assert f'"{place}"' in values["--runtime_env_agent_command"]
    assert values["--python_worker_command"].startswith(f"{sys.executable} setup_worker.py -IS {FORK_REQUEST} ")
    assert values["--python_worker_command"].endswith(f" {sys.executable} {cluster.WORKER} --gcs-address=here")


def test_the_fork_server_ends_with_its_raylet(monkeypatch: pytest.MonkeyPatch, listening: socket.socket) -> None:
    """The raylet holds the other end of its standard input."""
    monkeypatch.setattr(fork_server.signal, "signal", lambda *_: None)
    read, write = os.pipe()
    os.close(write)
    assert fork_server._serve(listening, read) is None
    os.close(read)


def test_with_a_fork_server_ray_starts_none(tmp_path: Path) -> None:
    """What it takes for its agents does nothing; workers ask the one that is there."""
    place = tmp_path / "fork-server"
    worker = f"{sys.executable} setup_worker.py {subprocess.list2cmdline([cluster.WORKER])} --gcs-address=here"
    ours = cluster._with_own_agents(["raylet", f"--python_worker_command={worker}"], place, forked=True)
    values = dict(argument.partition("=")[::2] for argument in ours)
    assert values["--runtime_env_agent_command"] == values["--dashboard_agent_command"] == cluster.STAND_IN
    assert f"{FORK_REQUEST} {place} " in values["--python_worker_command"]
