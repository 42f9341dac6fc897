"""A server that moves to database servers under its clients: they notice a pause."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.e2e.browser import BrowserSlot
from tests.e2e.clients import Clients
from tests.e2e.program import refusal, run
from tests.e2e.server import Server
from tests.servers.databases import database_servers

PAGE = 20


async def test_clients_go_on_after_a_migration(browser_slot: BrowserSlot, tmp_path: Path) -> None:
    """Tokens, unread counts and histories are as before, and messages go on with the next seq; the files are not served any more unasked."""
    server = Server(tmp_path / "server")
    await asyncio.to_thread(server.start)
    clients = Clients(server, browser_slot, tmp_path)
    alice = await clients.native(clients.user("alice"))
    bob = await clients.native(clients.user("bob"))
    await alice.send_text(bob.user_id, "before")
    await bob.received("before")
    await bob.mark_read(alice.user_id)
    await bob.close()
    await alice.send_text(bob.user_id, "while away")
    await clients.close()
    await asyncio.to_thread(server.stop)

    with database_servers(tmp_path, migrated=False) as databases:
        moved = Server(tmp_path / "server", environment=databases.environment)
        said = await asyncio.to_thread(run, moved, "migrate")
        assert said.status == 0, said
        assert re.search(r"copied 3 of 3 messages in \d+\.\d s \(\d+ a second\), and compared all in", said.out)
        assert "tester:***@" in said.out
        assert "was migrated to mongodb://" in refusal(
            await asyncio.to_thread(run, server, "up", "--ws-port", "0", "--api-port", "0")
        )
        await asyncio.to_thread(moved.start)
        again = Clients(moved, browser_slot, tmp_path)
        bob = await again.native(bob.user_id, account=bob.account, storage=bob.device)
        await bob.shows_unread(alice.user_id, 1)
        alice = await again.native(alice.user_id, account=alice.account, storage=alice.device)
        await alice.send_text(bob.user_id, "after")
        await bob.received("after")
        pages = await bob.whole_history(alice.user_id, PAGE)
        assert [(one.text, one.seq) for page in pages for one in page] == [
            ("before", 1),
            ("while away", 2),
            ("after", 3),
        ]
        await again.close()
        again.check()
        await asyncio.to_thread(moved.stop)
