"""
What the stores of people and state do when PostgreSQL fails them: down, killed, paused, silent, cut off, locked; and beside other processes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from openim_ray.domain.conversation import Conversation
from openim_ray.domain.errors import ArgsError, RegisteredAlready, Unavailable, UnsuitableStore
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.people import Friend, User
from openim_ray.ports import Page, TokenRecord
from openim_ray.storage.open import open_directory_store, open_state_store, prepare
from openim_ray.storage.places import Places
from openim_ray.storage.postgres.connection import Address
from openim_ray.storage.postgres.database import PostgresDatabase
from tests.contract.accounts import update_user
from tests.contract.cutting_proxy import CuttingProxy
from tests.contract.lists import Filler
from tests.contract.postgres_process import ACCOUNTS, ROWS, STEPS
from tests.servers.postgres import MIGRATED, Databases, PostgresServer, find_programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sqlalchemy import Connection

    from openim_ray.storage.stores import OpenDirectoryStore

CLIENT_SECONDS = 8.0
"""When somebody who waits for a durable answer gives up: the stores must have said what is wrong before."""

ALICE, BOB = UserID("alice"), UserID("bob")
CHAT = ConversationID("si_alice_bob")
PROGRAM = Path(__file__).with_name("postgres_process.py")
LATER = 4_000_000_000


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """Start a server that is stopped, killed and paused."""
    programs = find_programs()
    assert programs is not None
    server = PostgresServer(programs)
    yield server
    server.close()


@pytest.fixture
def own_places(own_server: PostgresServer, data_dir: Path) -> Places:
    """Tell where a fresh database of this server is."""
    return Places(data_dir, directory=Databases(own_server.url()).make(own_server.url(MIGRATED)))


@pytest.fixture
async def own_directory(own_places: Places) -> AsyncIterator[OpenDirectoryStore]:
    """Open a directory in it."""
    opened = await open_directory_store(own_places)
    yield opened
    await opened.aclose()


def user(name: str) -> User:
    """Return an account."""
    return User(user_id=UserID(name))


# --- down and back


async def test_a_server_that_is_away(
    own_server: PostgresServer, own_places: Places, own_directory: OpenDirectoryStore
) -> None:
    """While it is down every call and every door is Unavailable in time; when it is back, the same stores work."""
    state = await open_state_store(own_places)
    await own_directory.register([user("alice")])
    own_server.stop()
    try:
        async with asyncio.timeout(CLIENT_SECONDS):
            for call in (
                own_directory.users(["alice"]),
                own_directory.register([user("bob")]),
                own_directory.friends_delta(ALICE, "", 0),
                state.token_state("alice", 5, "d"),
                state.save([TokenRecord("d", "alice", 5, 0, LATER)]),
                open_directory_store(own_places),
            ):
                with pytest.raises(Unavailable, match=r"postgresql at 127\.0\.0\.1:\d+/\w+: .*[Rr]efused"):
                    await call
    finally:
        own_server.start()

    assert list(await own_directory.users(["alice", "bob"])) == ["alice"]
    await own_directory.register([user("bob")])
    await state.save([TokenRecord("d", "alice", 5, 0, LATER)])
    assert await state.token_state("alice", 5, "d") == 0
    await state.aclose()


async def test_connections_that_the_server_has_ended(
    own_server: PostgresServer, own_places: Places, own_directory: OpenDirectoryStore
) -> None:
    """After a restart between two calls nobody notices: a connection that is found dead is made anew."""
    await asyncio.gather(*(own_directory.users(["alice"]) for _ in range(20)))
    own_server.stop()
    own_server.start()

    await own_directory.register([user("alice")])
    answers = await asyncio.gather(*(own_directory.users(["alice"]) for _ in range(20)))

    assert answers == [{"alice": user("alice")}] * 20


@pytest.mark.parametrize("round_", range(3))
async def test_a_killed_server_loses_nothing_it_confirmed(
    own_server: PostgresServer, own_places: Places, own_directory: OpenDirectoryStore, round_: int
) -> None:
    """Killed by SIGKILL in the middle of writes, it has every account that was answered as made, once, with its row and step."""
    confirmed: list[str] = []
    enough, killed = asyncio.Event(), asyncio.Event()

    async def write(writer: int) -> None:
        for number in range(10_000):
            name = f"w{writer}_{number}"
            row = Conversation(owner_user_id=ALICE, conversation_id=ConversationID(name), conversation_type=1)
            try:
                await own_directory.register([user(name)])
                await own_directory.ensure_conversations([row])
            except Unavailable:
                if killed.is_set():
                    return
                continue
            confirmed.append(name)
            if len(confirmed) >= 10 + 7 * round_:
                enough.set()

    writers = [asyncio.create_task(write(number)) for number in range(4)]
    async with asyncio.timeout(60):
        await enough.wait()
    killed.set()
    await asyncio.to_thread(own_server.kill)
    async with asyncio.timeout(CLIENT_SECONDS):
        await asyncio.gather(*writers)
    own_server.start()

    assert set(await own_directory.users(confirmed)) == set(confirmed)
    rows = await own_directory.conversations(ALICE)
    version, version_id, ids = await own_directory.conversation_ids(ALICE)
    assert set(confirmed) <= set(ids)
    assert len(rows) == len(ids) == len(set(ids)) == version
    delta = await own_directory.conversations_delta(ALICE, version_id, max(1, version - 5))
    assert len(delta.inserted) == min(5, version - 1)


# --- silent


async def test_a_paused_server(own_server: PostgresServer, own_directory: OpenDirectoryStore) -> None:
    """It takes what it is sent and says nothing: calls on open and on new connections are Unavailable in time, and work afterwards."""
    await own_directory.register([user("alice")])
    with own_server.paused():
        async with asyncio.timeout(CLIENT_SECONDS):
            calls = [own_directory.users(["alice"]) for _ in range(5)]
            results = await asyncio.gather(
                *calls, own_directory.register([user("bob")]), own_directory.users(["x"]), return_exceptions=True
            )
        assert [type(result) for result in results] == [Unavailable] * 7

    # What was under way is taken back by the server or was committed: the outcome was unknown, and nothing is half.
    async with asyncio.timeout(CLIENT_SECONDS):
        assert list(await own_directory.users(["alice"])) == ["alice"]
        await update_user(own_directory, "alice", {"nickname": "Al"})


async def test_a_server_that_never_answers(data_dir: Path) -> None:
    """A port behind which nobody speaks, as of a machine that is cut off, is Unavailable in time."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        url = f"postgresql://me:hush@127.0.0.1:{silent.getsockname()[1]}/db"
        async with asyncio.timeout(CLIENT_SECONDS):
            with pytest.raises(Unavailable, match=r"postgresql at 127\.0\.0\.1:\d+/db: .*timeout"):
                await open_directory_store(Places(data_dir, directory=url))


