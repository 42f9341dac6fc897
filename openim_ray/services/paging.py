"""
Limits on what one request may ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openim_ray.domain import errors
from openim_ray.ports import Page

PAGE_ROWS_MAX: Final = 1_000
"""Rows of a page. More is refused, not shortened: clients take a page that is shorter than asked for the last one."""

IDS_MAX: Final = 10_000
"""Ids in one request; more is refused."""


def page_of(number: int, size: int) -> Page:
    """
    Return a page (number from 1, rows), or ArgsError.
    """
    if number < 1:
        raise errors.ArgsError("pagination.pageNumber must be at least 1")
    if not 1 <= size <= PAGE_ROWS_MAX:
        raise errors.ArgsError(f"pagination.showNumber must be in 1..{PAGE_ROWS_MAX}")
    return Page(number, size)


def check_ids(name: str, ids: Sequence[str]) -> list[str]:
    """
    Return the ids without repetitions, in their order; ArgsError if there are too many.
    """
    if len(ids) > IDS_MAX:
        raise errors.ArgsError(f"{name} holds more than {IDS_MAX} ids")
    return list(dict.fromkeys(ids))
