from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import Unavailable
from openim_ray.storage.sqlite.writer_lock import WriterLock

if TYPE_CHECKING:
    from pathlib import Path


def test_the_lock_excludes_others(tmp_path: Path) -> None:
    """While one holds the lock, another gives up after its limit; afterwards it gets the lock."""
    with closing(WriterLock(tmp_path / "a.db", 0.01)) as one, closing(WriterLock(tmp_path / "a.db", 0.01)) as other:
        with one.held(), pytest.raises(Unavailable, match=r"a\.db: another process"), other.held():
            pass
        with other.held():
            pass


def test_files_are_locked_one_by_one(tmp_path: Path) -> None:
    """The lock of one file doesn't concern another one."""
    with (
        closing(WriterLock(tmp_path / "a.db", 0.01)) as one,
        closing(WriterLock(tmp_path / "b.db", 0.01)) as other,
        one.held(),
        other.held(),
    ):
        pass


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    """A block that raises gives the lock back."""
    with closing(WriterLock(tmp_path / "a.db", 0.01)) as one, closing(WriterLock(tmp_path / "a.db", 0.01)) as other:
        with pytest.raises(ZeroDivisionError), one.held():
            raise ZeroDivisionError
        with other.held():
            pass


def test_who_waits_gets_the_lock(tmp_path: Path) -> None:
    """One who waits within her limit goes on as soon as the holder lets go."""
    with closing(WriterLock(tmp_path / "a.db", 10)) as one, closing(WriterLock(tmp_path / "a.db", 10)) as other:
        order: list[str] = []

        def wait() -> None:
            with other.held():
                order.append("other")

        waiting = threading.Thread(target=wait)
        with one.held():
            waiting.start()
            order.append("one")
        waiting.join(10)

        assert order == ["one", "other"]


def test_the_lock_file_is_private(tmp_path: Path) -> None:
    """Only the owner may touch the lock's file."""
    with closing(WriterLock(tmp_path / "a.db", 1)):
        assert (tmp_path / "a.db-lock").stat().st_mode & 0o777 == 0o600
