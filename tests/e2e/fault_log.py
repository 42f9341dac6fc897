"""What the actors of a server logged as errors. Metrics of an actor that was killed are lost, its log isn't."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

SHOWN_LINES_MAX: Final = 30

# The last two are the end of a process in native code, as Ray and Python tell it.
_ERROR = re.compile(
    r'\[(error|critical) *\]|"level": ?"(error|critical)"|^\*\*\* SIG(SEGV|ABRT|BUS|FPE|ILL) |^Fatal Python error'
)
_LINE = re.compile(r"\d{4}-\d\d-\d\dT|\{|\*\*\* SIG|Fatal Python error")


class FaultLog:
    """
    The logs of actors, opened while they are there: Ray's folder goes with the server, but what is open can still be read.

    Args:
        folder: Ray's, of one server.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("session_latest/logs/worker-*.err"))
        self._files = [path.open(encoding="utf-8", errors="replace") for path in paths]

    def read(self, expected: Collection[str]) -> list[str]:
        """Return the errors, each with its traceback, except for those that hold one of the expected texts; read once."""
        found: list[str] = []
        for file in self._files:
            with file:
                found += errors_in(file, expected)
        return found


def errors_in(lines: Iterable[str], expected: Collection[str] = ()) -> Iterator[str]:
    """Yield what was logged as an error, from the line to the end of its traceback."""
    error: list[str] = []
    for line in lines:
        if not _LINE.match(line):
            if error and len(error) < SHOWN_LINES_MAX:
                error.append(line)
            continue
        if error:
            yield "".join(error).rstrip()
        is_fault = _ERROR.search(line) and not any(text in line for text in expected)
        error = [line] if is_fault else []
    if error:
        yield "".join(error).rstrip()
