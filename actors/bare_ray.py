"""
Ray, imported as a server needs it: without packages that it names and nobody here uses, and so that workers can be forked from the process.

To be imported before anything else of Ray: the rest finds it there. Where it is not, Ray is imported whole.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from openim_ray.actors.fork_server import worker_flags

if TYPE_CHECKING:
    from collections.abc import Iterator

UNUSED = ("jsonschema", "requests", "yaml")
"""For runtime environments, cloud accelerators and usage reports: a fifth of what importing Ray costs."""


class _Later(ModuleType):
    """
    Stands for a module until somebody asks it for something.
    """

    def __getattr__(self, name: str) -> Any:
        _take_away(self)
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def left_for_later(*names: str) -> Iterator[None]:
    """
    Let what is imported in this block have stand-ins of modules that are not there yet; each is imported when it is used first.
    """
    stand_ins = [_Later(name) for name in names if name not in sys.modules]
    sys.modules.update({one.__name__: one for one in stand_ins})
    try:
        yield
    finally:
        for one in stand_ins:
            _take_away(one)


def _take_away(stand_in: ModuleType) -> None:
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]


@contextlib.contextmanager
def _forkable() -> Iterator[None]:
    """
    Let Ray's native code, which reads it only once, know of workers what those that are forked from this process will be: they end with it.
    """
    flags = worker_flags(os.getpid())
    added = {name: value for name, value in flags.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


with left_for_later(*UNUSED), _forkable():
    import ray
    import ray._common.usage.usage_lib

__all__ = ["left_for_later", "ray"]
