"""Ray is imported without what nobody here uses of it, and that is there all the same when somebody does."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openim_ray.actors import fork_server
from openim_ray.actors.bare_ray import left_for_later

IMPORTING = """
import os, sys
import openim_ray.app
from openim_ray.actors import bare_ray, fork_server
print([name for name in (*bare_ray.UNUSED, "urllib3", "rich.traceback") if name in sys.modules], len(os.listdir("/proc/self/task")))
print([name for name in os.environ if name in (fork_server.RAYLET_PID, fork_server.JOB_ID)])
import ray._private.label_utils
print(ray._private.label_utils.yaml.safe_load("a: 1"))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that another one imports."""
    (tmp_path / "openim_seldom.py").write_text("VALUE = 1")
    (tmp_path / "openim_user.py").write_text("import openim_seldom\ndef value(): return openim_seldom.VALUE")
    monkeypatch.syspath_prepend(tmp_path)
    return "openim_seldom"


def test_a_module_is_imported_when_it_is_used(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before, and for everybody afterwards; who imports it meanwhile gets the real one."""
    with left_for_later(module):
        user = importlib.import_module("openim_user")
    assert module not in sys.modules
    assert user.value() == 1
    assert sys.modules[module].VALUE == 1
    with left_for_later(module):
        assert importlib.import_module(module).VALUE == 1
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "openim_user")


def test_a_module_that_is_used_at_once_is_imported_at_once(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then leaving it for later has done nothing."""
    with left_for_later(module):
        assert importlib.import_module(module).VALUE == 1
        assert importlib.import_module("openim_user").value() == 1
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, "openim_user")


def test_ray_is_imported_bare() -> None:
    """By `up`: in one thread, so that actors can be forked, and without a trace in the environment that Ray's own processes inherit."""
    environment = {
        name: value for name, value in os.environ.items() if name not in (fork_server.RAYLET_PID, fork_server.JOB_ID)
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[] 1", "[]", "{'a': 1}"]
