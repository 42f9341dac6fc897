"""
The page that says what works (docs/compatibility.md), as data, and the promise that the tests it names ran.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compatibility.md"

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_STATE_COLUMN = {"HTTP routes": 1, "WebSocket requests": 2, "Notifications": 2}


class Line(NamedTuple):
    """A line of one of the page's tables; `tests` are node ids."""

    key: str
    state: str
    tests: tuple[str, ...]


@cache
def lines(section: str) -> tuple[Line, ...]:
    """Return the lines of the table below a heading."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")
    table = [row.split("|")[1:-1] for row in rest.partition("\n## ")[0].splitlines() if row.startswith("| ")]
    cells = [[cell.strip() for cell in row] for row in table[1:]]
    return tuple(Line(row[0].strip("`"), row[_STATE_COLUMN[section]], _tests("|".join(row))) for row in cells)


def named_tests() -> set[str]:
    """Return the node ids of all tests that the page names."""
    return {test for section in _STATE_COLUMN for line in lines(section) for test in line.tests}


def exists(test: str) -> bool:
    """Tell whether a file holds a function of that name."""
    file, _, name = test.partition("::")
    path = ROOT / file
    if not path.is_file():
        return False
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return any(isinstance(node, functions) and node.name == name for node in ast.parse(path.read_text("utf-8")).body)


def _tests(text: str) -> tuple[str, ...]:
    return tuple(f"{file}::{name}" for file, name in _TEST.findall(text))


class NamedTestsRan:
    """
    Plugin of pytest: a run of the whole suite fails if a test that the page names did not pass, for instance was skipped.
    """

    def __init__(self, config: pytest.Config) -> None:
        options = config.option
        is_part = hasattr(config, "workerinput")  # of a run in several processes, whose first one sees all reports
        narrowed = is_part or options.keyword or options.markexpr or options.deselect or options.collectonly
        self._whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not narrowed
        self._passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what passed, whatever its parameters."""
        if report.when == "call" and report.passed:
            self._passed.add(report.nodeid.partition("[")[0])

    @property
    def missing(self) -> list[str]:
        """Tests that should have run."""
        return sorted(named_tests() - self._passed) if self._whole else []

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a run that would otherwise be green."""
        if exitstatus == pytest.ExitCode.OK and self.missing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which."""
        if self.missing:
            terminalreporter.section("named in docs/compatibility.md, but not passed", red=True)
            terminalreporter.write_line("\n".join(self.missing))
