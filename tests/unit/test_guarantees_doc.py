"""docs/guarantees.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def named_tests() -> list[tuple[str, str]]:
    """Return the files, and functions in them, that the page names."""
    return sorted(set(NAMED.findall((ROOT / "docs/guarantees.md").read_text(encoding="utf-8"))))


def test_the_page_names_tests() -> None:
    """The pattern above finds something."""
    assert len(named_tests()) > 10


@pytest.mark.parametrize(("file", "function"), named_tests())
def test_a_named_test_exists(file: str, function: str) -> None:
    """A promise without a proof is none."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert any(name.startswith("test_") for name in functions)
    assert not function or function in functions
