"""
The two listeners: addresses of either family, TLS with certificates that may be replaced on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from openim_ray.config.settings import ServerSection

log = structlog.get_logger(__name__)

CERTIFICATE_CHECK_SECONDS = 2.0
SILENCE_CHECK_SECONDS = 1.0
BACKLOG = 4096


class Listeners:
    """
    WebSocket and HTTP listener of one gateway.

    Limit: the first request of a connection arrives whole within `first_request_seconds`, or the connection is closed.
    A certificate or key that changes on disk is taken up within seconds, for new connections; a pair that does not fit
    is logged, and the one in use kept.
    """

    def __init__(self, server: ServerSection, first_request_seconds: float) -> None:
        self._server = server
        self._first_request_seconds = first_request_seconds
        self._loop = asyncio.get_running_loop()
        self._silent: dict[web.RequestHandler, float] = {}
        self._runners: list[web.AppRunner] = []
        self._servers: list[asyncio.Server] = []
        self._context: ssl.SSLContext | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, websocket: web.Application, api: web.Application) -> None:
        """Begin to listen."""
        if self._server.tls_certificate:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._load_certificate(self._context)
            self._tasks.append(asyncio.create_task(self._watch(self._context)))
        self._tasks.append(asyncio.create_task(self._close_silent()))
        for app, port in ((websocket, self._server.ws_port), (api, self._server.api_port)):
            app.on_response_prepare.append(self._hear)
            runner = web.AppRunner(
                app,
                handle_signals=False,
                access_log=None,
                keepalive_timeout=75.0,
                shutdown_timeout=1.0,
                auto_decompress=False,  # no client compresses a body, and a damaged one would be logged as a fault
            )
            await runner.setup()
            self._runners.append(runner)
            for host in self._server.hosts:
                factory = self._factory(runner)
                self._servers.append(
                    await self._loop.create_server(
                        factory, host, port, ssl=self._context, reuse_port=True, backlog=BACKLOG
                    )
                )

    async def stop_accepting(self) -> None:
        """Take no new connections; those that stand go on."""
        for server in self._servers:
            server.close()

    async def close(self) -> None:
        """End everything."""
        await self.stop_accepting()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()

    # --- connections whose first request does not come

    def _factory(self, runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
        make = runner.server
        assert make is not None

        def protocol() -> asyncio.Protocol:
            handler = make()
            self._silent[handler] = self._loop.time() + self._first_request_seconds
            return handler

        return protocol

    async def _hear(self, request: web.Request, _response: web.StreamResponse) -> None:
        self._silent.pop(request.protocol, None)

    async def _close_silent(self) -> None:
        """End connections that said nothing whole yet: aiohttp itself would wait for ever."""
        while True:
            await asyncio.sleep(SILENCE_CHECK_SECONDS)
            now = self._loop.time()
            for handler, deadline in list(self._silent.items()):
                if handler.transport is None:
                    del self._silent[handler]
                elif deadline <= now:
                    del self._silent[handler]
                    handler.force_close()

    # --- certificates

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        # With a password: for a locked key OpenSSL would ask at a terminal, and wait.
        context.load_cert_chain(self._server.tls_certificate, self._server.tls_key, password="")

    async def _watch(self, context: ssl.SSLContext) -> None:
        known = self._versions()
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_SECONDS)
            if (versions := self._versions()) == known:
                continue
            known = versions
            try:
                # A context of its own first: loading a wrong pair would spoil the one in use.
                self._load_certificate(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
                self._load_certificate(context)
            except (OSError, ssl.SSLError) as error:
                log.error("new certificate not usable, the old one is kept", error=str(error))
            else:
                log.info("certificate replaced")

    def _versions(self) -> list[tuple[int, int]]:
        found = []
        for name in (self._server.tls_certificate, self._server.tls_key):
            with contextlib.suppress(OSError):
                stat = Path(name).stat()
                found.append((stat.st_mtime_ns, stat.st_size))
        return found
