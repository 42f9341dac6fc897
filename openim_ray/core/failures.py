"""
What failed in a machine, for its process to log: a fault in the handling of one item must not take others with it.
"""

from __future__ import annotations

from collections import deque
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

INTERNAL_ERROR = "internal error"

FAILURES_MAX = 100
"""So many are kept until the process takes them, the latest ones."""


class Failure(NamedTuple):
    """
    A fault of ours: what was handled, the kind of the error, and where it was raised. No content: an error's text may hold some.
    """

    what: str
    error: str
    where: str


class Failures:
    """
    The failures of a machine that nobody has logged yet.
    """

    def __init__(self) -> None:
        self._failures: deque[Failure] = deque(maxlen=FAILURES_MAX)

    def attempt(self, what: str, action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
        """Do something; False if it failed, which is noted under the name `what`."""
        try:
            action(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it was, what comes after it must be handled
            self._failures.append(Failure(what, type(error).__name__, _place_of(error)))
            return False
        return True

    def take(self) -> list[Failure]:
        """Return and forget what failed, in order."""
        if not self._failures:
            return []
        taken = list(self._failures)
        self._failures.clear()
        return taken


def _place_of(error: Exception) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return ""
    return f"{PurePath(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
