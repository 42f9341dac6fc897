"""Several actors of a kind, and inbox actors of single users: the same promises wherever an inbox lives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

from openim_ray.domain.conversation import single_chat_id
from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import (
    GetConversationsHasReadAndMaxSeqReq,
    GetConversationsHasReadAndMaxSeqResp,
)
from tests.e2e.server import CALL_SECONDS, Server
from tests.integration import kill_test
from tests.integration.connection import JS, NATIVE, PYPI, Connection
from tests.integration.measures import Operator, metric, until
from tests.integration.people import People
from tests.integration.watching import IPHONE, ask, sees, subscribe
from tests.integration.websocket import HttpAnswer

DEDICATED_MAX: Final = 3
SHARED: Final = "inbox-0"


@pytest.fixture(scope="module")
def wide_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two actors of each kind, on which a login ends those on its class of platform."""
    kinds = ("GATEWAY", "INBOXES", "PERSISTENCE")
    environment = {f"OPENIM_{kind}_ACTORS": "2" for kind in kinds} | {"OPENIM_AUTH_MULTI_LOGIN_POLICY": "4"}
    server = Server(tmp_path_factory.mktemp("wide"), environment=environment)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def wide_operator(wide_server: Server) -> Iterator[Operator]:
    """Somebody who asks where inboxes are on that server."""
    operator = Operator(wide_server)
    yield operator
    operator.close()


@pytest.fixture
async def wide(wide_server: Server) -> AsyncIterator[People]:
    """Users of that server."""
    people = People(wide_server)
    yield people
    await people.close()


