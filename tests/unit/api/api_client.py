"""
A client of the HTTP API, over services in memory, through a real socket.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, generate_latest

from openim_ray.api.app import build_api
from openim_ray.config import ApiSection, Config, ServerSection
from tests.unit.services.memory_world import SECRET, MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse
    from aiohttp.web import AppRunner


class ApiServer(TestServer):
    """A server that takes bodies as they come, and goes on with a call whose client is gone, as the real listeners do."""

    async def start_server(self, *args: Any, **options: Any) -> None:
        """Start without unpacking bodies."""
        await super().start_server(*args, **options, auto_decompress=False)

    async def _make_runner(self, **options: Any) -> AppRunner:
        return await super()._make_runner(**{**options, "handler_cancellation": False})


class Answer(NamedTuple):
    """An HTTP answer with its envelope."""

    http: ClientResponse
    envelope: dict[str, Any]

    @property
    def code(self) -> int:
        """Return errCode."""
        code: int = self.envelope["errCode"]
        return code

    @property
    def data(self) -> Any:
        """Return the data of a call that did what it should."""
        assert self.code == 0, self.envelope
        return self.envelope.get("data")


class ApiClient:
    """
    Calls routes with the headers of an SDK.
    """

    def __init__(self, http: TestClient[Any, Any], world: MemoryWorld, registry: CollectorRegistry) -> None:
        self.http = http
        self.world = world
        self._registry = registry
        self.ready: tuple[bool, dict[str, object]] = (True, {"inbox": "ok"})

    async def call(self, path: str, body: Any = None, token: str = "", **options: Any) -> Answer:
        """POST a body as JSON, with an operation id and perhaps a token."""
        headers = {"operationID": "operation", **({"token": token} if token else {}), **options.pop("headers", {})}
        sent = {"json": body or {}} if "data" not in options else {}
        response = await self.http.post(path, headers=headers, **sent, **options)
        assert response.status == 200, await response.text()
        return Answer(response, await response.json())

    async def admin_token(self) -> str:
        """Log the administrator in."""
        token: str = (await self.call("/auth/get_admin_token", {"secret": SECRET, "userID": "imAdmin"})).data["token"]
        return token

    async def user_token(self, user_id: str, platform: int = 5) -> str:
        """Log a user in."""
        body = {"userID": user_id, "platformID": platform}
        token: str = (await self.call("/auth/get_user_token", body, await self.admin_token())).data["token"]
        return token

    def number(self, name: str, **labels: str) -> float:
        """Return a metric."""
        return self._registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def api_client(
    world: MemoryWorld | None = None, api: ApiSection | None = None, server: ServerSection | None = None
) -> AsyncIterator[ApiClient]:
    """
    Serve the API on a free port of loopback for the length of a block.
    """
    world = world or MemoryWorld()
    registry = CollectorRegistry()
    client: ApiClient

    async def ready() -> tuple[bool, dict[str, object]]:
        return client.ready

    async def metrics() -> str:
        return generate_latest(registry).decode()

    config = Config(auth=world.config.auth, api=api or ApiSection(), server=server or ServerSection())
    app = build_api(services=world.services, config=config, registry=registry, ready=ready, metrics=metrics)
    async with TestClient(ApiServer(app)) as http:
        client = ApiClient(http, world, registry)
        yield client
