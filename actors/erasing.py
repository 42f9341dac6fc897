"""
Accounts that are erased: nobody is logged in with them any more, what they wrote becomes tombstones, what relates them to others ends, and the stores' files forget.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from openim_ray.actors.clock import wall_ms
from openim_ray.actors.refs import call
from openim_ray.actors.settings import gateway_names
from openim_ray.actors.store_waits import StoreWaits
from openim_ray.domain.erasure import Erasure, ErasurePhase
from openim_ray.domain.errors import OpenIMError, Unavailable
from openim_ray.domain.ids import UserID
from openim_ray.services.account_erasing import is_waited_for, logins_ended, neutralize
from openim_ray.services.changes import DirectoryChanges, LeftToSweep
from openim_ray.services.erasing import MessageErasing
from openim_ray.services.leaving import build_leaving
from openim_ray.storage.open import open_directory_store, open_history_store
from openim_ray.storage.places import Places

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from openim_ray.config import Config
    from openim_ray.storage.stores import OpenDirectoryStore, OpenHistoryStore, OpenMessageStore
    from openim_ray.transactions import DirectoryTransaction

    EndLogins = Callable[[str], Awaitable[None]]

LOOK_SECONDS = 5.0
"""Between two looks for accounts that are to be erased, and between two tries while a store is down."""

SETTLE_SECONDS = 2.0
"""Beyond the time in which a message is accepted or a call answered: then nothing of hers is under way any more."""

FOUND_MAX = 100

log = structlog.get_logger(__name__)


def settle_ms(config: Config) -> int:
    """
    Return how long after an account was marked something of hers may still be under way.
    """
    longest = max(config.persistence.append_deadline_seconds, config.api.request_seconds)
    return int((longest + SETTLE_SECONDS) * 1000)


async def end_logins(config: Config, user_id: str) -> None:
    """
    Have the first gateway that can end all tokens of a user and close her connections. Raises Unavailable if none can.
    """
    failure = Unavailable("there is no gateway")
    for name in gateway_names(config):
        try:
            await call(name, config.cluster.namespace, "end_logins", user_id)
        except Unavailable as error:
            failure = error
        else:
            return
    raise failure


class Eraser:
    """
    The job of one persistence actor, for the accounts that are its own.

    Guarantee: an erasure that was begun is completed, after whatever crash: how far it has come stands in the directory.

    Args:
        messages: the message store.
        is_mine: tells which accounts this process erases; each has one.
        end_logins: ends all tokens and connections of a user, or raises.
    """

    def __init__(
        self, config: Config, messages: OpenMessageStore, is_mine: Callable[[str], bool], end_logins: EndLogins
    ) -> None:
        self._config = config
        self._places = Places.of(config)
        self._messages = messages
        self._is_mine = is_mine
        self._end_logins = end_logins
        self._settle_ms = settle_ms(config)
        self._unfinished = 0
        self._messages_erased = 0
        self._complained: set[str] = set()

    def health(self) -> dict[str, object]:
        """Return counters for metrics."""
        return {"erasures_unfinished": self._unfinished, "messages_erased": self._messages_erased}

    async def run(self) -> None:
        """Look for accounts that are to be erased, for ever."""
        directory = await StoreWaits().open(
            "directory", self._places.directory, lambda: open_directory_store(self._places)
        )
        try:
            while True:
                await self._look(directory)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await directory.aclose()

    async def _look(self, directory: OpenDirectoryStore) -> None:
        try:
            mine = await self._find(directory)
            self._unfinished = len(mine)
            logged_in = [one for one in mine if one.phase == ErasurePhase.TOKENS]
            # At once: each takes as long as actors that are away may take to answer.
            await asyncio.gather(*(self._try(one, self._log_out(directory, one)) for one in logged_in))
            settled = [one for one in mine if one.phase != ErasurePhase.TOKENS and self._is_settled(one)]
            if settled:
                await self._erase_all(directory, settled)
        except OpenIMError as error:
            self._complain("", error)
        except Exception:
            log.exception("accounts can't be erased")

    def _is_settled(self, erasure: Erasure) -> bool:
        return erasure.created_ms + self._settle_ms <= wall_ms()

    async def _log_out(self, directory: OpenDirectoryStore, erasure: Erasure) -> None:
        """Do what whoever began it could not; nothing else is done before what was under way then has settled."""
        await self._end_logins(erasure.user_id)
        await directory.change(partial(logins_ended, erasure, wall_ms()))

    async def _find(self, directory: OpenDirectoryStore) -> list[Erasure]:
        mine: list[Erasure] = []
        after = ""
        while True:
            start = after
            found = await directory.view(lambda view: view.unfinished_erasures(start, FOUND_MAX))  # noqa: B023 - awaited here
            mine += [one for one in found if self._is_mine(one.user_id)]
            if len(found) < FOUND_MAX or len(mine) >= FOUND_MAX:
                return mine
            after = found[-1].user_id

    async def _erase_all(self, directory: OpenDirectoryStore, erasures: Sequence[Erasure]) -> None:
        history = await open_history_store(self._places) if self._places.has_history else None
        try:
            for erasure in erasures:
                work = _Work(self._config, _Stores(directory, self._messages, history), self._note)
                await self._try(erasure, work.complete(erasure))
        finally:
            if history is not None:
                await history.aclose()

    async def _try(self, erasure: Erasure, work: Awaitable[None]) -> None:
        """Work on an account; what fails is tried again at the next look, and does not keep others from being erased."""
        try:
            await work
            self._complained.discard(erasure.user_id)
        except OpenIMError as error:
            self._complain(erasure.user_id, error)
        except Exception:
            log.exception("an account can't be erased", user_id=erasure.user_id)

    def _note(self, messages: int) -> None:
        self._messages_erased += messages

    def _complain(self, user_id: str, error: OpenIMError) -> None:
        if user_id not in self._complained and len(self._complained) < FOUND_MAX:
            self._complained.add(user_id)
            log.warning("an erasure waits", user_id=user_id, error=str(error))


class _Stores(NamedTuple):
    directory: OpenDirectoryStore
    messages: OpenMessageStore
    history: OpenHistoryStore | None


class _Work:
    """The erasure of one account, phase by phase."""

    def __init__(self, config: Config, stores: _Stores, noted: Callable[[int], None]) -> None:
        self._settle_ms = settle_ms(config)
        self._stores = stores
        self._noted = noted
        self._erasing = MessageErasing(stores.messages, stores.history)
        self._leaving = build_leaving(
            config, stores.directory, stores.messages, DirectoryChanges(stores.directory, LeftToSweep()), wall_ms
        )
        self._messages = 0

    async def complete(self, erasure: Erasure) -> None:
        log.info("erasing an account", user_id=erasure.user_id, phase=erasure.phase)
        self._messages = erasure.messages
        if erasure.phase == ErasurePhase.MESSAGES:
            await self._finish_account(erasure)
            erasure = await self._erase_messages(erasure)
        if erasure.phase == ErasurePhase.RELATIONS:
            await self._leaving.leave(erasure.user_id)
            erasure = await self._note(replace(erasure, phase=ErasurePhase.FILES))
        if not await self._scrub():
            return  # a reader held it up; it is done at the next look
        await self._note(replace(erasure, phase=ErasurePhase.DONE, finished_ms=wall_ms()))
        log.info("an account is erased", user_id=erasure.user_id, messages=erasure.messages)

    async def _finish_account(self, erasure: Erasure) -> None:
        """Take what calls have brought that were under way when the account was marked, and wait until it has reached the logs."""
        directory = self._stores.directory
        await directory.change(partial(neutralize, erasure.user_id))
        if await directory.view(partial(is_waited_for, erasure, self._settle_ms)):
            raise Unavailable("notifications that hold her words have not reached their logs yet")

    async def _erase_messages(self, erasure: Erasure) -> Erasure:
        """Go through all conversations until nothing more is found."""
        rows = await self._stores.directory.conversations(UserID(erasure.user_id))
        own = frozenset(row.conversation_id for row in rows)
        while True:
            before = erasure.messages
            erasure = await self._erasing.erase(erasure, own, self._note)
            if erasure.messages == before:
                return await self._note(replace(erasure, phase=ErasurePhase.RELATIONS))

    async def _note(self, erasure: Erasure) -> Erasure:
        await self._stores.directory.change(partial(_put, erasure))
        self._noted(erasure.messages - self._messages)
        self._messages = erasure.messages
        return erasure

    async def _scrub(self) -> bool:
        stores = self._stores
        scrubbed = [await stores.directory.scrub(), await stores.messages.scrub()]
        if stores.history is not None:
            scrubbed.append(await stores.history.scrub())
        return all(scrubbed)


def _put(erasure: Erasure, tx: DirectoryTransaction) -> None:
    known = tx.erasure(erasure.user_id)
    if known is None or known.created_ms != erasure.created_ms:
        raise Unavailable("it was begun anew meanwhile")
    tx.put_erasure(erasure)
