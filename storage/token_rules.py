"""
What may become of a token record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openim_ray.domain.token_state import KICKED

if TYPE_CHECKING:
    from openim_ray.ports import TokenRecord


def merged(old: TokenRecord | None, new: TokenRecord) -> TokenRecord:
    """
    Return what is kept when `new` is saved over `old`: once kicked, always kicked.
    """
    if old is not None and old.state == KICKED:
        return new._replace(state=KICKED)
    return new
