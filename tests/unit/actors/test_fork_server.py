"""Actors are forked where the fork server lives; where it doesn't, each is started all the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openim_ray.actors import cluster, fork_request, fork_server
from openim_ray.actors.cluster import FORK_REQUEST, FORK_SERVER

SECONDS = 30.0
COMMAND = [sys.executable, "-c", "import sys; print('itself', *sys.argv[1:])", "with an argument"]


@pytest.fixture
def place(tmp_path: Path) -> str:
    """The path of the fork server's socket."""
    return str(tmp_path / "fork-server")


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
