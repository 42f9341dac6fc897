"""
A connection to Redis: how it is made, how long a call may take, what of the driver's errors callers see.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from openim_ray.config.values import hide_password
from openim_ray.domain.errors import ArgsError, Unavailable, UnsuitableStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

CALL_SECONDS = 0.25
"""
How long a call may take, waiting for its turn included: half of it at most, so that a queue is not taken for a server that hangs.
The relational copy would have answered long before.
"""

WAITING_MAX = 200
"""Calls that wait for their turn; further ones fail at once."""

CONNECT_SECONDS = 1.0
REST_SECONDS = 1.0
"""After a failure nobody tries again for so long: calls fail at once instead of waiting for a server that hangs."""

VERIFY_SECONDS = 1.0

SERVER_MIN = (6, 2)
"""The oldest Redis that this server was made for."""

_IDENTITY = ("run_id", "master_replid")
"""What tells data from other data: one changes with every start, the other when a replica becomes a primary or takes over another's data."""

_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)


Name = str | bytes
"""Of something in Redis."""


class Reply(NamedTuple):
    """
    What a script returned (bytes, an int, None, or a list of those), and which data it saw: see `RedisConnection.server`.
    """

    server: str
    value: Any


class Refused(Unavailable):
    """
    The server answered that it does not do it. Of a script nothing was done from the command on that it does not do.
    """