async def test_a_lock_that_is_held(postgres_url: str, data_dir: Path) -> None:
    """Who waits for a lock of a stranger is told in time to come again, and is served once it is given back."""
    directory = await open_directory_store(Places(data_dir, directory=postgres_url))
    with psycopg.connect(postgres_url) as stranger:
        stranger.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(CLIENT_SECONDS):
            results = await asyncio.gather(
                directory.register([user("alice")]), directory.users(["alice"]), return_exceptions=True
            )
        assert [str(result).rpartition(": ")[2] for result in results] == ["LockNotAvailable"] * 2

    await directory.register([user("alice")])
    assert list(await directory.users(["alice"])) == ["alice"]
    await directory.aclose()


# --- cut off


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[CuttingProxy]:
    """Stand between a store and its server."""
    port = urlsplit(postgres_url).port
    assert port is not None
    async with CuttingProxy(port) as cutting:
        yield cutting


@pytest.fixture
async def cut_directory(proxy: CuttingProxy, postgres_url: str, data_dir: Path) -> AsyncIterator[OpenDirectoryStore]:
    """Open a directory through the proxy."""
    parts = urlsplit(postgres_url)
    through = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}")
    opened = await open_directory_store(Places(data_dir, directory=urlunsplit(through)))
    await opened.users([])
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("has_happened", [False, True])
async def test_cut_off_at_the_commit(
    proxy: CuttingProxy, cut_directory: OpenDirectoryStore, has_happened: bool
) -> None:
    """Whether a commit happened whose answer was lost is unknown: it is Unavailable, and nothing was tried a second time."""
    proxy.word, proxy.passes_on = b"COMMIT", has_happened
    with pytest.raises(Unavailable):
        await cut_directory.register([user("alice")])

    assert proxy.cuts == 1
    if has_happened:
        with pytest.raises(RegisteredAlready):
            await cut_directory.register([user("alice")])
    else:
        await cut_directory.register([user("alice")])
    assert await cut_directory.page_users(Page(1, 10), "", "") == (1, [user("alice")])