def readiness(server: Server) -> tuple[int, dict[str, object]]:
    """Ask /readyz."""
    try:
        with urllib.request.urlopen(f"{server.api_url}/readyz", timeout=CALL_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


@pytest.fixture(scope="module")
def personal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which three active users have an inbox actor of their own, and a login ends all but those on PCs."""
    environment = {
        "OPENIM_AUTH_MULTI_LOGIN_POLICY": "5",
        "OPENIM_INBOXES_PLACEMENT": "per-user",
        "OPENIM_INBOXES_DEDICATED_ACTORS_MAX": str(DEDICATED_MAX),
    }
    server = Server(tmp_path_factory.mktemp("personal"), environment=environment)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def personal_operator(personal_server: Server) -> Iterator[Operator]:
    """Somebody who asks where inboxes are on that server."""
    operator = Operator(personal_server)
    yield operator
    operator.close()


@pytest.fixture
async def personal(personal_server: Server) -> AsyncIterator[People]:
    """Users of that server."""
    people = People(personal_server)
    yield people
    await people.close()


async def read_states(client: Connection) -> dict[str, tuple[int, int]]:
    """Ask 1006; returns (max seq, read seq) by conversation."""
    request = GetConversationsHasReadAndMaxSeqReq(userID=client.user_id)
    answer = await client.ask(RequestIdentifier.GET_CONV_MAX_READ_SEQ, request, GetConversationsHasReadAndMaxSeqResp)
    return {key: (seqs.maxSeq, seqs.hasReadSeq) for key, seqs in answer.seqs.items()}


async def exchange(one: Connection, other: Connection, count: int) -> None:
    """Let two users write to each other in turn; both must see it all, after what they saw before."""
    chat = single_chat_id(one.user_id, other.user_id)
    before = [len(client.pushes_of(chat)) for client in (one, other)]
    for number in range(count):
        await one.send_text(other.user_id, f"{number} from one")
        await other.send_text(one.user_id, f"{number} from other")
    for client, seen in zip((one, other), before, strict=True):
        pushes = await client.pushed(seen + 2 * count, chat)
        seqs = [push.seq for push in pushes]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def actors_of(operator: Operator, *clients: Connection) -> list[str]:
    """Return the actors that host users' inboxes."""
    found = await asyncio.to_thread(operator.describe, *(client.user_id for client in clients))
    return [one["actor"] for one in found]


async def position_of(operator: Operator, client: Connection) -> tuple[int, int]:
    """Return how far a user's inbox has counted."""
    (found,) = await asyncio.to_thread(operator.describe, client.user_id)
    return found["position"]["epoch"], found["position"]["seq"]


async def test_every_actor_must_answer_before_the_server_is_ready(wide_server: Server) -> None:
    """Whichever of them is stuck is named, whichever gateway is asked; and asking makes nobody's inbox active."""
    assert await asyncio.to_thread(readiness, wide_server) == (200, {"ready": True, "inbox": "ok", "persistence": "ok"})
    assert await asyncio.to_thread(metric, wide_server, "openim_inboxes_active") == 0
    for kind, part in (("InboxActor", "inbox"), ("PersistenceActor", "persistence")):
        named = set()
        for pid in wide_server.actors(kind):
            os.kill(pid, signal.SIGSTOP)
            try:
                status, body = await asyncio.to_thread(readiness, wide_server)
            finally:
                os.kill(pid, signal.SIGCONT)
            assert (status, body["ready"]) == (503, False)
            named.add(body[part])
            await until(lambda: readiness(wide_server)[0], lambda status: status == 200, "ready again")
        assert named == {f"{part}-{number}: no answer in 2 s" for number in range(2)}


async def test_calls_to_all_gateways_are_counted_on_one_page(wide_server: Server) -> None:
    """The system spreads connections over the gateways; whichever gets the question tells of the calls of both."""
    counted = lambda: metric(wide_server, "openim_api_calls_total")  # noqa: E731
    await asyncio.to_thread(wide_server.admin_token)
    before = await asyncio.to_thread(counted)
    for _ in range(20):
        await asyncio.to_thread(wide_server.call, "/user/account_check", {"checkUserIDs": ["imAdmin"]})
    after = [await asyncio.to_thread(counted) for _ in range(12)]
    assert after == [before + 20] * len(after)


async def test_users_of_all_shards_chat(wide: People, wide_operator: Operator) -> None:
    """Wherever inboxes, logs and connections live, everybody sees every chat, dense and in order."""
    clients = [await wide.connect(f"user{number}", (NATIVE, JS)[number % 2]) for number in range(8)]
    pairs = [(one, other) for index, one in enumerate(clients) for other in clients[index + 1 :]]
    await asyncio.gather(*(exchange(one, other, 3) for one, other in pairs))
    assert set(await actors_of(wide_operator, *clients)) == {"inbox-0", "inbox-1"}


async def test_a_login_kicks_whatever_gateway_holds_the_older_one(wide: People) -> None:
    """The policy counts connections of the user, not of a process."""
    first = await wide.connect("alice")
    for _ in range(4):
        second = await wide.connect(await wide.login(first.user_id))
        assert await first.ended() is None
        first = second
    await first.send_text(first.user_id, "alone")


async def test_policy_4_ends_a_login_of_the_same_class_whatever_gateway_holds_it(wide: People) -> None:
    """An iPhone's login ends the Android phone's connection and its token, and leaves page and PC alone."""
    phone = await wide.connect("alice", NATIVE)
    page = await wide.connect(await wide.login(phone.user_id, JS), JS)
    computer = await wide.connect(await wide.login(phone.user_id, PYPI), PYPI)
    iphone = await wide.connect(await wide.login(phone.user_id, IPHONE), IPHONE)
    assert await phone.ended() is None
    with pytest.raises(HttpAnswer, match="1506"):
        await wide.connect(phone.account, NATIVE)
    await iphone.send_text(phone.user_id, "still there?")
    for client in (page, computer, iphone):
        assert [push.text for push in await client.pushed(1)] == ["still there?"]


async def test_presence_is_seen_across_gateways_and_shards(wide: People, wide_operator: Operator) -> None:
    """Whoever holds the connection and whoever the inbox, who watches sees the rest come and go, and an administrator's list agrees."""
    watchers = [await wide.connect(f"watcher{number}", JS) for number in range(4)]
    accounts = [await wide.account(f"user{number}") for number in range(6)]
    names = [one.user_id for one in accounts]
    for watcher in watchers:
        assert await subscribe(watcher, *names) == {name: [] for name in names}
    clients = [await wide.connect(account) for account in accounts]
    for watcher in watchers:
        for name in names:
            await sees(watcher, name, int(NATIVE.platform), number=1)
    await clients[0].close()
    for watcher in watchers:
        await sees(watcher, names[0], number=2)
    found = await ask(wide, "/user/get_users_online_status", *names)
    assert [one["status"] for one in found] == [0, 1, 1, 1, 1, 1]
    assert set(await actors_of(wide_operator, *clients)) == {"inbox-0", "inbox-1"}


@pytest.mark.timeout(300)
async def test_kills_among_two_actors_of_each_kind(wide_server: Server) -> None:
    """One of two dies: what it hosts comes back, and what the other one hosts goes on."""
    report = await kill_test.run(wide_server, clients=12, kills=1, everything=0, seed=2)
    assert not report.faults, "\n".join([*report.faults, wide_server.actor_logs()])
    assert report.answered == report.stored
    assert report.seen == 2 * report.stored


@pytest.mark.timeout(300)
async def test_active_users_have_actors_of_their_own(personal: People, personal_operator: Operator) -> None:
    """
    Three do, the fourth shares; when one of the three has gone, her actor is given back for the next who comes.

    Messages, unread counts and positions survive every move.
    """
    server = personal.server
    inbox_actors = lambda: len(server.actors("InboxActor"))  # noqa: E731
    alice, bob, carol, dave = [await personal.connect(name) for name in ("alice", "bob", "carol", "dave")]
    hosts = await actors_of(personal_operator, alice, bob, carol, dave)
    assert len(set(hosts)) == DEDICATED_MAX + 1
    assert hosts[3] == SHARED
    await exchange(alice, bob, 5)
    await exchange(carol, dave, 5)
    await dave.send_text(alice.user_id, "unread")
    before = await read_states(alice)
    position = await position_of(personal_operator, alice)

    await alice.close()
    await until(inbox_actors, lambda count: count == DEDICATED_MAX + 1, "actors")
    await dave.close()
    dave = await personal.connect(dave.account)
    assert not {*await actors_of(personal_operator, dave)} & {*hosts}
    await until(inbox_actors, lambda count: count == DEDICATED_MAX + 1, "actors")
    await dave.send_text(alice.user_id, "also unread")

    alice = await personal.connect(alice.account)
    assert await actors_of(personal_operator, alice) == [SHARED]
    chat = single_chat_id(alice.user_id, dave.user_id)
    assert await read_states(alice) == {**before, chat: (2, 0)}
    assert await position_of(personal_operator, alice) >= position
    await exchange(alice, dave, 5)
    await exchange(bob, carol, 5)


async def test_policy_5_leaves_computers_alone(personal: People) -> None:
    """Of the others there is one at a time: a page's login ends the phone's, and a PC's ends nothing and is ended by nothing."""
    phone = await personal.connect("alice", NATIVE)
    computer = await personal.connect(await personal.login(phone.user_id, PYPI), PYPI)
    await phone.send_text(phone.user_id, "both")
    for client in (phone, computer):
        assert [push.text for push in await client.pushed(1)] == ["both"]
    page = await personal.connect(await personal.login(phone.user_id, JS), JS)
    assert await phone.ended() is None
    await page.send_text(phone.user_id, "still there?")
    assert [push.text for push in await computer.pushed(2)] == ["both", "still there?"]


async def test_presence_follows_an_inbox_that_moves(personal: People) -> None:
    """Who is watched while away is seen to come, though her inbox gets an actor of her own at that moment."""
    watcher = await personal.connect("watcher", JS)
    account = await personal.account("alice")
    assert await subscribe(watcher, account.user_id) == {account.user_id: []}
    alice = await personal.connect(account)
    await sees(watcher, account.user_id, int(NATIVE.platform), number=1)
    await alice.close()
    await sees(watcher, account.user_id, number=2)


@pytest.mark.timeout(300)
async def test_a_personal_actor_that_is_killed_comes_back(personal: People, personal_operator: Operator) -> None:
    """Its user's connection lives through it and misses nothing; the other users' actors don't notice."""
    server = personal.server
    alice, bob = await personal.connect("alice"), await personal.connect("bob")
    await exchange(alice, bob, 3)
    before = await read_states(alice)
    assert SHARED not in await actors_of(personal_operator, alice, bob)
    pids = set(server.actors("InboxActor"))
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        await exchange(alice, bob, 3)
    await until(lambda: len(set(server.actors("InboxActor")) - pids), lambda count: count == len(pids), "new actors")
    await exchange(alice, bob, 3)
    chat = single_chat_id(alice.user_id, bob.user_id)
    (max_seq, _), (max_before, _) = (await read_states(alice))[chat], before[chat]
    assert max_seq == max_before + 6 * (len(pids) + 1)
