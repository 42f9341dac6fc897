"""
Change an account, as a use case would.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openim_ray.ports import DirectoryStore
    from openim_ray.transactions import DirectoryTransaction


async def update_user(directory: DirectoryStore, user_id: str, changes: Mapping[str, Any]) -> None:
    """Change fields of an account that exists."""

    def use_case(transaction: DirectoryTransaction) -> None:
        transaction.put_user(replace(transaction.users([user_id])[user_id], **changes))

    await directory.change(use_case)
