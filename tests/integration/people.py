"""Users of a running server and their connections."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from openim_ray.protocol.encoding import GOB
from openim_ray.protocol.frames import Request
from openim_ray.protocol.identifiers import RequestIdentifier
from tests.e2e.server import Server
from tests.integration.connection import JS, NATIVE, PYPI, Account, Connection, Kind, connect, target
from tests.integration.websocket import BINARY, WebSocket


class People:
    """Makes users and connects them; `close` hangs all of them up."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._connections: list[Connection] = []
        self._sockets: list[WebSocket] = []

    async def account(self, name: str, kind: Kind = NATIVE) -> Account:
        """Return a new user with a token for the platform of a kind of client."""
        user_id = await asyncio.to_thread(self.server.add_user, name)
        return await self.login(user_id, kind)

    async def login(self, user_id: str, kind: Kind = NATIVE) -> Account:
        """Return a new token of a user; it ends older ones of the same platform."""
        token = await asyncio.to_thread(self.server.token, user_id, kind.platform)
        return Account(user_id, token, kind.platform)

    async def connect(
        self,
        who: str | Account,
        kind: Kind = NATIVE,
        headers: Mapping[str, str] | None = None,
        *,
        silent: bool = False,
    ) -> Connection:
        """
        Connect a new user of this name, or an account.

        Clients of the Go SDK ask 1001 first, without which they may be closed after five seconds; a `silent` one doesn't.
        """
        account = await self.account(who, kind) if isinstance(who, str) else who
        connection = await connect(self.server.ws_port, account, kind, headers)
        self._connections.append(connection)
        if kind not in (JS, PYPI) and not silent:
            await connection.answer(RequestIdentifier.GET_NEWEST_SEQ, b"")
        return connection

    async def socket(self, *, receive_buffer_bytes: int = 0) -> WebSocket:
        """Open a connection and say nothing yet."""
        socket = await WebSocket.connect(self.server.ws_port, receive_buffer_bytes=receive_buffer_bytes)
        self._sockets.append(socket)
        return socket

    async def connect_deaf(self, account: Account, headers: Mapping[str, str] | None = None) -> WebSocket:
        """Connect a client without compression that asks for its sync, and then reads nothing of what comes."""
        socket = await self.socket(receive_buffer_bytes=4096)
        await socket.upgrade(target(account, NATIVE, compression=None), headers)
        socket.pause()
        socket.send(BINARY, GOB.encode_request(Request(1001, "", account.user_id, "operation", "1")))
        return socket

    async def close(self) -> None:
        """Hang up."""
        for socket in self._sockets:
            await socket.close()
        for connection in self._connections:
            await connection.close()