@pytest.mark.parametrize("word", [b"SERIALIZABLE", b"INSERT INTO conversations", b"INSERT INTO version_changes"])
async def test_cut_off_before_the_commit(proxy: CuttingProxy, cut_directory: OpenDirectoryStore, word: bytes) -> None:
    """What was certainly not committed is done again on a new connection, and has its effect once."""
    before = proxy.connections
    proxy.word, proxy.passes_on = word, True
    await cut_directory.ensure_conversations(
        [Conversation(owner_user_id=ALICE, conversation_id=CHAT, conversation_type=1)]
    )

    assert proxy.cuts == 1
    assert proxy.connections > before
    version, _, ids = await cut_directory.conversation_ids(ALICE)
    assert (version, ids) == (1, [CHAT])


async def test_cut_off_while_reading(proxy: CuttingProxy, cut_directory: OpenDirectoryStore) -> None:
    """A read is made again, wherever it was cut off."""
    await cut_directory.register([user("alice")])
    for word in (b"REPEATABLE READ", b"FROM users", b"COMMIT"):
        proxy.word, proxy.passes_on = word, True
        assert list(await cut_directory.users(["alice"])) == ["alice"]
    assert proxy.cuts == 3


# --- beside others


async def test_two_processes_race(postgres_url: str, data_dir: Path) -> None:
    """Of two processes that make the same accounts, one wins each; the same rows are made once; no step of a list is lost or doubled."""
    places = Places(data_dir, directory=postgres_url)
    directory = await open_directory_store(places)
    await directory.register([user("alice"), user("bob")])
    Filler(directory, places).friend(Friend(owner_user_id=ALICE, friend=user("bob")))
    before, _, _ = await directory.friend_ids(ALICE)

    won = await asyncio.to_thread(race, postgres_url)

    assert sorted(won[0] + won[1]) == list(range(ACCOUNTS))
    names = [f"u{number}" for number in range(ACCOUNTS)]
    found = await directory.users(names)
    assert [found[f"u{number}"].nickname for number in won[0]] == ["first"] * len(won[0])
    version, version_id, ids = await directory.conversation_ids(ALICE)
    assert version == len(ids) == len(set(ids)) == ROWS
    for since in range(1, ROWS + 1):
        assert len((await directory.conversations_delta(ALICE, version_id, since)).inserted) == ROWS - since
    after, _, _ = await directory.friend_ids(ALICE)
    assert after == before + 2 * STEPS
    await directory.aclose()


