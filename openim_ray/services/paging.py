"""
Limits on what one request may ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID, user_id_fault
from openim_ray.ports import Page
from openim_ray.transactions import Window

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


def window_of(number: int, size: int) -> Window:
    """
    Return a page as a use case reads it, or ArgsError; see `page_of`.
    """
    page = page_of(number, size)
    return Window((page.number - 1) * page.size, page.size)


def check_text(name: str, text: str, bytes_max: int) -> None:
    """
    Raise ArgsError if a text is too long or can't be stored.
    """
    if len(text.encode()) > bytes_max:
        raise errors.ArgsError(f"{name} is longer than {bytes_max} bytes")
    if "\0" in text:
        raise errors.ArgsError(f"{name} contains a NUL character")


def check_user_id(name: str, user_id: str) -> UserID:
    """
    Return an id that keeps the rules of user ids, or ArgsError.
    """
    fault = user_id_fault(user_id)
    if fault is not None:
        raise errors.ArgsError(f"{name}: {fault}")
    return UserID(user_id)


def check_user_ids(name: str, ids: Sequence[str], count_max: int) -> list[UserID]:
    """
    Return ids without repetitions, in their order; ArgsError if there is none, too many, or one that breaks the rules.
    """
    if not ids:
        raise errors.ArgsError(f"{name} is empty")
    if len(ids) > count_max:
        raise errors.ArgsError(f"{name} holds more than {count_max} ids")
    return [check_user_id(name, one) for one in dict.fromkeys(ids)]
