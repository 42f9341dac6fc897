"""A backup put back under clients that have seen more than it holds: they lose nothing of what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from openim_ray.restore import SKIP
from tests.e2e.browser import BrowserSlot
from tests.e2e.client import Client
from tests.e2e.clients import Clients
from tests.e2e.program import refusal, run
from tests.e2e.server import Server

KINDS = ["wasm", "js-modern", "native", "pypi"]
STORING = {"wasm", "native"}
"""These keep messages over a new login, and go on counting where they stood in a chat that the server doesn't know any more."""

PAGE = 20


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose data are put back."""
    server = Server(tmp_path / "server")
    await asyncio.to_thread(server.start)
    yield server
    if server.running:
        await asyncio.to_thread(server.stop)


@pytest_asyncio.fixture(loop_scope="session")
async def own_clients(own_server: Server, browser_slot: BrowserSlot, tmp_path: Path) -> AsyncIterator[Clients]:
    """Devices at it."""
    clients = Clients(own_server, browser_slot, tmp_path)
    yield clients
    await clients.close()
    clients.check()


async def _send(sender: Client, peer: str, *texts: str) -> None:
    for text in texts:
        await sender.send_text(peer, text)


async def _counts(device: Client, peer: str, unread: int) -> None:
    """The PyPI client counts nothing."""
    if device.account.platform != _PYPI_PLATFORM:
        await device.shows_unread(peer, unread)


_PYPI_PLATFORM = 7


async def test_clients_that_saw_more_get_every_new_message(
    own_server: Server, own_clients: Clients, tmp_path: Path
) -> None:
    """
    Devices of every kind hold messages that were sent after the backup, in chats that it knows and in one that it doesn't.

    After it was put back they get each new message once, count one more for each, and page back to what the backup holds.
    """
    server, clients, backup = own_server, own_clients, tmp_path / "backup"
    alice, newcomer = await clients.native(clients.user("alice")), await clients.native(clients.user("newcomer"))
    devices = {kind: await clients.open(kind, clients.user(f"bob-{kind}")) for kind in KINDS}
    for bob in devices.values():
        await _send(alice, bob.user_id, "saved 1", "saved 2")
        await bob.received("saved 2")
    said = await asyncio.to_thread(run, server, "backup", str(backup))
    assert said.status == 0, said
    assert said.out.startswith(
        f"saved {len(KINDS)} conversations, {2 * len(KINDS)} messages, {len(KINDS) + 3} users as of "
    )
    for bob in devices.values():
        await _send(alice, bob.user_id, "lost 1", "lost 2", "lost 3")
        await _send(newcomer, bob.user_id, "lost, too")
        await bob.received("lost 3")
        await bob.received("lost, too")

    assert "in use by another server" in refusal(
        await asyncio.to_thread(run, server, "restore", str(backup), "--replace")
    )
    await asyncio.to_thread(server.stop)
    for path in server.data_dir.glob("*.db*"):  # how far it had got, nobody can tell any more
        path.unlink()
    said = await asyncio.to_thread(run, server, "restore", str(backup))
    assert said.status == 0, said
    assert said.out.splitlines()[-1].startswith(f"conversations go on {SKIP} seqs later")
    await asyncio.to_thread(server.start)
    alice, newcomer = await clients.log_in_anew(alice), await clients.log_in_anew(newcomer)
    for kind, closed in devices.items():
        bob = await clients.log_in_anew(closed)
        await _counts(bob, alice.user_id, 0)
        await _send(alice, bob.user_id, "new 1", "new 2")
        await _send(newcomer, bob.user_id, "new, too")
        await bob.received("new 2")
        await bob.received("new, too")
        assert bob.received_texts(alice.user_id) == ["new 1", "new 2"]
        assert bob.received_texts(newcomer.user_id) == ["new, too"]
        await _counts(bob, alice.user_id, 2)
        await _counts(bob, newcomer.user_id, 2 if kind in STORING else 1)
        if kind in ("wasm", "js-modern"):
            (page,) = await bob.whole_history(alice.user_id, PAGE)
            lost = ["lost 1", "lost 2", "lost 3"] if kind in STORING else []
            assert [message.text for message in page] == ["saved 1", "saved 2", *lost, "new 1", "new 2"]
            assert [message.seq for message in page][-2:] == [2 + SKIP + 1, 2 + SKIP + 2]
    assert (await asyncio.to_thread(run, server, "check")).status == 0
