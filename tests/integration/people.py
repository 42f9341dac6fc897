"""Users of a running server and their connections."""

from __future__ import annotations

import asyncio

from tests.e2e.server import Server
from tests.integration.connection import NATIVE, Account, Connection, Kind, connect


class People:
    """Makes users and connects them; `close` hangs all of them up."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._connections: list[Connection] = []

    async def account(self, name: str, kind: Kind = NATIVE) -> Account:
        """Return a new user with a token for the platform of a kind of client."""
        user_id = await asyncio.to_thread(self.server.add_user, name)
        return await self.login(user_id, kind)

    async def login(self, user_id: str, kind: Kind = NATIVE) -> Account:
        """Return a new token of a user; it ends older ones of the same platform."""
        token = await asyncio.to_thread(self.server.token, user_id, kind.platform)
        return Account(user_id, token, kind.platform)

    async def connect(self, who: str | Account, kind: Kind = NATIVE) -> Connection:
        """Connect a new user of this name, or an account."""
        account = await self.account(who, kind) if isinstance(who, str) else who
        connection = await connect(self.server.ws_port, account, kind)
        self._connections.append(connection)
        return connection

    async def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            await connection.close()