class RedisConnection:
    """
    One connection, made when it is first needed and made anew after any fault; one call at a time.

    Every reply says from which data it came. That name changes when the server restarts, when another one takes its place, and
    (once `verify` was asked) when it took over another's data.

    Args:
        url: redis://, rediss:// or unix://.
        scripts: Lua scripts by name, for `run`.

    Raises:
        ArgsError: the URL can't be used.
    """

    def __init__(self, url: str, scripts: Mapping[str, str]) -> None:
        self._url = url
        self._scripts = scripts
        self._digests = {name: _digest(text) for name, text in scripts.items()}
        self._client: Redis | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._rests_until = 0.0
        self._closed = False
        self.place = _place(url)
        self._server = ""
        self._verified = 0.0
        _require_usable(url)

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection, which means that the last call was answered."""
        return self._server != ""

    async def run(
        self, script: str, keys: Sequence[Name], *arguments: str | int, seconds: float = CALL_SECONDS
    ) -> Reply:
        """Run a script and return what it says; Unavailable if that fails or takes longer than `seconds`: it may have run all the same."""

        async def evaluate(client: Redis) -> Any:
            try:
                return await client.evalsha(self._digests[script], len(keys), *keys, *arguments)
            except NoScriptError:  # a new server, or somebody made it forget: nothing was done
                return await client.eval(self._scripts[script], len(keys), *keys, *arguments)

        return await self._call(evaluate, seconds)

    async def verify(self) -> None:
        """Look, once in `VERIFY_SECONDS` at most, whether the data is still the same; if not, the next call connects anew."""
        if time.monotonic() < self._verified + VERIFY_SECONDS:
            return
        self._verified = time.monotonic()
        server, name = await self._call(_name, CALL_SECONDS)
        if name != server:
            async with self._turn:
                await self._drop()

    async def aclose(self) -> None:
        """Let the running call end, then close; harmless if repeated."""
        self._closed = True
        async with self._turn:
            await self._drop()

    async def _call(self, command: Callable[[Redis], Awaitable[Any]], seconds: float) -> Reply:
        deadline = asyncio.get_running_loop().time() + seconds
        await self._take_turn(seconds / 2)
        try:
            async with asyncio.timeout_at(deadline):
                return await self._in_turn(command)
        except TimeoutError as error:
            raise Unavailable(f"{self.place}: no answer in time") from error
        finally:
            self._turn.release()

    async def _take_turn(self, seconds: float) -> None:
        if self._waiting >= WAITING_MAX:
            raise Unavailable(f"{self.place}: too many calls wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Unavailable(f"{self.place}: too many calls wait") from error
        finally:
            self._waiting -= 1

    async def _in_turn(self, command: Callable[[Redis], Awaitable[Any]]) -> Reply:
        if self._closed:
            raise Unavailable(f"{self.place} is closed")
        if self._client is None and time.monotonic() < self._rests_until:
            raise Unavailable(f"{self.place} did not answer a moment ago")
        try:
            client = self._client or await self._connect()
            return Reply(self._server, await command(client))
        except ResponseError as error:
            await self._failed()
            raise Refused(f"{self.place} refuses: {type(error).__name__}") from error
        except (RedisError, OSError) as error:
            await self._failed()
            raise Unavailable(f"{self.place}: {type(error).__name__}") from error
        except asyncio.CancelledError:
            # The reply is still to come: nobody may take it for another's.
            await self._failed()
            raise
        except Exception as error:
            # The driver stumbles over something that is no Redis as it knows it. Whoever asks has another place to look.
            await self._failed()
            raise Unavailable(f"{self.place}: {type(error).__name__}") from error

    async def _connect(self) -> Redis:
        self._client = client = _client(self._url)
        self._server = await _name(client)
        return client

    async def _failed(self) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        await self._drop()

    async def _drop(self) -> None:
        client, self._client, self._server = self._client, None, ""
        if client is not None:
            await client.aclose(close_connection_pool=True)


async def check_server(url: str) -> None:
    """
    Raise UnsuitableStore if a Redis that answers can't be used; one that doesn't answer may come later. ArgsError: the URL can't be used.
    """
    _require_usable(url)
    client = _client(url)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _check(await client.info())
    except _REFUSED as error:
        raise UnsuitableStore(f"{_place(url)} does not let us in ({type(error).__name__})") from None
    except ResponseError as error:
        raise UnsuitableStore(f"{_place(url)} refuses INFO ({type(error).__name__})") from None
    except (RedisError, OSError, TimeoutError):
        return
    finally:
        await client.aclose(close_connection_pool=True)


def _check(server: Mapping[str, Any]) -> None:
    version = str(server.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < SERVER_MIN:
        raise UnsuitableStore(f"Redis {version} is too old: {'.'.join(map(str, SERVER_MIN))} or newer is needed")
    if server.get("redis_mode") == "cluster":
        raise UnsuitableStore("a Redis Cluster can't be used; name a single Redis, with replicas if you like")

    if missing := [name for name in _IDENTITY if not server.get(name)]:
        raise UnsuitableStore(f"this Redis does not tell its {' and '.join(missing)}")


def _require_usable(url: str) -> None:
    try:
        _pool(url).make_connection()  # type: ignore[no-untyped-call]  # connects nowhere, and stumbles over options that there are not
    except (ValueError, TypeError, RedisError):
        raise ArgsError("the URL of a Redis can't be used") from None  # the driver quotes it, a password perhaps


def _client(url: str) -> Redis:
    return Redis(connection_pool=_pool(url), single_connection_client=True)


def _pool(url: str) -> ConnectionPool:
    # Ours are stronger than the URL's: a decoded reply, a timeout or a repetition of the driver's own is not reckoned with here.
    options: dict[str, Any] = {
        **parse_url(url),
        "protocol": 2,
        "decode_responses": False,
        "client_name": "openim-ray",
        "health_check_interval": 0,
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": None,  # calls have deadlines here; the driver's would swallow a cancellation now and then (Python 3.11's wait_for)
        "retry": Retry(NoBackoff(), 0),  # whoever calls knows what a failure means here
    }
    return ConnectionPool(**options)


async def _name(client: Redis) -> str:
    server = await client.info()  # all of it: one exchange, and old servers give one section or all
    return ".".join(server[name] for name in _IDENTITY)


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # as Redis names scripts


def _place(url: str) -> str:
    """Return host and database; nothing else of a URL appears in errors."""
    parts = urlsplit(hide_password(url))
    return f"redis://{parts.netloc.rpartition('@')[2]}{parts.path}"
