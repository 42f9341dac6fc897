"""The package list, the two links and the guards agree with the folders."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OUTSIDE = ("actors", "storage")


def folders_with_code() -> dict[str, str]:
    """Return each package's import name with its real folder, as the tree has them."""
    inside = {path.parent.relative_to(ROOT) for path in (ROOT / "openim_ray").rglob("__init__.py")}
    packages = {".".join(folder.parts): folder.as_posix() for folder in inside}
    for name in OUTSIDE:
        for path in (ROOT / name).rglob("__init__.py"):
            folder = path.parent.relative_to(ROOT)
            packages[".".join(("openim_ray", *folder.parts))] = folder.as_posix()
    return packages


def test_the_package_list_names_every_folder() -> None:
    """A folder with code that pyproject.toml forgets would be missing in every wheel."""
    assert sorted(PYPROJECT["tool"]["setuptools"]["packages"]) == sorted(folders_with_code())


def test_every_outside_folder_is_mapped() -> None:
    """Each package that lies outside openim_ray/ is mapped to its real folder."""
    mapping = PYPROJECT["tool"]["setuptools"]["package-dir"]
    mapped = {name: folder for name, folder in folders_with_code().items() if not folder.startswith("openim_ray")}
    assert mapping == {"openim_ray": "openim_ray", **mapped}


@pytest.mark.parametrize("name", OUTSIDE)
def test_links_are_relative_and_lead_to_the_folder(name: str) -> None:
    """The links work in every checkout, wherever it lies."""
    link = ROOT / "openim_ray" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..", name)
    assert link.resolve() == ROOT / name


@pytest.mark.parametrize("name", OUTSIDE)
def test_importing_under_a_second_name_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second copy of every class would make isinstance false; the guard names the right import."""
    monkeypatch.syspath_prepend(str(ROOT))
    sys.modules.pop(name, None)
    with pytest.raises(ImportError, match=f"import openim_ray.{name}, not {name}"):
        importlib.import_module(name)


def test_the_console_script_is_the_command_line() -> None:
    """`openim-ray` and `python -m openim_ray` are the same program."""
    assert PYPROJECT["project"]["scripts"] == {"openim-ray": "openim_ray.cli:main"}
    assert "from openim_ray.cli import main" in (ROOT / "openim_ray" / "__main__.py").read_text(encoding="utf-8")


def test_every_dependency_is_pinned() -> None:
    """What a fresh installation brings is what was tested: each direct dependency stands in constraints.txt."""
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    wanted = PYPROJECT["project"]["dependencies"] + PYPROJECT["project"]["optional-dependencies"]["test"]
    names = {re.split(r"[\[<>=;]", requirement)[0].lower() for requirement in wanted}
    assert names - pinned == set()
