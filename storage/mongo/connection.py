"""
Connections to MongoDB: how they are made, how long a call may take, what of the driver's errors callers see.
"""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pymongo
from bson import CodecOptions
from bson.errors import BSONError, InvalidDocument
from pymongo import AsyncMongoClient, ReadPreference
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from openim_ray.config.values import hide_password
from openim_ray.domain.errors import ArgsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pymongo.asynchronous.database import AsyncDatabase

    Database = AsyncDatabase[dict[str, Any]]

T = TypeVar("T")

DEFAULT_DATABASE = "openim"
CALL_SECONDS = 5.0
"""How long a call of a store may take, whatever it consists of; the driver tells the server, which gives up at the same time."""

CONNECT_SECONDS = 2.0
GRACE_SECONDS = 1.0
"""When the driver has not kept to that (a name that isn't resolved, say), its call is cut off."""

CLOSE_SECONDS = 2.0
"""How long the driver may take leave of the server, which may hang."""

POOL_MAX = 16
"""Connections of one store; beyond it, calls wait for one."""

PENDING_MAX = 1024
"""So many calls wait or run; one more is refused with Unavailable."""

NO_SPACE = "No space left on device"

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
        self.place = _place(url)
        self._closed = False
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Make a call, which may be several requests, within `CALL_SECONDS`.

        It runs in a task of its own and to its end, even if the caller is cancelled: the driver doesn't survive that everywhere.

        Raises:
            Unavailable: it failed or took too long; a write may have happened all the same.
            ArgsError: a value of the caller's can't be stored.
        """
        if self._closed:
            raise Unavailable(f"{self.place} is closed")
        if len(self._running) >= PENDING_MAX:
            raise Unavailable(f"{self.place}: {PENDING_MAX} calls wait already")
        task = asyncio.get_running_loop().create_task(self._call(call), context=contextvars.Context())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _call(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with self._driver_errors(), pymongo.timeout(CALL_SECONDS):
            async with asyncio.timeout(CALL_SECONDS + GRACE_SECONDS):
                return await call()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, also where its caller has gone

    async def aclose(self) -> None:
        """Let running calls end, then close every connection; harmless if repeated."""
        if self._closed:
            return
        self._closed = True
        if self._running:  # each ends by its deadline
            await asyncio.wait(self._running)
        with suppress(TimeoutError, PyMongoError, RuntimeError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.close()

    @contextmanager
    def _driver_errors(self) -> Iterator[None]:
        try:
            yield
        except (UnicodeEncodeError, OverflowError, InvalidDocument, DocumentTooLarge) as error:
            raise ArgsError("a value that can't be stored") from error
        except (PyMongoError, BSONError, OSError, RuntimeError) as error:
            # A TimeoutError is an OSError; a RuntimeError is what the driver's locks raise when a call is cut off.
            raise Unavailable(f"{self.place}: {_name(error)}") from error


async def together(*calls: Coroutine[Any, Any, Any]) -> list[Any]:
    """
    Run calls at the same time and return their results; the error of the first that failed is raised when all have ended.

    None is cancelled because another failed: all have the same deadline, and the driver doesn't take it well.
    """
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _client(url: str) -> AsyncMongoClient[dict[str, Any]]:
    # What stands here outranks the same option in the URL.
    try:
        return AsyncMongoClient(
            url,
            appname="openim-ray",
            connectTimeoutMS=int(CONNECT_SECONDS * 1000),
            serverSelectionTimeoutMS=int(CALL_SECONDS * 1000),
            socketTimeoutMS=int(CALL_SECONDS * 1000),
            waitQueueTimeoutMS=int(CALL_SECONDS * 1000),
            maxPoolSize=POOL_MAX,
        )
    except (PyMongoError, ValueError, TypeError) as error:
        # Without the cause: the driver quotes what it can't read, a password perhaps.
        raise ArgsError(f"the URL of a MongoDB can't be used: {type(error).__name__}") from None


def _place(url: str) -> str:
    """Return hosts and database; nothing else of a URL appears in errors."""
    parts = urlsplit(hide_password(url))
    return f"mongodb://{parts.netloc.rpartition('@')[2]}/{parts.path.strip('/') or DEFAULT_DATABASE}"


def _name(error: Exception) -> str:
    if isinstance(error, BulkWriteError):
        return _name_of_bulk(error)
    if isinstance(error, OperationFailure):
        details = error.details or {}
        return str(details.get("codeName") or f"{type(error).__name__} {error.code or ''}".strip())
    if isinstance(error, ServerSelectionTimeoutError):
        return "no server answers that takes writes"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return type(error).__name__


def _name_of_bulk(error: BulkWriteError) -> str:
    """Name the first fault of several; what the server says of it may quote content, but for a full disk."""
    details = error.details or {}
    fault: dict[str, Any] = next(iter([*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]), {})
    if NO_SPACE in str(fault.get("errmsg", "")):
        return NO_SPACE
    return str(fault.get("codeName") or f"write error {fault.get('code', '')}".strip())
