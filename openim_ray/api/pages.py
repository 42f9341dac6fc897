"""
What a browser or a monitor asks by GET: the chat page, its endpoints, health and metrics.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from openim_ray.config import ServerSection
from openim_ray.web import Asset, chat_page, endpoints_document, page_headers, websocket_url

Readiness = Callable[[], Awaitable[tuple[bool, dict[str, object]]]]
Metrics = Callable[[], Awaitable[str]]

_PROMETHEUS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NOT_STORED: Final = {"Cache-Control": "no-store"}


class Pages:
    """
    Handlers of everything beside the API.

    Args:
        server: tells where the WebSocket is.
        ready: tells whether a client can log in and be answered now, and why not.
        metrics: returns the numbers of the whole server in Prometheus' text format.
    """

    def __init__(self, server: ServerSection, ready: Readiness, metrics: Metrics) -> None:
        self._server = server
        self._ready = ready
        self._metrics = metrics
        self._assets = chat_page()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the paths to an application."""
        for path in self._assets:
            router.add_get(path, self._asset)
        router.add_get("/endpoints.json", self._endpoints)
        router.add_get("/healthz", self._healthz)
        router.add_get("/readyz", self._readyz)
        router.add_get("/metrics", self._numbers)

    async def _asset(self, request: web.Request) -> web.Response:
        asset: Asset = self._assets[request.path]
        headers = dict(page_headers([self._websocket_url(request)]))
        headers["Content-Type"] = asset.content_type
        return web.Response(body=asset.content, headers=headers)

    async def _endpoints(self, request: web.Request) -> web.Response:
        document = endpoints_document(self._websocket_url(request))
        return web.Response(body=document, headers=_NOT_STORED, content_type="application/json")

    async def _healthz(self, _request: web.Request) -> web.Response:
        """Say that this process answers."""
        return web.Response(text="ok\n", headers=_NOT_STORED)

    async def _readyz(self, _request: web.Request) -> web.Response:
        """Say whether a client can log in and be answered, with the parts that were asked."""
        ready, detail = await self._ready()
        body = msgspec.json.encode({"ready": ready, **detail})
        status = 200 if ready else 503
        return web.Response(body=body, status=status, headers=_NOT_STORED, content_type="application/json")

    async def _numbers(self, _request: web.Request) -> web.Response:
        text = await self._metrics()
        return web.Response(body=text.encode(), headers={"Content-Type": _PROMETHEUS_TYPE, **_NOT_STORED})

    def _websocket_url(self, request: web.Request) -> str:
        if self._server.public_ws_url:
            return self._server.public_ws_url
        try:
            secure = bool(self._server.tls_certificate)
            return websocket_url(request.headers.get("Host", ""), self._server.ws_port, secure=secure)
        except ValueError:
            raise web.HTTPBadRequest(text="the Host header names no host\n") from None
