"""Unit tests run without Ray: whoever tries to start it learns so at once."""

from __future__ import annotations

from typing import NoReturn

import pytest
import ray


def refuse_ray(*_args: object, **_options: object) -> NoReturn:
    """Fail in place of `ray.init`."""
    msg = "a unit test may not start Ray; tests/integration is the place for that"
    raise AssertionError(msg)


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "init", refuse_ray)
