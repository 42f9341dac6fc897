"""
The statements that calls of the API put to the stores, counted: the API in this process, over the stores of a server that runs beside it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, event

from openim_ray.api.app import build_api
from openim_ray.config import Config
from openim_ray.config.values import Secret
from openim_ray.services.assembly import build_services
from openim_ray.storage.open import open_directory_store, open_message_reader, open_state_reader
from openim_ray.storage.sqlite import connection as sqlite_connection
from tests.e2e.server import Server

PERSISTENCE = ("persistence-0",)
STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
"""How what counts begins; beginnings and ends of transactions don't."""


class Statements:
    """How many statements there were so far."""

    def __init__(self) -> None:
        self.count = 0

    def note(self, sql: str) -> None:
        """Count a statement."""
        self.count += sql.lstrip().upper().startswith(STATEMENTS)


@asynccontextmanager
async def counted_api(server: Server) -> AsyncIterator[tuple[str, Statements]]:
    """Lend the address of an API that only reads, and what is counted behind it. Inboxes can't be asked there."""
    statements = Statements()
    async with AsyncExitStack() as stack:
        stack.enter_context(_counting(statements))
        places = server.places
        directory = await open_directory_store(places)
        stack.push_async_callback(directory.aclose)
        states = await open_state_reader(places, PERSISTENCE)
        stack.push_async_callback(states.aclose)
        messages = await open_message_reader(places)
        stack.push_async_callback(messages.aclose)
        auth = msgspec.structs.replace(Config().auth, admin_secret=Secret(server.admin_secret))
        config = msgspec.structs.replace(Config(), auth=auth)
        no_actors: Any = None
        services = build_services(
            config=config, directory=directory, tokens=states, messages=messages, broker=no_actors, now_ms=_wall_ms
        )
        api = build_api(services=services, config=config, registry=CollectorRegistry(), ready=_ready, metrics=_metrics)
        runner = web.AppRunner(api, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", statements


@contextmanager
def _counting(statements: Statements) -> Iterator[None]:
    connect = sqlite_connection._connect

    def connect_and_count(path: Path, mode: str, cache_kib: int) -> Any:
        opened = connect(path, mode, cache_kib)
        opened.set_trace_callback(statements.note)
        return opened

    def on_execute(connection: Any, _cursor: object, sql: str, *_: object) -> None:
        if connection.dialect.name != "sqlite":  # whose statements don't all come by here
            statements.note(sql)

    sqlite_connection._connect = connect_and_count
    event.listen(Engine, "before_cursor_execute", on_execute)
    try:
        yield
    finally:
        sqlite_connection._connect = connect
        event.remove(Engine, "before_cursor_execute", on_execute)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def _ready() -> tuple[bool, dict[str, object]]:
    return True, {}


async def _metrics() -> str:
    return ""
