"""
Token states and read positions with copies in a real Redis that fails in every way: what was saved is what is read.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from openim_ray.domain.errors import ArgsError, Unavailable, UnsuitableStore
from openim_ray.domain.ids import ConversationID, UserID, partition_of
from openim_ray.domain.read_position import ReadPosition
from openim_ray.domain.token_state import KICKED, NORMAL
from openim_ray.ports import TokenRecord
from openim_ray.storage.memory import MemoryStateStore
from openim_ray.storage.open import prepare
from openim_ray.storage.places import Places
from openim_ray.storage.redis import connection as connection_module
from openim_ray.storage.redis import lease as lease_module
from openim_ray.storage.redis import state as state_module
from openim_ray.storage.redis.connection import RedisConnection, check_server
from openim_ray.storage.redis.keys import Keys
from openim_ray.storage.redis.scripts import CLAIM_MS, COPY_MS, POSITIONS_MAX, SCRIPTS
from openim_ray.storage.redis.state import HotStateReader, HotStateStore
from tests.contract.conftest import NOW, WRITER
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer, redis_server
from tests.servers.server_process import CannotRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

ALICE, BOB = UserID("alice"), UserID("bob")
CHAT, OTHER = ConversationID("si_alice_bob"), ConversationID("si_alice_carol")
LATER = int(NOW) + 90 * 24 * 3600
LEASE_SECONDS = 0.6
"""Shorter than in earnest, so that the tests are; everything else about it is the same."""


@pytest.fixture(autouse=True)
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(lease_module, "MARGIN_SECONDS", 0.1)
    monkeypatch.setattr(lease_module, "REST_MIN_SECONDS", 0.3)
    monkeypatch.setattr(state_module, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(connection_module, "REST_SECONDS", 0.1)
    monkeypatch.setattr(connection_module, "VERIFY_SECONDS", 0.1)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Lend a Redis that nobody else uses."""
    try:
        with redis_server(tmp_path / "redis") as server:
            yield server
    except CannotRun as reason:
        pytest.skip(str(reason))


@pytest.fixture
def proxy(redis: RedisServer) -> Iterator[Proxy]:
    """Lend a way to that Redis which can be cut."""
    made = Proxy(redis.port)
    yield made
    made.close()


class Relational(MemoryStateStore):
    """
    What counts, in memory; counts reads, and can be stopped between a read and its return.
    """

    def __init__(self) -> None:
        super().__init__(clock=lambda: NOW)
        self.reads = 0
        self.has_read = asyncio.Event()
        self.may_return = asyncio.Event()
        self.may_return.set()
        self.save_fails = False

    async def token_state(self, user_id: str, platform_id: int, digest: str) -> int | None:
        """Read, and return what was read when it may."""
        self.reads += 1
        state = await super().token_state(user_id, platform_id, digest)
        self.has_read.set()
        await self.may_return.wait()
        return state

    async def read_positions(self, user_id: UserID) -> dict[ConversationID, ReadPosition]:
        """Read, and return what was read when it may."""
        self.reads += 1
        positions = await super().read_positions(user_id)
        self.has_read.set()
        await self.may_return.wait()
        return positions

    async def save(
        self,
        tokens: Sequence[TokenRecord] = (),
        positions: Sequence[tuple[UserID, Mapping[ConversationID, ReadPosition]]] = (),
    ) -> None:
        """Save; if that fails, only its answer is lost."""
        await super().save(tokens, positions)
        if self.save_fails:
            raise Unavailable("the answer is lost")


