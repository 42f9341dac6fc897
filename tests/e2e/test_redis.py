"""A server with hot copies in Redis: whatever becomes of that, nobody is logged out, no kicked token lives again, and what was read stays read."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.browser import BrowserSlot
from tests.e2e.clients import Clients
from tests.e2e.program import run
from tests.e2e.server import ApiError, Server
from tests.servers.redis import RedisServer, redis_server
from tests.servers.server_process import CannotRun

WAIT_SECONDS = 30.0
KICKED = 1506


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for this server alone, so small that it evicts."""
    try:
        with redis_server(tmp_path_factory.mktemp("redis"), maxmemory="2mb", maxmemory_policy="allkeys-lru") as server:
            yield server
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def served(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of ours that is to use it, and starts without it."""
    redis.process.kill()
    server = Server(tmp_path_factory.mktemp("served"), environment={"OPENIM_STORAGE_TOKENS_URL": redis.url})
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def clients(
    redis: RedisServer, served: Server, browser_slot: BrowserSlot, tmp_path: Path
) -> AsyncIterator[Clients]:
    """Users and devices of that server, which has its Redis."""
    make_well(redis)
    clients = Clients(served, browser_slot, tmp_path)
    yield clients
    await clients.close()
    clients.check()


def metric(server: Server, name: str) -> float:
    """Return the sum of a figure over all actors."""
    with urllib.request.urlopen(f"{server.api_url}/metrics", timeout=WAIT_SECONDS) as page:
        lines = page.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"openim_{name}{{"))


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that servers bring about and that gives no event."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in {WAIT_SECONDS:g} s: {what}"
        time.sleep(0.1)


def is_kicked(server: Server, user: str, token: str) -> bool:
    """Tell whether a token is refused as kicked; any other refusal raises."""
    try:
        server.call("/user/get_users_info", {"userIDs": [user]}, token=token)
    except ApiError as error:
        if error.code != KICKED:
            raise
        return True
    return False


def killed(redis: RedisServer) -> None:
    """It is gone."""
    redis.process.kill()


def hanging(redis: RedisServer) -> None:
    """It answers nobody."""
    redis.process.pause()


def emptied_and_filled(redis: RedisServer) -> None:
    """It lost everything, and evicts what comes."""
    with redis.client() as client:
        client.flushall()
        for number in range(300):
            client.set(f"x{number}", b"x" * 10_000)


def put_back(redis: RedisServer) -> None:
    """It restarts with what it had a moment ago."""
    with redis.client() as client:
        client.save()
    redis.process.kill()
    redis.start()


def make_well(redis: RedisServer) -> None:
    """Let it work again."""
    redis.process.resume()
    if not redis.process.running:
        redis.start()


def test_a_server_starts_without_its_redis(redis: RedisServer, served: Server) -> None:
    """Nobody waits for it, and it is used when it comes."""
    assert not redis.process.running
    user = served.add_user("carol")
    token = served.token(user, 5)
    assert not is_kicked(served, user, token)

    redis.start()
    until(lambda: metric(served, "hot_copy_lease_held") == 1, "copies in use")
    hits = metric(served, "hot_copy_hits")
    until(lambda: not is_kicked(served, user, token) and metric(served, "hot_copy_hits") > hits, "a copy that is used")


@pytest.mark.parametrize("fault", [killed, hanging, emptied_and_filled, put_back])
async def test_nobody_notices_what_becomes_of_redis(
    clients: Clients, served: Server, redis: RedisServer, fault: Callable[[RedisServer], None]
) -> None:
    """Before, while and after it fails: tokens count or are refused as they should, and unread counts are right on a new device."""
    await asyncio.to_thread(until, lambda: metric(served, "hot_copy_lease_held") == 1, "copies in use")
    alice, bob = await clients.native(clients.user("alice")), await clients.native(clients.user("bob"))
    stays, goes = alice.account, bob.account
    hits = metric(served, "hot_copy_hits")
    for account in (stays, goes, stays, goes):
        assert not is_kicked(served, account.user_id, account.token)
    assert metric(served, "hot_copy_hits") > hits, "no copy was used: the test shows nothing"
    await alice.send_text(bob.user_id, "one")
    await bob.received("one")
    await bob.mark_read(alice.user_id)

    fault(redis)
    newer = await clients.native(bob.user_id)  # kicks the older login
    await bob.events.wait_for("OnKickedOffline", seconds=WAIT_SECONDS)
    assert is_kicked(served, goes.user_id, goes.token)
    assert not is_kicked(served, stays.user_id, stays.token)
    await alice.send_text(bob.user_id, "two")
    await newer.received("two", seconds=WAIT_SECONDS)
    await newer.shows_unread(alice.user_id, 1)
    await newer.mark_read(alice.user_id)
    again = await clients.reopen(alice)  # the same token
    assert run(served, "status").status == 0

    make_well(redis)
    await asyncio.to_thread(until, lambda: metric(served, "hot_copy_lease_held") == 1, "copies in use again")
    for _ in range(3):
        assert is_kicked(served, goes.user_id, goes.token)
        assert not is_kicked(served, stays.user_id, stays.token)
    device = await clients.js(bob.user_id)
    assert await device.unread(alice.user_id) == 0
    await again.send_text(bob.user_id, "three")
    await device.received("three")
    await device.shows_unread(alice.user_id, 1)
