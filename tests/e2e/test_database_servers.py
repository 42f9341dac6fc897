"""The same server on MongoDB and PostgreSQL: what a user notices of them, when all is well and when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from bson.timestamp import Timestamp

from openim_ray.domain.conversation import single_chat_id
from tests.e2e import test_friends, test_groups, test_presence
from tests.e2e.channel import CallError
from tests.e2e.client import Client, Message
from tests.e2e.clients import Clients
from tests.e2e.native_connection import RequestError
from tests.e2e.program import refusal, run
from tests.e2e.server import READY_MARK, START_SECONDS, ApiError, Server
from tests.integration.people import People
from tests.integration.test_check_beside_server import check_beside_chats
from tests.servers.databases import HISTORY, MONGOD, POSTGRES, DatabaseServers, database_servers

WAIT_SECONDS = 30.0
AWAITED = {MONGOD: "message", POSTGRES: "state"}
"""Database servers without which ours doesn't start, in the order in which it looks for them, and how it calls what they hold."""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServers]:
    """MongoDB and PostgreSQL, in which nothing is yet, not even tables."""
    with database_servers(tmp_path_factory.mktemp("databases"), migrated=False) as servers:
        yield servers


@pytest.fixture(scope="module")
def served(databases: DatabaseServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of ours that keeps everything in them; it is started before them, and waits for one after the other."""
    server = Server(tmp_path_factory.mktemp("served"), environment=databases.environment)
    for name in AWAITED:
        databases.kill(name)
    with ThreadPoolExecutor(1) as starter:
        started = starter.submit(server.start)
        for name, store in AWAITED.items():
            waits = f"waiting for the {store} store: "
            until(lambda: waits in server.log_tail(), waits, START_SECONDS)  # noqa: B023 - waited for
            databases.start(name)
        started.result()
    yield server
    server.stop()


@pytest.fixture
def server(served: Server) -> Server:
    """The server on which devices of this file's tests are."""
    return served


def until(condition: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait for something that servers bring about and that gives no event."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}"
        time.sleep(0.1)


def history_of(databases: DatabaseServers, chat: str) -> list[int]:
    """Return the seqs of a conversation that the history holds."""
    with psycopg.connect(databases.environment["OPENIM_STORAGE_HISTORY_URL"]) as connection:
        found = connection.execute(
            "SELECT seq FROM history_messages WHERE conversation_id = %s ORDER BY seq", [chat]
        ).fetchall()
    return [seq for (seq,) in found]


def test_it_waits_for_its_stores(databases: DatabaseServers, served: Server) -> None:
    """In any order, saying for which, without a password; ready when the last one has come."""
    said, is_ready, _ = served.log_file.read_text().partition(READY_MARK)
    assert is_ready
    messages, state, *_ = (line for line in said.splitlines() if line.startswith("waiting for the "))
    assert messages.startswith(f"waiting for the message store: mongodb://127.0.0.1:{databases.mongod.port}/openim: ")
    assert state.startswith(f"waiting for the state store: postgresql at 127.0.0.1:{databases.postgres.port}")
    assert "***" not in said
    assert "tester" not in said


def test_nothing_is_kept_in_files(served: Server) -> None:
    """But for the secret and what belongs to the running server."""
    assert list(served.data_dir.glob("*.db*")) == []
    assert run(served, "status").status == 0


@pytest.mark.parametrize("kind", ["wasm", "js", "native"])
async def test_sdks_chat_and_catch_up(clients: Clients, databases: DatabaseServers, kind: str) -> None:
    """Live, while one was away, and on a new device; the history gets all of it."""
    alice, bob = await clients.native(clients.user("alice")), await clients.open(kind, clients.user("bob"))
    await alice.send_text(bob.user_id, "live")
    await bob.received("live")
    await bob.send_text(alice.user_id, "and back")
    await alice.received("and back")
    await bob.close()
    texts = [f"away {number}" for number in range(1, 31)]
    for text in texts:
        await alice.send_text(bob.user_id, text)

    again = await clients.reopen(bob)
    pages = await again.whole_history(alice.user_id, 20)
    shown = [message.text for page in reversed(pages) for message in page]
    assert shown == ["live", "and back", *texts]
    chat = single_chat_id(alice.user_id, bob.user_id)
    await asyncio.to_thread(until, lambda: history_of(databases, chat) == list(range(1, 33)), "history")


Scenario = Callable[[Clients, Server], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {
    "application": lambda use, _: test_friends.test_an_application_is_refused_then_accepted(use, "wasm", "js"),
    "changes_of_friends": lambda use, on: test_friends.test_changes_of_friends_show_on_the_other_device(
        use, on, "js", "wasm"
    ),
    "black_list": lambda use, on: test_friends.test_who_is_blocked_is_refused_from_the_next_message_on(
        use, on, "wasm", "js"
    ),
    "new_name": lambda use, on: test_friends.test_a_new_name_shows_everywhere(use, on, "js", "wasm"),
    "life_of_a_group": lambda use, _: test_groups.test_a_life_of_a_group(use, ("js", "wasm", "js")),
    "group_after_absence": test_groups.test_every_device_agrees_also_after_absence,
    "group_application": lambda use, _: test_groups.test_an_application_and_an_announcement(use),
    "presence": lambda use, _: test_presence.test_friends_see_each_other_come_and_go(use, "wasm"),
}
"""Each runs here with one choice of SDKs; in its own file it runs on embedded stores with all of them."""


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
async def test_people_and_groups_are_the_same_here(clients: Clients, served: Server, scenario: Scenario) -> None:
    """What SDKs show of friends, groups and presence doesn't depend on the stores."""
    await scenario(clients, served)


async def test_a_check_beside_busy_databases_finds_nothing(served: Server) -> None:
    """While it reads MongoDB and PostgreSQL, heads and the history follow the messages."""
    people = People(served)
    await check_beside_chats(people)
    await people.close()


async def test_everything_survives_a_kill_of_everything(clients: Clients, served: Server) -> None:
    """The server's processes, that is; nothing of it is on this machine."""
    alice, bob = await clients.native(clients.user("alice")), await clients.native(clients.user("bob"))
    await alice.send_text(bob.user_id, "before")
    await bob.received("before")
    position = alice.events.position
    await asyncio.to_thread(served.kill_everything)
    await asyncio.to_thread(served.restart)
    await alice.events.wait_for("OnConnectSuccess", after=position, seconds=WAIT_SECONDS)
    await alice.send_text(bob.user_id, "after")
    await bob.received("after", seconds=WAIT_SECONDS)

    new_device = await clients.js(bob.user_id)
    pages = await new_device.whole_history(alice.user_id, 20)
    shown = [(message.text, message.seq) for page in reversed(pages) for message in page]
    assert shown == [("before", 1), ("after", 2)]


async def test_messages_wait_for_a_mongodb_that_was_killed(
    clients: Clients, databases: DatabaseServers, served: Server
) -> None:
    """What was answered is there; what was not is answered with an error in time, and sending it again is safe."""
    alice, bob = await clients.native(clients.user("alice")), await clients.native(clients.user("bob"))
    await alice.send_text(bob.user_id, "before", client_msg_id="1")
    databases.kill(MONGOD)
    with pytest.raises(RequestError) as refused:
        await alice.send_text(bob.user_id, "meanwhile", client_msg_id="2")
    assert refused.value.code != 0, "an answer, not a lost connection"
    assert (await asyncio.to_thread(run, served, "status")).out.startswith("not ready: persistence:")
    databases.start(MONGOD)
    for attempt in range(20):
        try:
            await alice.send_text(bob.user_id, "meanwhile", client_msg_id="2")
            break
        except RequestError:
            assert attempt < 19
    await bob.received("meanwhile", seconds=WAIT_SECONDS)

    pages = await bob.whole_history(alice.user_id, 20)
    shown = [(message.text, message.seq) for page in reversed(pages) for message in page]
    assert shown == [("before", 1), ("meanwhile", 2)]


async def test_messages_flow_while_postgresql_is_down(
    clients: Clients, databases: DatabaseServers, served: Server
) -> None:
    """Between those who chatted before; the history catches up by itself, and people are found again."""
    alice, bob = await clients.native(clients.user("alice")), await clients.native(clients.user("bob"))
    await alice.send_text(bob.user_id, "before")
    await bob.received("before")
    databases.kill(POSTGRES)
    for number in range(1, 11):
        await alice.send_text(bob.user_id, f"meanwhile {number}")
    await bob.received("meanwhile 10")
    for path, body in (
        ("/user/get_users_info", {"userIDs": [bob.user_id]}),
        ("/auth/get_user_token", {"userID": "x", "platformID": 1}),
    ):
        with pytest.raises(ApiError) as failed:
            await asyncio.to_thread(served.call, path, body)
        assert failed.value.code == 90002, "temporary; on 1501 to 1507 clients log out"
    databases.start(POSTGRES)

    chat = single_chat_id(alice.user_id, bob.user_id)
    await asyncio.to_thread(until, lambda: history_of(databases, chat) == list(range(1, 12)), "history")
    await asyncio.to_thread(until, lambda: run(served, "status").status == 0, "ready")
    carol = await clients.native(clients.user("carol"))
    await carol.send_text(bob.user_id, "hello")
    await bob.received("hello")


KINDS = ["wasm", "js", "native"]


async def test_old_messages_are_shown_from_the_history(
    clients: Clients, databases: DatabaseServers, served: Server
) -> None:
    """
    When they have left the message store, a new device of any kind shows the whole conversation all the same.

    While the history is away it shows what is recent, no more: no gap that it would keep for ever, and no end. When the history is back,
    it shows the rest.
    """
    alice, bobs = await clients.native(clients.user("alice")), {kind: clients.user(f"bob-{kind}") for kind in KINDS}
    texts = [f"old {number}" for number in range(1, 61)]
    chats = [single_chat_id(alice.user_id, bob) for bob in bobs.values()]
    for bob in bobs.values():
        for text in texts:
            await alice.send_text(bob, text)
    for chat in chats:
        await asyncio.to_thread(until, lambda: history_of(databases, chat) == list(range(1, 61)), "history")  # noqa: B023 - waited for
    for chat in chats:
        await asyncio.to_thread(until, lambda: head_of(databases, chat) == 60, "head")  # noqa: B023 - waited for
        age(databases, chat, 50)
    served.kill_actor("PersistenceActor")  # a look for old messages follows its start
    for chat in chats:
        await asyncio.to_thread(until, lambda: recent(databases, chat) == list(range(51, 61)), "retention")  # noqa: B023 - waited for

    databases.kill(HISTORY)
    phones = {kind: await clients.open(kind, bob) for kind, bob in bobs.items()}
    for kind, phone in phones.items():
        assert (await _shown(phone, alice.user_id))[-10:] == texts[-10:], kind
    databases.start(HISTORY)
    async with asyncio.timeout(WAIT_SECONDS):
        for phone in phones.values():
            while await _shown(phone, alice.user_id) != texts:  # noqa: ASYNC110 - nobody tells that a store is back
                await asyncio.sleep(0.5)


async def _shown(client: Client, peer: str) -> list[str]:
    """Return what a device shows of a chat, as far as it can scroll back."""
    messages: list[Message] = []
    with contextlib.suppress(RequestError, CallError):
        page = await client.history(peer, 20)
        messages = page.messages
        while page.messages and not page.is_end:
            page = await client.history(peer, 20, messages[0])
            messages = page.messages + messages
    assert [message.seq for message in messages] == list(range(61 - len(messages), 61)), "no gap"
    return [message.text for message in messages]


def age(databases: DatabaseServers, chat: str, count: int) -> None:
    """Let the first messages of a chat have been stored twenty days ago."""
    with databases.mongod.client() as client:
        long_ago = Timestamp(int(time.time()) - 20 * 86_400, 1)
        client.openim.messages.update_many(
            {"conversation": chat, "seq": {"$lte": count}}, {"$set": {"stored_at": long_ago}}
        )


def head_of(databases: DatabaseServers, chat: str) -> int:
    """Return the newest seq that is noted of a chat; it follows the rows, and nothing above it is deleted."""
    with databases.mongod.client() as client:
        stream = client.openim.streams.find_one({"_id": chat})
        return int(stream["max_seq"]) if stream else 0


def recent(databases: DatabaseServers, chat: str) -> list[int]:
    """Return the seqs of a chat that the message store holds."""
    with databases.mongod.client() as client:
        return [int(row["seq"]) for row in client.openim.messages.find({"conversation": chat}).sort("seq", 1)]


def test_a_database_that_can_not_be_used_is_one_line(databases: DatabaseServers, tmp_path: Path) -> None:
    """Not what waiting mends: a newer schema."""
    url = databases.environment["OPENIM_STORAGE_DIRECTORY_URL"]
    set_revision = "UPDATE alembic_version_state SET version_num = %s RETURNING version_num"
    with psycopg.connect(url, autocommit=True) as connection:
        (known,) = connection.execute("SELECT version_num FROM alembic_version_state").fetchone() or ("",)
        connection.execute(set_revision, ["0999"])
        try:
            server = Server(tmp_path, environment=databases.environment)
            line = refusal(run(server, "up", "--ws-port", "0", "--api-port", "0"))
        finally:
            connection.execute(set_revision, [known])
    assert "(state) has schema 0999" in line
    assert "run a newer server" in line
