"""What a server leaves behind is found and ended, and nothing else is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from openim_ray.actors import cluster
from openim_ray.actors.cluster import ClusterError
from openim_ray.actors.leftovers import marks, private_folder, processes, sweep, temporary_directory

TITLED = """
from ray._raylet import setproctitle
setproctitle("ray::DashboardAgent")
print("titled", flush=True)
input()
"""
WATCHING = """
import os, sys
os.chdir(sys.argv[1])
kept = open("worker.err")
print("watching", flush=True)
input()
"""
START_SECONDS = 30.0


@contextmanager
def running(program: str, variables: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that says a word when it has come to its end, and waits there."""
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, **variables}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory; temporary folders are made beside it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_processes_that_give_themselves_a_title_are_found(data_dir: Path) -> None:
    """Two of Ray's do, and outlive a `kill -9` of the server for a minute; a title takes the place of the environment, unless told not to."""
    with running(TITLED, marks(data_dir)) as titled, running(TITLED, marks(data_dir.parent / "other")):
        assert list(processes(data_dir)) == [titled.pid]


def test_a_sweep_ends_what_is_marked_and_leaves_onlookers_alone(data_dir: Path) -> None:
    """Who reads the server's logs, or has gone into their folder, is no part of it."""
    logs = temporary_directory(data_dir)
    logs.mkdir(parents=True)
    (logs / "worker.err").touch()
    with ExitStack() as ended:
        titled = ended.enter_context(running(TITLED, marks(data_dir)))
        onlooker = ended.enter_context(running(WATCHING, {}, str(logs)))
        assert sweep(data_dir), "something was left"
        assert titled.wait(START_SECONDS) < 0
        assert onlooker.poll() is None
    assert not private_folder(data_dir).exists()
    assert not sweep(data_dir), "nothing is left"


def test_only_the_owner_gets_to_what_ray_keeps(data_dir: Path) -> None:
    """Ray itself lets everybody write into its folders and read its logs; an open umask changes nothing."""
    before = os.umask(0)
    try:
        cluster._make_private_folder(private_folder(data_dir))
    finally:
        os.umask(before)
    assert stat.S_IMODE(private_folder(data_dir).stat().st_mode) == 0o700
    assert private_folder(data_dir) in temporary_directory(data_dir).parents


@pytest.mark.parametrize("kind", ["folder", "link", "file"])
def test_a_folder_that_somebody_else_prepared_is_not_used(data_dir: Path, kind: str) -> None:
    """Its name is no secret, and in /tmp anybody can make it before the server does."""
    folder = private_folder(data_dir)
    if kind == "folder":
        folder.mkdir()
    elif kind == "link":
        folder.symlink_to(data_dir)
    else:
        folder.touch()
    with pytest.raises(ClusterError, match=f"{folder} can't be made: File exists"):
        cluster._make_private_folder(folder)


def test_a_sweep_does_not_follow_a_link(data_dir: Path) -> None:
    """Whoever put it in the place of the folder would have the server remove what is somebody else's."""
    target = data_dir.parent / "target"
    target.mkdir()
    (target / "kept").touch()
    private_folder(data_dir).symlink_to(target)
    sweep(data_dir)
    assert (target / "kept").exists()