class Hot:
    """
    A writer and two readers, as in three processes, over one relational copy.
    """

    def __init__(self, relational: Relational, writer_url: str, reader_url: str) -> None:
        keys = Keys("openim:test", [WRITER])
        self.relational = relational
        self.writer = HotStateStore(relational, writer_url, keys, WRITER)
        self.readers = [HotStateReader(relational, reader_url, keys) for _ in range(2)]

    async def save_token(self, digest: str, state: int) -> None:
        """Make a token's state durable."""
        await self.writer.save([TokenRecord(digest, ALICE, 5, state, LATER)])

    async def states(self, digest: str) -> list[int | None]:
        """Return what each reader says of a token, twice: what the first look-up filled is seen by the second."""
        return [await reader.token_state(ALICE, 5, digest) for reader in self.readers * 2]

    async def positions(self) -> tuple[list[dict[ConversationID, ReadPosition]], int]:
        """Return what each reader says of the positions, twice, and how often the relational copy was asked."""
        before = self.relational.reads
        found = [await reader.read_positions(ALICE) for reader in self.readers * 2]
        return found, self.relational.reads - before

    async def set_position(self, positions: dict[ConversationID, ReadPosition], number: int) -> None:
        """Set one of the positions, which is then what every reader says."""
        positions[CHAT] = ReadPosition(number, 0, 1)
        await self.writer.save(positions=[(ALICE, {CHAT: positions[CHAT]})])
        assert (await self.positions())[0] == [positions] * 4

    async def until_copied(self, digest: str) -> None:
        """Wait until reading a token asks the relational copy no more."""
        async with asyncio.timeout(10):
            while True:
                await self.states(digest)
                before = self.relational.reads
                await self.states(digest)
                if self.relational.reads == before:
                    return
                await asyncio.sleep(0.02)

    async def aclose(self) -> None:
        """Close all."""
        for one in (self.writer, *self.readers):
            await one.aclose()


@asynccontextmanager
async def hot_state(writer_url: str, reader_url: str | None = None) -> AsyncIterator[Hot]:
    """Lend a writer and readers."""
    hot = Hot(Relational(), writer_url, reader_url or writer_url)
    try:
        yield hot
    finally:
        hot.relational.may_return.set()
        await hot.aclose()


def through(proxy: Proxy) -> str:
    """Return the URL of the Redis behind a proxy."""
    return f"redis://127.0.0.1:{proxy.port}/0"


# --- what can happen to a Redis: each is done after a token was copied as valid and before it is kicked


def nothing(_redis: RedisServer) -> None:
    """It works."""


def emptied(redis: RedisServer) -> None:
    """Somebody emptied it."""
    with redis.client() as client:
        client.flushall()


def down(redis: RedisServer) -> None:
    """It is gone."""
    redis.process.kill()


def hanging(redis: RedisServer) -> None:
    """It answers nobody."""
    redis.process.pause()


def restarted(redis: RedisServer) -> None:
    """It came back empty."""
    redis.process.kill()
    redis.start()


def restarted_with_its_snapshot(redis: RedisServer) -> None:
    """It came back with what it had."""
    with redis.client() as client:
        client.save()
    redis.process.kill()
    redis.start()


def scripts_forgotten(redis: RedisServer) -> None:
    """It knows no script of ours any more."""
    with redis.client() as client:
        client.script_flush()


def full(redis: RedisServer) -> None:
    """It takes nothing more."""
    with redis.client() as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")


def read_only(redis: RedisServer) -> None:
    """It became a replica of something that isn't there."""
    with redis.client() as client:
        client.replicaof("127.0.0.1", "1")


FAULTS = (
    nothing,
    emptied,
    down,
    hanging,
    restarted,
    restarted_with_its_snapshot,
    scripts_forgotten,
    full,
    read_only,
)


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_saved_is_what_is_read(redis: RedisServer, fault: Callable[[RedisServer], None]) -> None:
    """
    Whatever becomes of Redis: once a kick is saved every reader knows it, a valid token stays valid, a position is what it was set to.

    While it lasts, and when Redis is well again.
    """
    async with hot_state(redis.url) as hot:
        positions = {CHAT: ReadPosition(5, 0, 1), OTHER: ReadPosition(1)}
        await hot.writer.save(positions=[(ALICE, positions)])
        await hot.save_token("kicked", NORMAL)
        await hot.save_token("valid", NORMAL)
        await hot.until_copied("kicked")
        await hot.until_copied("valid")
        await hot.positions()
        assert await hot.positions() == ([positions] * 4, 0)

        fault(redis)
        await hot.save_token("kicked", KICKED)
        for number in (9, 2):
            await hot.set_position(positions, number)
        assert await hot.states("kicked") == [KICKED] * 4
        assert await hot.states("valid") == [NORMAL] * 4

        make_well(redis)
        for number in range(10, 20):
            await hot.set_position(positions, number)
            assert await hot.states("kicked") == [KICKED] * 4
            await asyncio.sleep(0.04)
        await hot.until_copied("valid")
        assert await hot.states("kicked") == [KICKED] * 4
        assert await hot.states("valid") == [NORMAL] * 4
        assert await hot.positions() == ([positions] * 4, 0)


