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
    from openim_ray.config import ServerSection

log = structlog.get_logger(__name__)

CERTIFICATE_CHECK_SECONDS = 2.0


class Listeners:
    """
    WebSocket and HTTP listener of one gateway.

    A certificate or key that changes on disk is taken up within seconds, for new connections; a pair that does not fit is logged, and the
    one in use kept.
    """

    def __init__(self, server: ServerSection) -> None:
        self._server = server
        self._runners: list[web.AppRunner] = []
        self._context: ssl.SSLContext | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, websocket: web.Application, api: web.Application) -> None:
        """Begin to listen."""
        if self._server.tls_certificate:
            self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._load_certificate()
            self._watcher = asyncio.create_task(self._watch())
        for app, port in ((websocket, self._server.ws_port), (api, self._server.api_port)):
            runner = web.AppRunner(
                app, handle_signals=False, access_log=None, keepalive_timeout=75.0, auto_decompress=False
            )
            await runner.setup()
            self._runners.append(runner)
            for host in self._server.hosts:
                site = web.TCPSite(
                    runner, host, port, ssl_context=self._context, reuse_port=True, backlog=4096, shutdown_timeout=1.0
                )
                await site.start()

    async def stop_accepting(self) -> None:
        """Take no new connections; those that stand go on."""
        for runner in self._runners:
            for site in list(runner.sites):
                await site.stop()

    async def close(self) -> None:
        """End everything."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for runner in self._runners:
            await runner.cleanup()

    def _load_certificate(self) -> None:
        assert self._context is not None
        self._context.load_cert_chain(self._server.tls_certificate, self._server.tls_key)

    async def _watch(self) -> None:
        known = self._versions()
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_SECONDS)
            if (versions := self._versions()) == known:
                continue
            try:
                # A context of its own first: loading a wrong pair would spoil the one in use.
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                    self._server.tls_certificate, self._server.tls_key
                )
                self._load_certificate()
            except (OSError, ssl.SSLError) as error:
                log.error("new certificate not usable, the old one is kept", error=str(error))
            else:
                log.info("certificate replaced")
            known = versions

    def _versions(self) -> list[tuple[int, int]]:
        found = []
        for name in (self._server.tls_certificate, self._server.tls_key):
            with contextlib.suppress(OSError):
                stat = Path(name).stat()
                found.append((stat.st_mtime_ns, stat.st_size))
        return found
