"""docs/compatibility.md says what is: every route, request and notification with its state, and tests that exist."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route_table import TABLE
from openim_ray.gateway.requests import NOT_BUILT as REQUESTS_NOT_BUILT
from openim_ray.protocol.identifiers import NOTIFICATION_CONTENT_TYPES, ContentType, RequestIdentifier
from tests.compat import compatibility_page
from tests.compat.compatibility_page import exists, lines, named_tests

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS = ("HTTP routes", "WebSocket requests", "Notifications")


def states(section: str) -> dict[str, str]:
    """Return the state of each line, by its key."""
    found = {line.key: line.state for line in lines(section)}
    assert len(found) == len(lines(section)), "a key stands twice"
    return found


def test_every_route_stands_on_the_page_with_its_state() -> None:
    """What the table builds works, the rest isn't implemented, and the page names no other route."""
    assert states("HTTP routes") == {path: "not implemented" if path in NOT_BUILT else "works" for path in TABLE}


def test_every_request_stands_on_the_page_with_its_state() -> None:
    """Each identifier of the wire."""
    assert states("WebSocket requests") == {
        str(int(one)): "not implemented" if one in REQUESTS_NOT_BUILT else "works" for one in RequestIdentifier
    }


def test_every_notification_stands_on_the_page() -> None:
    """Each content type that only the server sends."""
    assert set(states("Notifications")) == {str(int(one)) for one in ContentType if one in NOTIFICATION_CONTENT_TYPES}
    assert set(states("Notifications").values()) == {"works", "not implemented"}


@pytest.mark.parametrize("section", SECTIONS)
def test_what_works_names_a_test(section: str) -> None:
    """A claim without proof is none."""
    assert [line.key for line in lines(section) if line.state == "works" and not line.tests] == []


def test_every_named_test_exists() -> None:
    """Read from the files, so that a renamed test is found here and not by a reader."""
    assert sorted(test for test in named_tests() if not exists(test)) == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    """The rule above can fail: for a missing file, and for a missing function."""
    assert exists("tests/unit/test_compatibility_doc.py::test_every_named_test_exists")
    assert not exists("tests/unit/test_compatibility_doc.py::test_nothing_of_the_kind")
    assert not exists("tests/unit/no_such_file.py::test_every_named_test_exists")


SUITE = {
    "conftest.py": "from tests.compat.compatibility_page import NamedTestsRan\n"
    "from tests.compat import compatibility_page\n"
    'compatibility_page.named_tests = lambda: {"tests/test_a.py::test_a", "tests/test_a.py::test_b"}\n'
    "def pytest_configure(config):\n    config.pluginmanager.register(NamedTestsRan(config))\n",
    "pytest.ini": "[pytest]\ntestpaths = tests\n",
    "tests/test_a.py": "import pytest\n@pytest.mark.parametrize('x', [1, 2])\ndef test_a(x): pass\n"
    "def test_b(): pytest.skip('no browser')\n",
}


@pytest.mark.parametrize(
    ("arguments", "code"), [((), 1), (("-p", "xdist", "-n", "2"), 1), (("tests",), 0), (("-k", "test_a"), 0)]
)
def test_a_whole_run_needs_every_named_test(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    """A named test that is skipped fails the run of the whole suite, and no other run."""
    (tmp_path / "tests").mkdir()
    for name, text in SUITE.items():
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(compatibility_page.ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stdout
    assert ("tests/test_a.py::test_b" in result.stdout) is (code == 1)
