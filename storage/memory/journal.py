"""
What a transaction in memory changes, so that it can be taken back.
"""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")

_MISSING = object()


class Journal:
    """
    Keeps entries of dictionaries as they were. Outside a transaction it keeps nothing.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[int, Hashable], tuple[dict[Any, Any], Any]] | None = None

    def keep(self, table: dict[K, V], key: K) -> None:
        """Remember an entry before it is changed; its value, if that can be changed, as a copy one level deep."""
        if self._before is not None and (id(table), key) not in self._before:
            self._before[id(table), key] = (table, copy(table[key]) if key in table else _MISSING)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Take back what the block did if it raises."""
        assert self._before is None, "a transaction within another"
        self._before = {}
        try:
            yield
        except BaseException:
            for (_, key), (table, before) in self._before.items():
                if before is _MISSING:
                    table.pop(key, None)
                else:
                    table[key] = before
            raise
        finally:
            self._before = None
