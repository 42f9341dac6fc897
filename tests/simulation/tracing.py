"""
How a trace shows what is said: short, and the same in every run of a seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

_SILENT = {"body", "value", "operation_id", "token_expires_at"}


def brief(about: object) -> str:
    """
    Return a line's text about items, rows or anything else; encoded bodies are left out.
    """
    if isinstance(about, msgspec.Struct):
        return f"{type(about).__name__}({', '.join(_fields(about))})"
    if isinstance(about, list):
        return "[" + "; ".join(brief(one) for one in about) + "]"
    return str(about)


def _fields(item: msgspec.Struct) -> Sequence[str]:
    return [
        f"{name}={_short(getattr(item, name))}"
        for name in item.__struct_fields__
        if name not in _SILENT and getattr(item, name) not in ("", False, {}, [])
    ]


def _short(value: Any) -> str:
    if isinstance(value, int) and value > 1 << 40:
        return f"…{value % 100_000}"
    if isinstance(value, list):
        return "[" + ", ".join(_short(one) for one in value) + "]"
    return brief(value)
