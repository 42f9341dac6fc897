"""What a browser or a monitor asks by GET."""

from __future__ import annotations

import pytest

from openim_ray.config import ServerSection
from tests.unit.api.api_client import api_client


async def test_the_chat_page_comes_with_its_policy() -> None:
    """The page and its files, allowed to open this server's WebSocket and nothing else."""
    async with api_client(server=ServerSection(ws_port=4711)) as api:
        page = await api.http.get("/", headers={"Host": "chat.example:10002"})
        assert page.status == 200
        assert page.content_type == "text/html"
        assert "connect-src 'self' ws://chat.example:4711;" in page.headers["Content-Security-Policy"]
        script = await api.http.get("/chat/main.js")
        assert (script.status, script.content_type) == (200, "text/javascript")
        assert (await api.http.get("/chat/../secret")).status == 404


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (ServerSection(ws_port=4711), "ws://chat.example:4711"),
        (ServerSection(public_ws_url="wss://im.example/im/ws"), "wss://im.example/im/ws"),
        (ServerSection(ws_port=4711, tls_certificate="c.pem", tls_key="k.pem"), "wss://chat.example:4711"),
    ],
)
async def test_the_page_learns_where_the_websocket_is(server: ServerSection, url: str) -> None:
    """The public address if one is configured, else this host's port; never from a cache."""
    async with api_client(server=server) as api:
        answer = await api.http.get("/endpoints.json", headers={"Host": "chat.example"})
        assert await answer.json() == {"ws": url}
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_host_that_is_none_is_refused() -> None:
    """What stands in a policy must be an address."""
    async with api_client() as api:
        answer = await api.http.get("/", headers={"Host": "x;script-src *"})
        assert answer.status == 400


async def test_health_is_the_process_and_readiness_the_whole() -> None:
    """/healthz answers whenever the process does; /readyz is 503 with the reason until a client can be answered."""
    async with api_client() as api:
        assert (await api.http.get("/healthz")).status == 200
        answer = await api.http.get("/readyz")
        assert (answer.status, await answer.json()) == (200, {"ready": True, "inbox": "ok"})
        api.ready = (False, {"inbox": "no answer in 2 s"})
        answer = await api.http.get("/readyz")
        assert (answer.status, await answer.json()) == (503, {"ready": False, "inbox": "no answer in 2 s"})
        assert (await api.http.get("/healthz")).status == 200


async def test_numbers_are_prometheus_text() -> None:
    """/metrics gives what the server counts, the API's own counters among it."""
    async with api_client() as api:
        await api.http.post("/no/such/route")
        answer = await api.http.get("/metrics")
        assert answer.content_type == "text/plain"
        assert "openim_api_unknown_paths_total 1.0" in await answer.text()
