"""
Whether a client can log in and be answered: every inbox actor and every persistence actor is asked.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from openim_ray.domain.errors import OpenIMError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    Checks = Mapping[str, Callable[[], Awaitable[object]]]
    AskInbox = Callable[[str], Awaitable[object]]
    ReachStore = Callable[[int], Awaitable[object]]

READY_SECONDS = 2.0
CHECKS_AT_ONCE = 64
NAMED_MAX = 5


def checks_of(
    inboxes: Iterable[str], stores: Sequence[str], ask_inbox: AskInbox, reach_store: ReachStore
) -> dict[str, Checks]:
    """
    Return who is asked, by kind and actor: an inbox actor passes if it serves, nobody's inbox is asked; a persistence actor if it writes
    nothing and says so.
    """
    return {
        "inbox": {name: partial(ask_inbox, name) for name in inboxes},
        "persistence": {name: partial(reach_store, number) for number, name in enumerate(stores)},
    }


class Readiness:
    """
    Asks actors, kind by kind; whoever wants to know while they are being asked gets the same answer.

    Limits: one deadline for all of them, and so many are asked at once.

    Args:
        checks: returns the checks by kind and actor; one that returns has passed.
    """

    def __init__(self, checks: Callable[[], Mapping[str, Checks]], seconds: float = READY_SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._asking: asyncio.Task[dict[str, str]] | None = None

    async def ask(self) -> tuple[bool, dict[str, object]]:
        """Return whether all passed, and by kind `ok` or who did not and why."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        detail = await asyncio.shield(self._asking)
        return all(said == "ok" for said in detail.values()), dict(detail)

    async def _ask_all(self) -> dict[str, str]:
        room = asyncio.Semaphore(CHECKS_AT_ONCE)
        kinds = self._checks()
        tasks = {
            (kind, name): asyncio.create_task(_passed(check, room))
            for kind, checks in kinds.items()
            for name, check in checks.items()
        }
        await asyncio.wait(tasks.values(), timeout=self._seconds)
        failing: dict[str, list[str]] = {kind: [] for kind in kinds}
        for (kind, name), task in tasks.items():
            if failure := self._failure(task):
                failing[kind].append(f"{name}: {failure}")
        return {kind: _said(failures) for kind, failures in failing.items()}

    def _failure(self, task: asyncio.Task[str]) -> str:
        if task.done():
            return task.result()
        task.cancel()
        return f"no answer in {self._seconds:g} s"


async def _passed(check: Callable[[], Awaitable[object]], room: asyncio.Semaphore) -> str:
    async with room:
        try:
            await check()
        except OpenIMError as error:
            return str(error)
        return ""


def _said(failures: list[str]) -> str:
    if not failures:
        return "ok"
    more = [f"and {len(failures) - NAMED_MAX} more"] if len(failures) > NAMED_MAX else []
    return ", ".join([*failures[:NAMED_MAX], *more])
