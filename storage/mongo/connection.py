"""
Connections to MongoDB: how they are made, how long a call may take, what of the driver's errors callers see.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pymongo
from bson import CodecOptions
from bson.errors import BSONError, InvalidDocument
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.errors import DocumentTooLarge, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from openim_ray.domain.errors import ArgsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from pymongo.asynchronous.database import AsyncDatabase

    Database = AsyncDatabase[dict[str, Any]]

T = TypeVar("T")

DEFAULT_DATABASE = "openim"
CALL_SECONDS = 5.0
"""How long a call of a store may take, whatever it consists of; the driver tells the server, which gives up at the same time."""

SELECTION_SECONDS = 3.0
"""How long a call looks for a server that can serve it."""

CONNECT_SECONDS = 2.0
CLOSE_SECONDS = CALL_SECONDS + 1.0
POOL_MAX = 16
"""Connections of one store; beyond it, calls wait for one."""

PENDING_MAX = 1024
"""So many calls wait or run; one more is refused with Unavailable."""

INTEGER_MAX = (1 << 63) - 1


class Connection:
    """
    A client of one database, held by one event loop.

    Writes are acknowledged by a majority and journaled; reads come from the primary and see what a majority has.
    A server that went away is found again by the driver: every call looks for it anew, until its deadline.

    Raises:
        ArgsError: the driver can't make sense of the URL.
    """

    def __init__(self, url: str) -> None:
        self.place = "mongodb"
        with self._driver_errors():
            self._client = _client(url)
        self.database: Database = self._client.get_default_database(DEFAULT_DATABASE).with_options(
            # A damaged text must not keep its neighbours from being read: the envelope's checksum tells it.
            codec_options=CodecOptions(unicode_decode_error_handler="replace"),
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority", j=True),
        )
        self.place = f"mongodb://{urlsplit(url).netloc.rpartition('@')[2]}/{self.database.name}"
        self._closed = False
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """
        Make a call, which may be several requests, within `CALL_SECONDS`.

        Raises:
            Unavailable: it failed or took too long; a write may have happened all the same.
            ArgsError: a value of the caller's can't be stored.
        """
        if self._closed:
            raise Unavailable(f"{self.place} is closed")
        if self._running >= PENDING_MAX:
            raise Unavailable(f"{self.place}: {PENDING_MAX} calls wait already")
        self._running += 1
        self._idle.clear()
        try:
            with self._driver_errors(), pymongo.timeout(CALL_SECONDS):
                return await call()
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def aclose(self) -> None:
        """Let running calls end, then close every connection; harmless if repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            pass  # what still runs fails now: the client is closed under it
        await self._client.close()

    @contextmanager
    def _driver_errors(self) -> Iterator[None]:
        try:
            yield
        except (UnicodeEncodeError, OverflowError, InvalidDocument, DocumentTooLarge) as error:
            raise ArgsError("a value that can't be stored") from error
        except (PyMongoError, BSONError, OSError) as error:  # a TimeoutError is an OSError
            raise Unavailable(f"{self.place}: {_name(error)}") from error


async def together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """
    Run calls at the same time and return their results; if one fails, the others are cancelled and its error is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _client(url: str) -> AsyncMongoClient[dict[str, Any]]:
    # What stands here outranks the same option in the URL.
    try:
        return AsyncMongoClient(
            url,
            appname="openim-ray",
            connectTimeoutMS=int(CONNECT_SECONDS * 1000),
            serverSelectionTimeoutMS=int(SELECTION_SECONDS * 1000),
            socketTimeoutMS=int(CALL_SECONDS * 1000),
            waitQueueTimeoutMS=int(CALL_SECONDS * 1000),
            maxPoolSize=POOL_MAX,
        )
    except (PyMongoError, ValueError, TypeError) as error:
        # Without the cause: the driver quotes what it can't read, a password perhaps.
        raise ArgsError(f"the URL of a MongoDB can't be used: {type(error).__name__}") from None


def _name(error: Exception) -> str:
    if isinstance(error, OperationFailure):
        details = error.details or {}
        return str(details.get("codeName") or f"{type(error).__name__} {error.code or ''}".strip())
    return type(error).__name__
