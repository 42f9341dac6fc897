"""
MongoDB and PostgreSQL hang, fall silent, are cut off, are slow, or come back elsewhere, while clients write to each other.

Each test ends with everything well again, without a restart of our server, and with a count of every message: what was answered is stored once, and seen.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
import pytest
from bson.timestamp import Timestamp

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.errors import Unavailable
from openim_ray.protocol.identifiers import PullOrder, RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import ConversationSeqs, GetSeqMessageReq, GetSeqMessageResp
from tests.e2e.server import CALL_SECONDS, ApiError
from tests.integration.chatting import CLIENTS, Chatting, readiness
from tests.integration.connection import Account, Connection, Refused
from tests.integration.measures import metric, until
from tests.integration.people import People
from tests.integration.websocket import Ended
from tests.servers.databases import HISTORY, MONGOD, POSTGRES, DatabaseServers, database_servers
from tests.servers.network import NetworkedServer, StoreNetwork
from tests.servers.small_disk import SmallDisk

PAUSED: Final = "paused"
REFUSING: Final = "refusing"
STORES: Final = (HISTORY, MONGOD, POSTGRES)

SLOW_SECONDS: Final = 0.15
"""In each direction, so that a question and its answer take 300 ms more."""

DISK_MEGABYTES: Final = 128
CUTS: Final = 5
CUT_EVERY_SECONDS: Final = 0.3
LOGIN_SECONDS: Final = 30.0
FEW, OLD, ALL = 5, 20, 30
"""Messages of a chat that have left the message store, and that it has."""


@pytest.fixture(scope="module")
def disk() -> Iterator[SmallDisk]:
    """Lend the disk of the history."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as somebody else
        disk = SmallDisk(Path(folder, "history"), DISK_MEGABYTES)
        yield disk
        disk.close()


@pytest.fixture(scope="module")
def network(disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreNetwork]:
    """MongoDB and PostgreSQL, and proxies in front of them."""
    place = None if disk.refused else disk.place
    with database_servers(tmp_path_factory.mktemp("databases"), place) as databases:
        network = StoreNetwork(tmp_path_factory.mktemp("network"), databases)
        yield network
        network.close()


@pytest.fixture(scope="module")
def networked(network: StoreNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkedServer]:
    """A server of ours behind them, which must not log an error whatever happens to its stores."""
    server = NetworkedServer(tmp_path_factory.mktemp("networked"), network)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def chatting(networked: NetworkedServer) -> AsyncIterator[Chatting]:
    """Clients that write to each other."""
    chatting = Chatting(networked)
    await chatting.open()
    yield chatting
    await chatting.close()


@pytest.fixture
async def people(networked: NetworkedServer) -> AsyncIterator[People]:
    """Users and connections of that server."""
    people = People(networked)
    yield people
    await people.close()


@contextmanager
def trouble(network: StoreNetwork, name: str, kind: str) -> Iterator[None]:
    """Let a store be away within the block."""
    if kind == PAUSED:
        with _paused(network.databases, name):
            yield
        return
    proxy = network.proxies[name]
    proxy.refuse()
    try:
        yield
    finally:
        proxy.pass_on()


@contextmanager
def _paused(databases: DatabaseServers, name: str) -> Iterator[None]:
    if name == MONGOD:
        databases.mongod.process.pause()
        try:
            yield
        finally:
            databases.mongod.process.resume()
        return
    with (databases.postgres if name == POSTGRES else databases.history).paused():
        yield


async def well(server: NetworkedServer) -> None:
    """Wait until the server says that all is well, and its history has caught up."""
    await until(lambda: readiness(server)[0], lambda status: status == 200, "ready")
    await until(lambda: lag(server), lambda value: value == 0, "lag of the history")


def lag(server: NetworkedServer) -> int:
    """Return rows that wait for the history, and conversations of which it lacks some that are only noted; 0 if it has all."""
    return metric(server, "openim_history_rows_waiting") + metric(server, "openim_history_conversations_behind")


async def complete(network: StoreNetwork, chatting: Chatting) -> None:
    """Wait until the history holds every message."""
    wanted = {chat: list(range(1, chatting.count(chat) + 1)) for chat in chatting.chats}
    await until(lambda: int(_history(network, chatting.chats) == wanted), bool, "every message in the history")


