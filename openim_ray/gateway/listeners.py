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

from openim_ray.gateway.accepting import Acceptor
from openim_ray.gateway.address_limits import AcceptLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler, Middleware

    from openim_ray.config.settings import GatewaySection, ServerSection

log = structlog.get_logger(__name__)

CERTIFICATE_CHECK_SECONDS = 2.0
SILENCE_CHECK_SECONDS = 1.0


class Listeners:
    """
    WebSocket and HTTP listener of one gateway.

    Limits: each listener has as many connections as `limits` allows, in all and of one address that is no trusted proxy; one more is
    closed at once. The first request of a connection arrives whole within `first_request_seconds`, or the connection is closed.
    A certificate or key that changes on disk is taken up within seconds, for new connections; a pair that does not fit
    is logged, and the one in use kept.
    """

    def __init__(self, server: ServerSection, limits: GatewaySection) -> None:
        self._server = server
        self._limits = limits
        self._first_request_seconds = limits.handshake_seconds
        self._loop = asyncio.get_running_loop()
        self._silent: dict[web.RequestHandler, float] = {}
        self._runners: list[web.AppRunner] = []
        self._acceptors: list[Acceptor] = []
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
            app.middlewares.insert(0, self._noting_arrival())
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
            acceptor = Acceptor(
                self._accept_limits(), self._factory(runner), self._forget, self._context, self._first_request_seconds
            )
            self._acceptors.append(acceptor)
            for host in self._server.hosts:
                await acceptor.listen(host, port)

    async def stop_accepting(self) -> None:
        """Take no new connections; those that stand go on."""
        for acceptor in self._acceptors:
            acceptor.stop()

    async def close(self) -> None:
        """End everything."""
        for acceptor in self._acceptors:
            await acceptor.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for runner in self._runners:
            await runner.cleanup()

    def _accept_limits(self) -> AcceptLimits:
        limits = self._limits
        return AcceptLimits(limits.connections_max, limits.connections_per_address_max, self._server.trusted_proxies)

    # --- connections whose first request does not come

    def _factory(self, runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
        make = runner.server
        assert make is not None

        def protocol() -> asyncio.Protocol:
            handler = make()
            self._silent[handler] = self._loop.time() + self._first_request_seconds
            return handler

        return protocol

    def _noting_arrival(self) -> Middleware:
        @web.middleware
        async def note_arrival(request: web.Request, handler: Handler) -> web.StreamResponse:
            # When it has arrived, not when it is answered: an answer may take longer than that.
            request.content.on_eof(lambda: self._forget(request.protocol))
            return await handler(request)

        return note_arrival

    def _forget(self, handler: asyncio.Protocol) -> None:
        self._silent.pop(handler, None)  # type: ignore[call-overload]

    async def _close_silent(self) -> None:
        """End connections that said nothing whole yet: aiohttp itself would wait for ever."""
        while True:
            await asyncio.sleep(SILENCE_CHECK_SECONDS)
            now = self._loop.time()
            for handler, deadline in list(self._silent.items()):
                if deadline <= now and handler.transport is not None:  # otherwise its TLS handshake is about to fail
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