def race(url: str) -> list[list[int]]:
    """Let two processes begin at once; return which accounts each has made."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("first", "second")
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=90)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [json.loads(answer) for answer in answers]


async def test_an_update_is_never_lost(postgres_url: str) -> None:
    """Changes that read a value and write another run as if one after the other, however often that takes: no increment is lost."""
    databases = [PostgresDatabase(Address(postgres_url), name) for name in ("one", "two")]

    def make(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE counts (n bigint)")
        connection.exec_driver_sql("INSERT INTO counts VALUES (0)")

    def increment(connection: Connection) -> None:
        n = connection.exec_driver_sql("SELECT n FROM counts").scalar_one()
        connection.exec_driver_sql("UPDATE counts SET n = %s", (n + 1,))

    await databases[0].write(make)
    await asyncio.gather(*(database.write(increment) for database in databases * 20))

    found = await databases[1].read(lambda connection: connection.exec_driver_sql("SELECT n FROM counts").scalar_one())
    assert found == 40
    for database in databases:
        await database.aclose()


async def test_a_read_sees_one_state(postgres_url: str) -> None:
    """Several statements of one read see the same rows, whatever is committed between them; and a read can't write."""
    database = PostgresDatabase(Address(postgres_url), "one")

    def count_twice(connection: Connection) -> list[int]:
        counts = [connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one()]
        with psycopg.connect(postgres_url) as stranger:
            stranger.execute("INSERT INTO groups SELECT 'g', '', '', '', '', 0, '', 0, '', 0, 0, 0, 0, 0, ''")
        return [*counts, connection.exec_driver_sql("SELECT count(*) FROM groups").scalar_one()]

    assert await database.read(count_twice) == [0, 0]
    with pytest.raises(Unavailable, match="ReadOnlySqlTransaction"):
        await database.read(lambda connection: connection.exec_driver_sql("DELETE FROM groups"))
    await database.aclose()


# --- what is asked of the server


async def test_sessions_ask_for_what_is_promised(postgres_url: str) -> None:
    """Whatever the server's, the database's or the role's defaults are, a commit waits for the disk, and nothing waits for ever."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = urlsplit(postgres_url).path.lstrip("/")
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off".encode())
    database = PostgresDatabase(Address(postgres_url), "one")

    def settings(connection: Connection) -> dict[str, str]:
        names = (
            "synchronous_commit",
            "fsync",
            "full_page_writes",
            "transaction_isolation",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
        )
        return {name: connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names}

    limits = {"statement_timeout": "4s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "5s"}
    own = {
        "synchronous_commit": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "transaction_isolation": "serializable",
        **limits,
    }
    assert await database.write(settings) == own
    assert await database.read(settings) == {**own, "transaction_isolation": "repeatable read"}
    await database.aclose()


async def test_a_server_without_fsync_is_refused(own_server: PostgresServer, own_places: Places) -> None:
    """A server that doesn't wait for its disk may lose what it confirmed at a power cut: no door opens on it."""
    own_server.stop()
    own_server.settings["fsync"] = "off"
    own_server.start()
    try:
        for door in (prepare, open_directory_store):
            with pytest.raises(UnsuitableStore, match=r"fsync = off .*turn it on"):
                await door(own_places)
    finally:
        own_server.stop()
        del own_server.settings["fsync"]
        own_server.start()


async def test_numbers_that_cannot_be_kept(postgres_url: str, data_dir: Path) -> None:
    """A number beyond 64 bits is the caller's fault, the largest of 64 is kept in every column."""
    directory = await open_directory_store(Places(data_dir, directory=postgres_url))
    largest = (1 << 63) - 1
    full = User(user_id=BOB, create_time=largest, app_manager_level=largest, global_recv_msg_opt=-largest - 1)
    with pytest.raises(ArgsError):
        await directory.register([user("alice"), User(user_id=BOB, create_time=largest + 1)])
    await directory.register([full])

    assert await directory.users(["alice", "bob"]) == {"bob": full}
    await directory.aclose()


async def test_a_closed_store_is_unavailable(postgres_url: str, data_dir: Path) -> None:
    """Calls after the end are refused like those of a store that is away; closing twice is harmless."""
    directory = await open_directory_store(Places(data_dir, directory=postgres_url))
    await directory.aclose()
    await directory.aclose()

    with pytest.raises(Unavailable, match="closed"):
        await directory.users(["alice"])