def _history(network: StoreNetwork, chats: list[str]) -> dict[str, list[int]]:
    with psycopg.connect(network.databases.environment["OPENIM_STORAGE_HISTORY_URL"]) as connection:
        rows = connection.execute(
            "SELECT conversation_id, array_agg(seq ORDER BY seq) FROM history_messages"
            " WHERE conversation_id = ANY(%s) GROUP BY conversation_id",
            [chats],
        ).fetchall()
    return dict(rows)


def actors_that_answer(server: NetworkedServer) -> set[float]:
    """Return the values of `openim_actor_up`."""
    with urllib.request.urlopen(f"{server.api_url}/metrics", timeout=CALL_SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return {float(line.split()[1]) for line in lines if line.startswith("openim_actor_up{")}


async def failing(call: Callable[..., Any], *arguments: Any) -> None:
    """Make a call to the API that must be refused as temporary, on which no client logs out."""
    with pytest.raises(ApiError) as refused:
        await asyncio.to_thread(call, *arguments)
    assert refused.value.code == Unavailable.code, refused.value


# --- MongoDB


@pytest.mark.parametrize("kind", [PAUSED, REFUSING])
async def test_mongodb_is_away(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, people: People, kind: str
) -> None:
    """Every sender hears a temporary error in time; logging in goes on; when it is back, so does writing."""
    bob = await people.account("bob")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        with trouble(network, MONGOD, kind):
            before = await asyncio.to_thread(metric, networked, "openim_commits_failed")
            await chatting.refused(CLIENTS)
            status, said = await asyncio.to_thread(readiness, networked)
            assert status == 503
            assert str(said["persistence"]).startswith("persistence-0: 90002 DatabaseError: mongodb://"), said
            assert said["inbox"] == "ok"
            assert await asyncio.to_thread(metric, networked, "openim_commits_failed") > before
            assert await asyncio.to_thread(actors_that_answer, networked) == {1.0}
            await people.login(bob.user_id)
        await chatting.answered(CLIENTS)
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


# --- PostgreSQL of the people


async def logged_in_again(people: People, user_id: str) -> Account:
    """Log in when it works again: connections that were made before may fail a call each."""
    async with asyncio.timeout(LOGIN_SECONDS):
        while True:
            try:
                return await people.login(user_id)
            except ApiError as error:
                if error.code != Unavailable.code:
                    raise
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", [PAUSED, REFUSING])
async def test_people_are_away(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, people: People, kind: str
) -> None:
    """
    Those who have chatted before chat on, also when what is known of them would have to be read anew.

    Logging in fails as temporary, nobody is logged out; when it is back, logging in works.
    """
    bob = await people.account("bob")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        with trouble(network, POSTGRES, kind):
            await asyncio.gather(
                failing(networked.token, bob.user_id),
                failing(networked.call, "/user/get_users_info", {"userIDs": [bob.user_id]}),
            )
            status, said = await asyncio.to_thread(readiness, networked)
            assert status == 503
            assert str(said["persistence"]).startswith("persistence-0: "), said
            assert await asyncio.to_thread(actors_that_answer, networked) == {1.0}
            if kind == REFUSING:
                said = "LoadFacts"
                await until(lambda: int(said in networked.actor_logs(200)), bool, said)
            await chatting.answered(2 * CLIENTS)
        await people.connect(await logged_in_again(people, bob.user_id))
    assert chatting.temporary_errors == 0
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


# --- PostgreSQL of the history


class OldChat(NamedTuple):
    """A conversation whose first messages only the history has."""

    chat: str
    reader: Account

    async def read(self, connection: Connection, first: int, last: int) -> list[int]:
        """
        Return which messages are shown; Refused or Ended if they can't be had now. None is shown as deleted, and no end above the first.
        """
        request = GetSeqMessageReq(userID=self.reader.user_id, order=PullOrder.DESCENDING.value)
        request.conversations.append(ConversationSeqs(conversationID=self.chat, seqs=range(first, last + 1)))
        answer = await connection.ask(RequestIdentifier.PULL_MSG_BY_SEQ_LIST, request, GetSeqMessageResp)
        pulled = answer.msgs[self.chat]
        assert not any(message.status == 4 for message in pulled.Msgs), pulled
        assert not pulled.isEnd or first == 1, pulled
        return sorted(message.seq for message in pulled.Msgs)


@pytest.fixture(scope="module")
def old_chat(networked: NetworkedServer, network: StoreNetwork) -> OldChat:
    """Let the first messages of a chat leave the message store: a look for old ones follows the start of the persistence actor."""
    return asyncio.run(_age_a_chat(networked, network))


async def _age_a_chat(networked: NetworkedServer, network: StoreNetwork) -> OldChat:
    people = People(networked)
    chat, bob = await write_chat(people, ALL)
    await well(networked)
    with network.databases.mongod.client() as client:
        await until(lambda: head_of(client, chat), lambda head: head == ALL, "head")
        age_rows(client, chat, OLD)
        networked.kill_actor("PersistenceActor")
        await until(lambda: rows_of(client, chat), lambda rows: rows == ALL - OLD, "rows that stay")
    await people.close()
    return OldChat(chat, bob)


async def write_chat(people: People, count: int) -> tuple[str, Account]:
    """Let somebody write so many messages to somebody; return the conversation, and the receiver."""
    alice, bob = await people.connect("alice"), await people.account("bob")
    for number in range(1, count + 1):
        await alice.send_text(bob.user_id, f"old {number}")
    return single_chat_id(alice.user_id, bob.user_id), bob


def rows_of(client: Any, chat: str) -> int:
    """Return how many messages of a chat the message store holds."""
    return int(client.openim.messages.count_documents({"conversation": chat}))


def head_of(client: Any, chat: str) -> int:
    """Return the newest seq that is noted of a chat; it follows the rows, and nothing above it is deleted."""
    return int(client.openim.streams.find_one({"_id": chat})["max_seq"])


def age_rows(client: Any, chat: str, count: int) -> None:
    """Let the first messages of a chat have been stored twenty days ago."""
    long_ago = Timestamp(int(time.time()) - 20 * 86_400, 1)
    client.openim.messages.update_many(
        {"conversation": chat, "seq": {"$lte": count}}, {"$set": {"stored_at": long_ago}}
    )


@pytest.mark.parametrize("kind", [PAUSED, REFUSING])
async def test_the_history_is_away(
    networked: NetworkedServer,
    network: StoreNetwork,
    chatting: Chatting,
    people: People,
    old_chat: OldChat,
    kind: str,
) -> None:
    """
    Nobody who writes notices. Who scrolls to old messages is shown no gap and no end; recent ones are shown; the lag is a figure.

    When it is back, old messages are shown again, and it gets what it has missed.
    """
    reader = await people.connect(old_chat.reader)
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        with trouble(network, HISTORY, kind):
            await chatting.answered(CLIENTS)
            with pytest.raises((Refused, Ended)):
                await old_chat.read(reader, 1, OLD)
            assert await old_chat.read(reader, OLD + 1, ALL) == list(range(OLD + 1, ALL + 1))
            await until(lambda: lag(networked), bool, "lag of the history")
            status, _ = await asyncio.to_thread(readiness, networked)
            assert status == 200
            assert await asyncio.to_thread(actors_that_answer, networked) == {1.0}
            await chatting.answered(CLIENTS)
    assert await old_chat.read(reader, 1, OLD) == list(range(1, OLD + 1))
    assert chatting.temporary_errors == 0
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


async def test_the_disk_of_the_history_is_full(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, disk: SmallDisk
) -> None:
    """Its server refuses rows. Nobody who writes notices; when there is room, it gets what it has missed."""
    # It would end if its write-ahead log could not go on: here its tables are what can't grow.
    await asyncio.to_thread(begin_log_file, network)
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        with disk.full():
            await until(lambda: lag(networked), bool, "lag of the history")
            said = "DiskFull"
            await until(lambda: int(said in networked.actor_logs(200)), bool, said)
            await chatting.answered(2 * CLIENTS)
            status, _ = await asyncio.to_thread(readiness, networked)
            assert status == 200
    assert chatting.temporary_errors == 0
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


def begin_log_file(network: StoreNetwork) -> None:
    """Let the history's server begin a new write-ahead log file, which takes its whole room at once."""
    url = network.databases.environment["OPENIM_STORAGE_HISTORY_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_switch_wal()")
        connection.execute("CHECKPOINT")


# --- all of them


async def test_connections_are_cut(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, people: People
) -> None:
    """Again and again, each time all to all stores: no sender is told of it, and whoever logs in needs no more than a second try."""
    bob = await people.account("bob")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        before = {name: proxy.connections for name, proxy in network.proxies.items()}
        for _ in range(CUTS):
            for proxy in network.proxies.values():
                proxy.cut()
            try:
                await people.login(bob.user_id)
            except ApiError as error:
                assert error.code == Unavailable.code  # noqa: PT017 - it need not fail
            await asyncio.sleep(CUT_EVERY_SECONDS)
        assert [name for name, proxy in network.proxies.items() if proxy.connections <= before[name]] == []
        await people.connect(await people.login(bob.user_id))
        await chatting.answered(CLIENTS)
    assert chatting.temporary_errors == 0
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


async def test_a_slow_line(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, people: People
) -> None:
    """
    With 300 ms between a question and its answer, from every store, everything takes longer.

    For those who have chatted before nothing fails.
    """
    bob = await people.account("bob")
    async with chatting.writing():
        await chatting.answered(2 * CLIENTS)
        for proxy in network.proxies.values():
            proxy.slow(SLOW_SECONDS)
        await chatting.answered(2 * CLIENTS)
        await people.connect(await people.login(bob.user_id))
        status, said = await asyncio.to_thread(readiness, networked)
        assert status == 200, said
        for proxy in network.proxies.values():
            proxy.pass_on()
    assert chatting.temporary_errors == 0
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


async def test_the_history_holds_up_retention(
    networked: NetworkedServer, network: StoreNetwork, people: People
) -> None:
    """While the history can't say what it has, nothing leaves the message store; when it can, what is old leaves by itself."""
    chat, _ = await write_chat(people, FEW)
    await well(networked)
    with network.databases.mongod.client() as client:
        await until(lambda: head_of(client, chat), lambda head: head == FEW, "head")
        age_rows(client, chat, FEW)
        with psycopg.connect(network.databases.environment["OPENIM_STORAGE_HISTORY_URL"]) as stranger:
            stranger.execute("LOCK TABLE history_positions IN ACCESS EXCLUSIVE MODE")
            networked.kill_actor("PersistenceActor")
            said = "old messages stay for now"
            await until(lambda: int(said in networked.actor_logs(200)), bool, said)
            assert rows_of(client, chat) == FEW
        await until(lambda: rows_of(client, chat), lambda rows: rows == 0, "old rows")


async def test_the_network_falls_silent(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, people: People
) -> None:
    """Between the server and all its stores: connections stay and nothing comes; when it is back, everything goes on by itself."""
    bob = await people.account("bob")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        for name in STORES:
            network.proxies[name].stall()
        await asyncio.gather(chatting.refused(CLIENTS), failing(networked.token, bob.user_id))
        status, _ = await asyncio.to_thread(readiness, networked)
        assert status == 503
        assert await asyncio.to_thread(actors_that_answer, networked) == {1.0}
        for name in STORES:
            network.proxies[name].pass_on()
        await chatting.answered(CLIENTS)
        await people.connect(await people.login(bob.user_id))
    await well(networked)
    await complete(network, chatting)
    await chatting.check()


async def test_all_stores_come_back_elsewhere(
    networked: NetworkedServer, network: StoreNetwork, chatting: Chatting, people: People
) -> None:
    """Killed all at once, and found again under the same names at another address: everything goes on by itself."""
    if network.names_refused:
        pytest.skip(network.names_refused)
    bob = await people.account("bob")
    async with chatting.writing():
        await chatting.answered(CLIENTS)
        for name in STORES:
            network.databases.kill(name)
            network.move(name)
        await chatting.refused(CLIENTS)
        for name in STORES:
            await asyncio.wrap_future(network.databases.starting(name))
        await chatting.answered(CLIENTS)
        await until(lambda: readiness(networked)[0], lambda status: status == 200, "ready")
        await people.connect(await people.login(bob.user_id))
    await well(networked)
    await complete(network, chatting)
    await chatting.check()
    for name in STORES:
        network.move_back(name)
    await well(networked)
