"""The wheel holds the whole package, also where the checkout has no symbolic links, and runs outside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from openim_ray import __version__

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("openim_ray", "actors", "storage")
LINKS = ("actors", "storage")
BUILD_SECONDS_MAX = 120


def files_of_the_tree() -> set[str]:
    """Return every source and data file by its path inside a wheel."""
    return {
        (path if folder == "openim_ray" else Path("openim_ray") / path).as_posix()
        for folder in SOURCES
        for found in (ROOT / folder).rglob("*")
        if found.is_file() and "__pycache__" not in found.parts
        for path in [found.relative_to(ROOT)]
    }


def copy_of_the_tree(to: Path) -> Path:
    """Copy what a build needs, links as links; no build result of the checkout gets in."""
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, to / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, to / name)
    return to


def build(tree: Path) -> Path:
    """Build the wheel of a tree with the installed setuptools."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "-q",
            "-w",
            "dist",
            ".",
        ],
        cwd=tree,
        check=True,
        timeout=BUILD_SECONDS_MAX,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    (wheel,) = (tree / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    return build(copy_of_the_tree(tmp_path_factory.mktemp("tree")))


def names(wheel: Path) -> set[str]:
    """Return the files of a wheel, its own description left out."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    """Neither a module nor a migration, a page or a schema is left out, and nothing else gets in."""
    assert names(wheel) == files_of_the_tree()


def test_a_checkout_without_links_builds_the_same(tmp_path: Path) -> None:
    """Git writes links as small text files where the file system has none."""
    tree = copy_of_the_tree(tmp_path)
    for name in LINKS:
        link = tree / "openim_ray" / name
        target = link.readlink()
        link.unlink()
        link.write_text(target.as_posix())
    assert names(build(tree)) == files_of_the_tree()


def test_the_installed_wheel_runs_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The command line answers from the wheel's own files."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    environ = os.environ | {"PYTHONPATH": str(site)}
    where = "import openim_ray.actors, openim_ray.storage as s; print(openim_ray.actors.__file__, s.__file__)"
    found = subprocess.check_output([sys.executable, "-c", where], cwd=tmp_path, env=environ, text=True, timeout=60)
    assert found.split() == [str(site / "openim_ray" / name / "__init__.py") for name in LINKS]
    answer = subprocess.check_output(
        [sys.executable, "-m", "openim_ray", "version"], cwd=tmp_path, env=environ, text=True, timeout=60
    )
    assert __version__ in answer


def test_the_wheel_declares_the_program(wheel: Path) -> None:
    """`pip install` makes the command `openim-ray`."""
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert archive.read(entry_points).decode().split("\n")[:2] == [
            "[console_scripts]",
            "openim-ray = openim_ray.cli:main",
        ]
