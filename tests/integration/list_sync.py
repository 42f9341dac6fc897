"""A versioned list as a device keeps it up to date (OpenIM wire, §6.6.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Call = Callable[[str, Mapping[str, object]], Awaitable[dict[str, Any]]]
"""Calls a route as the user whose device it is, until it is answered; returns the data."""


@dataclass
class ListSync:
    """
    One list on one device: `entries` is what the device shows, by id.

    Args:
        call: how its user calls.
        incremental, full: the routes.
        key: what the routes are asked for.
        ids, entry: what the full route calls its ids, and what an entry keeps of one that is sent.
    """

    call: Call
    incremental: str
    full: str
    key: Mapping[str, object]
    id_of: Callable[[Mapping[str, Any]], str]
    ids: str = "userIDs"
    version: int = 0
    version_id: str = ""
    entries: set[str] = field(default_factory=set)
    fetched: int = 0
    """How often the whole list was asked for."""

    async def sync(self) -> None:
        """Ask for what changed, and change that."""
        known = {"versionID": self.version_id, "version": self.version}
        answer = await self.call(self.incremental, {**self.key, **known})
        if answer["full"]:
            self.fetched += 1
            answer = await self.call(self.full, {**self.key, "idHash": 0})
            self.entries = set(answer[self.ids] or ())
        else:
            self.entries -= set(answer["delete"] or ())
            self.entries |= {self.id_of(one) for kind in ("insert", "update") for one in answer[kind] or ()}
        self.version, self.version_id = answer["version"], answer["versionID"]
