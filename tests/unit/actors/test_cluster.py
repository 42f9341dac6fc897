"""A Ray that hangs is told from one that lives before anything waits for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openim_ray.actors import cluster
from openim_ray.actors.cluster import TOKEN_FILE, ClusterError, attach


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a process that hangs: the system takes connections for it all the same."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_ray_that_hangs_is_not_joined(silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray.init` would wait for half a minute, and nothing can interrupt it."""
    monkeypatch.setattr(cluster, "_set_environment", lambda *_, **__: None)
    (tmp_path / TOKEN_FILE).write_text("0" * 64)
    assert cluster.is_reachable(silent)
    with pytest.raises(ClusterError, match=f"no answer from Ray at {silent}: it hangs"):
        attach(tmp_path, silent, "openim")


def test_whoever_says_anything_lives() -> None:
    """What it says is for Ray to judge."""

    def answer(listening: socket.socket) -> None:
        with listening.accept()[0] as connection:
            connection.recv(len(cluster.HTTP2_GREETING))
            connection.sendall(b"\0")

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as threads:
        answered = threads.submit(answer, listening)
        assert cluster._speaks(f"127.0.0.1:{listening.getsockname()[1]}")
        answered.result()


def test_without_a_connection_nothing_hangs() -> None:
    """Commands that never asked for Ray end as usual."""
    assert not cluster.hangs()
