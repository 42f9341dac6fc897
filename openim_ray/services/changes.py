"""
Changes of the directory with their effects: committed first, then applied by the owners of the logs concerned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from openim_ray.ports import Broker, DirectoryStore
from openim_ray.transactions import DirectoryTransaction

T = TypeVar("T")


class DirectoryChanges:
    """
    Runs use cases in transactions of the directory.

    Guarantee: when `commit` returns, the change is durable, and its effects are applied, unless a log's owner could not be reached in time:
    then its sweep applies them later.
    """

    def __init__(self, directory: DirectoryStore, broker: Broker) -> None:
        self._directory = directory
        self._broker = broker

    async def commit(self, use_case: Callable[[DirectoryTransaction], T]) -> T:
        """
        Run a use case and return what it returns; what it raises is raised, and nothing happened then.
        """
        changed = await self._directory.change(use_case)
        if changed.home_keys:
            await self._broker.apply_effects(changed.home_keys)
        return changed.result
