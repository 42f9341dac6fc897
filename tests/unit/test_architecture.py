"""Rules of the source tree that no linter states; the others stand in pyproject.toml."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import ray

import openim_ray

ROOT = Path(__file__).resolve().parents[2]
SOURCE_FOLDERS = ("openim_ray", "actors", "storage")
# Between actors, at start-up, and for questions from outside.
CALL_ACTORS = {"actors/refs.py", "actors/supervisor.py", "actors/query.py"}
SAY_NOTHING = {"common", "helpers", "manager", "misc", "utils"}
SAMPLES: dict[str, object] = {"str": "text", "int": 7, "float": 1.5, "bool": True}


def source_files() -> list[Path]:
    """Return every Python file of the package once: links are not followed, generated files left out."""
    return [
        path
        for folder in SOURCE_FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.parent.name not in {"pb", "__pycache__"}
    ]


def calls_of_actors(path: Path) -> list[int]:
    """Return the lines on which `<anything but ray>.remote(...)` stands."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "remote"
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id == "ray")
    ]


def own_errors() -> list[type[BaseException]]:
    """Return every exception class that the package defines."""
    found: set[type[BaseException]] = set()
    for module in pkgutil.walk_packages(openim_ray.__path__, "openim_ray."):
        if module.name == "openim_ray.__main__" or ".migrations." in module.name:
            continue  # programs: they run when imported
        members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        found.update(cls for _, cls in members if issubclass(cls, BaseException))
    return sorted(
        (cls for cls in found if cls.__module__.startswith("openim_ray.")),
        key=lambda cls: (cls.__module__, cls.__qualname__),
    )


def sample_of(cls: type[BaseException]) -> BaseException:
    """Make an error with a plausible value for each argument of its constructor."""
    own_constructor = any("__init__" in vars(base) for base in cls.__mro__ if base.__module__.startswith("openim_ray."))
    if not own_constructor:
        return cls("text")
    arguments: list[Any] = [
        SAMPLES.get(str(parameter.annotation), "text")
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    return cls(*arguments)


def test_actors_are_called_in_one_place() -> None:
    """Only three files of actors/ call a method of a Ray actor; everybody else asks them to."""
    offenders = {
        str(path.relative_to(ROOT)): lines for path in source_files() if (lines := calls_of_actors(path)) != []
    }
    assert set(offenders) <= CALL_ACTORS, offenders


def test_a_call_of_an_actor_is_recognized(tmp_path: Path) -> None:
    """The rule above sees `handle.describe.remote()` and lets `ray.remote(Cls)` pass."""
    path = tmp_path / "sample.py"
    path.write_text("ray.remote(Cls)\nhandle.describe.remote()\nrefs[0].ask.options(x=1).remote(2)\n")
    assert calls_of_actors(path) == [2, 3]


def test_every_error_survives_pickling() -> None:
    """An error that crosses from one actor to another arrives with its type, arguments, attributes and text."""
    errors = [sample_of(cls) for cls in own_errors()]
    assert errors
    for error in errors:
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert (copy.args, vars(copy), str(copy)) == (error.args, vars(error), str(error))


def test_file_names_say_what_is_inside() -> None:
    """No file or folder is called after nothing: utils, helpers, manager, common."""
    named = {path for path in source_files() if {path.stem, path.parent.name} & SAY_NOTHING}
    assert named == set()


def test_a_unit_test_cannot_start_ray() -> None:
    """The fixture of this folder turns `ray.init` into a failure that says where to go."""
    with pytest.raises(AssertionError, match="tests/integration"):
        ray.init()
