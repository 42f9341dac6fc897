"""
Which text can be kept, whatever the backend.
"""

from __future__ import annotations

from openim_ray.domain.errors import ArgsError


def is_storable(text: str) -> bool:
    """
    Tell whether every database can hold a text: PostgreSQL knows no NUL, and half a surrogate pair has no encoding.
    """
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(*texts: object) -> None:
    """
    Raise ArgsError if one of the values is a text that can't be kept.
    """
    for text in texts:
        if isinstance(text, str) and not is_storable(text):
            raise ArgsError("a text that can't be stored")