def make_well(redis: RedisServer) -> None:
    """Undo every fault."""
    redis.process.resume()
    if not redis.process.running:
        redis.start()
    with redis.client() as client:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", "0")


@pytest.mark.parametrize("way", ["stall", "refuse"])
async def test_a_writer_that_is_cut_off_waits_until_nobody_believes_copies(
    redis: RedisServer, proxy: Proxy, way: str
) -> None:
    """Readers still reach Redis, where a valid copy lies: the kick is answered when that copy has ended, and not before."""
    async with hot_state(through(proxy), redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")

        getattr(proxy, way)()
        kick = asyncio.create_task(hot.save_token("d", KICKED))
        await asyncio.sleep(LEASE_SECONDS / 4)
        assert not kick.done()
        assert (
            await hot.states("d") == [NORMAL] * 4
        )  # not answered yet, so both would be right: shows that the copy was believed
        await kick

        assert await hot.states("d") == [KICKED] * 4
        proxy.pass_on()  # what the writer said meanwhile arrives now
        for _ in range(20):
            assert await hot.states("d") == [KICKED] * 4
            await asyncio.sleep(0.05)


async def test_a_writer_without_redis_waits_once(redis: RedisServer) -> None:
    """While Redis stays away saves take no longer than ever: nobody believes copies any more."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        down(redis)
        await hot.save_token("d", KICKED)

        waits = hot.writer.counters()["hot_copy_waits"]
        for number in range(50):
            await hot.save_token(str(number), NORMAL)
        assert hot.writer.counters()["hot_copy_waits"] == waits == 1


async def test_scripts_that_were_forgotten_are_said_again(redis: RedisServer) -> None:
    """Nobody has to wait for that, neither writer nor reader."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        scripts_forgotten(redis)
        await hot.save_token("d", KICKED)
        assert hot.writer.counters()["hot_copy_waits"] == 0
        assert await hot.states("d") == [KICKED] * 4


async def test_positions_of_many_users_are_saved_in_few_calls(redis: RedisServer) -> None:
    """What a batch holds does not take long enough for the copies to count as unchanged; all are changed, and none is mixed up."""
    users = [UserID(f"u{number}") for number in range(450)]
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        reader = hot.readers[0]
        for user in users:
            assert await reader.read_positions(user) == {}
        reads = hot.relational.reads
        saved = {user: {CHAT: ReadPosition(at, 0, 1), OTHER: ReadPosition(at + 1)} for at, user in enumerate(users)}
        before = calls(redis)
        await hot.writer.save(positions=[(user, dict(found)) for user, found in saved.items()])
        assert calls(redis) - before < 50

        assert {user: await reader.read_positions(user) for user in users} == saved
        assert hot.relational.reads == reads, "the copies are gone: the test shows nothing"


async def test_a_writer_that_stood_still_changes_what_its_successor_let_be_copied(redis: RedisServer) -> None:
    """Its own lease has long ended when its save goes on; another one stands, under which the token was copied as valid."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        stood_still = hot.writer
        stood_still._renewing.cancel()
        await asyncio.sleep(LEASE_SECONDS + 0.2)
        hot.writer = HotStateStore(hot.relational, redis.url, stood_still._keys, WRITER)
        await hot.until_copied("d")

        await stood_still.save([TokenRecord("d", ALICE, 5, KICKED, LATER)])
        assert await hot.states("d") == [KICKED] * 4
        await stood_still._redis.aclose()


async def test_more_positions_than_a_copy_holds_are_read_where_they_count(redis: RedisServer) -> None:
    """Whether they come at once or one by one, the copy that was there goes."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        positions = {ConversationID(f"sg_{number}"): ReadPosition(1) for number in range(POSITIONS_MAX - 1)}
        await hot.writer.save(positions=[(ALICE, dict(positions))])
        await hot.positions()
        assert await hot.positions() == ([positions] * 4, 0)
        for number in range(3):
            await hot.set_position(positions, number)
            positions[ConversationID(f"si_{number}")] = ReadPosition(number)
            await hot.writer.save(positions=[(ALICE, {ConversationID(f"si_{number}"): ReadPosition(number)})])
        assert await hot.positions() == ([positions] * 4, 4)

        await hot.writer.save(positions=[(BOB, {CHAT: ReadPosition(1)})])
        assert [await reader.read_positions(BOB) for reader in hot.readers] == [{CHAT: ReadPosition(1)}] * 2
        many = {CHAT: ReadPosition(2), **positions}
        await hot.writer.save(positions=[(BOB, many)])
        assert [await reader.read_positions(BOB) for reader in hot.readers] == [many] * 2


async def test_copies_of_a_user_live_under_the_lease_of_its_own_writer(redis: RedisServer, proxy: Proxy) -> None:
    """Of two writers one is cut off, and answers when nobody believes copies of its users any more, though the other's lease stands."""
    keys = Keys("openim:test", ["persistence-0", "persistence-1"])
    user = next(f"u{number}" for number in range(100) if partition_of(f"u{number}") % 2)
    relational = Relational()
    other = HotStateStore(relational, redis.url, keys, "persistence-0")
    writer = HotStateStore(relational, through(proxy), keys, "persistence-1")
    reader = HotStateReader(relational, redis.url, keys)
    await writer.save([TokenRecord("d", user, 5, NORMAL, LATER)])
    async with asyncio.timeout(10):
        while reader.counters()["hot_copy_hits"] == 0:
            assert await reader.token_state(user, 5, "d") == NORMAL
            await asyncio.sleep(0.02)

    proxy.stall()
    await writer.save([TokenRecord("d", user, 5, KICKED, LATER)])
    assert await reader.token_state(user, 5, "d") == KICKED
    for one in (reader, writer, other):
        await one.aclose()


def calls(redis: RedisServer) -> int:
    """Return how many scripts were run."""
    with redis.client() as client:
        return int(client.info("commandstats")["cmdstat_evalsha"]["calls"])


async def test_a_redis_that_is_far_away_is_used(redis: RedisServer, proxy: Proxy) -> None:
    """To connect takes few exchanges: 24 ms each are not too much."""
    proxy.slow(0.012)
    async with hot_state(redis.url, through(proxy)) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")


async def test_a_queue_is_not_taken_for_a_server_that_hangs(redis: RedisServer, proxy: Proxy) -> None:
    """More look-ups at once than can be done in time: the others ask the relational copy, and the connection stays."""
    async with hot_state(redis.url, through(proxy)) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        connections, reads = proxy.connections, hot.relational.reads
        proxy.slow(0.02)
        reader = hot.readers[0]
        assert await asyncio.gather(*(reader.token_state(ALICE, 5, "d") for _ in range(300))) == [NORMAL] * 300
        assert hot.relational.reads > reads, "all were done in time: the test shows nothing"

        reads = hot.relational.reads
        assert await reader.token_state(ALICE, 5, "d") == NORMAL
        assert (hot.relational.reads, proxy.connections) == (reads, connections)


@pytest.mark.parametrize("kind", ["token", "positions"])
async def test_what_was_read_before_a_save_is_not_filled_in_after_it(redis: RedisServer, kind: str) -> None:
    """A reader that has read the old row when the new one is saved leaves no copy of it."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("other", NORMAL)
        await hot.until_copied("other")  # the lease stands
        await hot.writer.save([TokenRecord("d", ALICE, 5, NORMAL, LATER)], [(ALICE, {CHAT: ReadPosition(1)})])

        slow = hot.readers[0]
        hot.relational.has_read.clear()
        hot.relational.may_return.clear()
        look_up = slow.token_state(ALICE, 5, "d") if kind == "token" else slow.read_positions(ALICE)
        under_way = asyncio.ensure_future(look_up)
        await hot.relational.has_read.wait()
        await hot.writer.save([TokenRecord("d", ALICE, 5, KICKED, LATER)], [(ALICE, {CHAT: ReadPosition(2)})])
        hot.relational.may_return.set()
        assert await under_way in (NORMAL, {CHAT: ReadPosition(1)})

        assert await hot.states("d") == [KICKED] * 4
        assert (await hot.positions())[0] == [{CHAT: ReadPosition(2)}] * 4


async def test_a_save_of_unknown_outcome_ends_what_is_believed(redis: RedisServer) -> None:
    """A kick whose answer was lost may stand: the copy of the token as valid does not outlive the lease."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        hot.relational.save_fails = True
        with pytest.raises(Unavailable):
            await hot.save_token("d", KICKED)

        await asyncio.sleep(LEASE_SECONDS + 0.2)
        assert await hot.states("d") == [KICKED] * 4


async def test_a_replica_that_lags_takes_over(redis: RedisServer, proxy: Proxy, tmp_path: Path) -> None:
    """The replica still has the token as valid, and the lease: of another server, so nobody believes it."""
    replication = Proxy(redis.port)
    with redis_server(tmp_path / "replica", replicaof=f"127.0.0.1 {replication.port}") as replica:
        async with hot_state(through(proxy)) as hot:
            with replica.client() as client:
                await hot.save_token("d", NORMAL)
                await hot.until_copied("d")
                while not client.keys("*:token:*"):  # noqa: ASYNC110 - another process is waited for
                    await asyncio.sleep(0.02)
                replication.stall()
                await hot.save_token("d", KICKED)
                down(redis)
                replication.close()
                client.replicaof("NO", "ONE")
                assert client.keys("*:token:*"), "the replica does not lag: the test shows nothing"
            proxy.target_port = replica.port

            for _ in range(20):
                assert await hot.states("d") == [KICKED] * 4
                await asyncio.sleep(0.05)
            await hot.until_copied("d")


async def test_an_old_snapshot_is_put_back(redis: RedisServer) -> None:
    """A Redis that is as it was an hour ago has nothing that is believed."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        with redis.client() as client:
            for name in client.keys("*"):
                client.persist(name)  # as if it were not old at all
            client.save()
        shutil.copy(redis.folder / "dump.rdb", redis.folder / "old.rdb")
        await hot.save_token("d", KICKED)
        await hot.until_copied("d")
        redis.process.kill()
        shutil.copy(redis.folder / "old.rdb", redis.folder / "dump.rdb")
        redis.start()

        for _ in range(20):
            assert await hot.states("d") == [KICKED] * 4
            await asyncio.sleep(0.05)
        await hot.until_copied("d")


async def test_another_servers_data_is_taken_over(redis: RedisServer, tmp_path: Path) -> None:
    """A Redis that was made a replica of an old copy of itself and a primary again is not the one in which the lease was taken."""
    async with hot_state(redis.url) as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")
        with redis_server(tmp_path / "copy", replicaof=f"127.0.0.1 {redis.port}") as copy:
            with copy.client() as old, redis.client() as client:
                while not old.keys("*:token:*"):  # noqa: ASYNC110 - another process is waited for
                    await asyncio.sleep(0.02)
                old.replicaof("NO", "ONE")
                for name in old.keys("*"):
                    old.persist(name)
                await hot.save_token("d", KICKED)
                client.replicaof("127.0.0.1", str(copy.port))
                while client.info("replication")["master_link_status"] != "up":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                client.replicaof("NO", "ONE")
                assert client.keys("*:token:*"), "nothing was taken over: the test shows nothing"
            await asyncio.sleep(0.3)  # VERIFY_SECONDS, and the writer's next renewal

            for _ in range(20):
                assert await hot.states("d") == [KICKED] * 4
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", [1])
async def test_whatever_happens(tmp_path: Path, seed: int) -> None:
    """
    Tokens are issued and kicked, positions set, by a writer that is replaced now and then; Redis, of 2 MB, evicts, loses names, is emptied, stopped and killed.

    No reader ever sees less than what was saved before it asked.
    """
    chance = random.Random(seed)
    try:
        server = redis_server(tmp_path / "redis", maxmemory="2mb", maxmemory_policy="allkeys-lru")
    except CannotRun as reason:
        pytest.skip(str(reason))
    with server as redis:
        async with hot_state(redis.url) as hot:
            world = World(hot, chance)
            end = asyncio.get_running_loop().time() + 5
            async with asyncio.TaskGroup() as group:
                group.create_task(world.save_until(end))
                for reader in hot.readers:
                    group.create_task(world.read_until(end, reader))
                group.create_task(world.disturb_until(end, redis))
    assert world.kicks > 20
    assert world.reads > 200
    assert sum(reader.counters()["hot_copy_hits"] for reader in hot.readers) > 20


class World:
    """
    What was saved, and what is read of it.
    """

    def __init__(self, hot: Hot, chance: random.Random) -> None:
        self.hot = hot
        self.chance = chance
        self.issued: list[str] = []
        self.kicked: set[str] = set()
        self.position = 0
        self.kicks = 0
        self.reads = 0

    async def save_until(self, end: float) -> None:
        """Issue and kick tokens, and raise a position."""
        while asyncio.get_running_loop().time() < end:
            digest = f"d{len(self.issued)}"
            await self.hot.save_token(digest, NORMAL)
            self.issued.append(digest)
            await self.hot.writer.save(positions=[(ALICE, {CHAT: ReadPosition(self.position + 1)})])
            self.position += 1
            await asyncio.sleep(self.chance.random() * 0.02)
            victim = self.chance.choice(self.issued[-8:])
            await self.hot.save_token(victim, KICKED)
            self.kicked.add(victim)
            self.kicks += 1
            if self.chance.random() < 0.02:
                await self.replace_writer()

    async def replace_writer(self) -> None:
        """Let a new writer follow one that was killed: its lease still runs."""
        old, relational = self.hot.writer, self.hot.relational
        self.hot.writer = HotStateStore(relational, old._redis._url, old._keys, WRITER)
        await old.aclose()

    async def read_until(self, end: float, reader: HotStateReader) -> None:
        """Ask for tokens and positions."""
        while asyncio.get_running_loop().time() < end:
            digest = self.chance.choice(self.issued[-8:] or ["d0"])
            must_be_kicked, at_least = digest in self.kicked, self.position
            state = await reader.token_state(ALICE, 5, digest)
            assert not must_be_kicked or state == KICKED, f"{digest} lives again"
            positions = await reader.read_positions(ALICE)
            assert positions.get(CHAT, ReadPosition()).has_read_seq >= at_least, "a position went back"
            self.reads += 1
            await asyncio.sleep(0.001)

    async def disturb_until(self, end: float, redis: RedisServer) -> None:
        """Do to Redis what can be done to it."""
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.chance.random() * 0.5)
            await self.disturb(redis, self.chance.choice(["empty", "lose", "fill", "pause", "kill", "snapshot", "cut"]))

    async def disturb(self, redis: RedisServer, what: str) -> None:
        """Do one of these."""
        if what == "pause":
            redis.process.pause()
            await asyncio.sleep(self.chance.random())
            redis.process.resume()
        elif what in ("kill", "snapshot"):
            if what == "snapshot":
                with redis.client() as client:
                    client.save()
            redis.process.kill()
            await asyncio.sleep(self.chance.random() * 0.5)
            await asyncio.to_thread(redis.start)
        else:
            with redis.client() as client:
                self.disturb_data(client, what)

    def disturb_data(self, client: Redis, what: str) -> None:
        """Do something to what is in it."""
        if what == "empty":
            client.flushall()
        elif what == "lose":
            for _ in range(5):
                if name := client.randomkey():
                    client.delete(name)
        elif what == "fill":
            for number in range(200):
                client.set(f"x{number}", b"x" * 10_000)
        else:
            client.client_kill_filter(_type="normal", skipme=True)


# --- what the scripts alone promise


async def test_only_its_holder_renews_a_lease(redis: RedisServer) -> None:
    """Who has lost the lease to another learns it, and does not take that one's place."""
    connection = RedisConnection(redis.url, SCRIPTS)
    end = int(time.time() * 1000) + 60_000
    await connection.run("take", ["lease"], "hers", end)

    assert (await connection.run("renew", ["lease"], "mine", end)).value is None
    assert (await connection.run("renew", ["lease"], "hers", end)).value is not None
    assert (await connection.run("token", ["lease", "copy"], "claim")).value == [b"hers"]
    await connection.aclose()


async def test_copies_and_claims_expire(redis: RedisServer) -> None:
    """Nothing stays in Redis for ever."""
    connection = RedisConnection(redis.url, SCRIPTS)
    await connection.run("take", ["lease"], "hers", int(time.time() * 1000) + 60_000)
    for kind, filled in (("token", ["hers 0"]), ("positions", ["hers", "chat", "1,0,0"])):
        await connection.run(kind, ["lease", kind], "claim")
        assert 0 < remaining_ms(redis, kind) <= CLAIM_MS
        assert (await connection.run(f"fill_{kind}", [kind], "claim", *filled)).value == 1
        assert CLAIM_MS < remaining_ms(redis, kind) <= COPY_MS
    await connection.aclose()


def remaining_ms(redis: RedisServer, name: str) -> int:
    """Return for how many milliseconds a name stays; -1 if for ever."""
    with redis.client() as client:
        return int(client.pttl(name))


# --- before it is used


async def test_a_password_that_is_wrong_is_told(tmp_path: Path) -> None:
    """A Redis that answers and does not let us in is a mistake of the configuration; the password is not in the message."""
    try:
        server = redis_server(tmp_path / "redis", requirepass="right")
    except CannotRun as reason:
        pytest.skip(str(reason))
    with server as redis:
        with pytest.raises(UnsuitableStore, match="does not let us in") as refused:
            await check_server(f"redis://:wr0ng-one@127.0.0.1:{redis.port}/0")
        assert "wr0ng-one" not in str(refused.value)
        with pytest.raises(UnsuitableStore, match="does not let us in"):
            await prepare(Places(tmp_path / "data", tokens=redis.url))
        await check_server(f"redis://:right@127.0.0.1:{redis.port}/0")


async def test_a_redis_that_is_away_is_no_mistake() -> None:
    """It may come later: nobody waits for it."""
    await check_server("redis://127.0.0.1:1/0")


@pytest.mark.parametrize("options", ["decode_responses=true", "socket_timeout=0.001&client_name=a%20b"])
async def test_options_of_the_url_change_nothing(redis: RedisServer, options: str) -> None:
    """Those that would make replies look otherwise, or end calls sooner: what counts here is stronger."""
    await check_server(f"{redis.url}?{options}")
    async with hot_state(f"{redis.url}?{options}") as hot:
        await hot.save_token("d", NORMAL)
        await hot.until_copied("d")


async def test_what_is_no_redis_disturbs_nobody() -> None:
    """Something else answers there: it is told before the start, and whoever meets it later reads what counts."""

    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(b"+OK\r\n" * (b"\r\n" + data).count(b"\r\n*"))
        writer.close()

    async with await asyncio.start_server(agree, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(UnsuitableStore):
            await check_server(url)
        async with hot_state(url) as hot:
            await asyncio.sleep(LEASE_SECONDS)
            await hot.save_token("d", KICKED)
            assert await hot.states("d") == [KICKED] * 4
            assert not hot.writer._renewing.done()


@pytest.mark.parametrize(
    "url", ["redis://host:port/0", "redis://:pass@host/0?socket_timeout=x", "redis://:pass@host/0?no_such_option=1"]
)
async def test_a_url_that_makes_no_sense(url: str) -> None:
    """It is refused without being quoted."""
    with pytest.raises(ArgsError) as refused:
        await check_server(url)
    assert "pass" not in str(refused.value)
