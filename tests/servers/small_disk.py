"""
A small disk for tests that fill it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLING = b"x" * (1 << 16)


class SmallDisk:
    """
    A file system of its own at a place, which `full` fills up. It can be mounted by root only.
    """

    def __init__(self, place: Path, megabytes: int) -> None:
        place.mkdir(parents=True)
        self.place = place
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
        self.refused = tried.stderr.strip() if tried.returncode else ""
        """Why it could not be mounted; empty if it was."""

    @contextmanager
    def full(self) -> Iterator[None]:
        """Let nothing be free within the block."""
        if self.refused:
            pytest.skip(self.refused)
        filler = self.place / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (len(FILLING), 1):
                try:
                    while True:
                        file.write(FILLING[:size])
                except OSError:
                    continue
        try:
            yield
        finally:
            filler.unlink()

    def close(self) -> None:
        """Give it back."""
        if not self.refused:
            subprocess.run(["umount", "--lazy", str(self.place)], check=True)
