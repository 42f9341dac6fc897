"""
Changes of the directory with their effects: committed first, then applied by the owners of the logs concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from openim_ray.ports import DirectoryStore
from openim_ray.transactions import DirectoryTransaction

T = TypeVar("T")


class LogOwners(Protocol):
    """
    Who applies effects; `ports.Broker` does.
    """

    async def apply_effects(self, home_keys: Sequence[str]) -> None:
        """See `ports.Broker`."""
        ...


class LeftToSweep:
    """
    For changes that nobody waits for: owners find the effects by their own sweep, within seconds.
    """

    async def apply_effects(self, home_keys: Sequence[str]) -> None:
        """Do nothing."""


class DirectoryChanges:
    """
    Runs use cases in transactions of the directory.

    Guarantee: when `commit` returns, the change is durable, and its effects are applied, unless a log's owner could not be reached in time:
    then its sweep applies them later.
    """

    def __init__(self, directory: DirectoryStore, broker: LogOwners) -> None:
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
