"""
Measure what people and groups cost: prints JSON.

Run: python -m tests.benchmarks.bench_people [--databases] [--members 100000] [--online 1000] [--reconnecting 2000 --rounds 3]

- `create_and_invite`: a group of 1,000, made with 500 members and one invitation of the others.
- `login_sync`: everything that a Go SDK asks at its first login, for a user with 1,000 friends, 100 groups and 1,100 conversations; and at a later one,
  with nothing changed. `statements`: how many the stores are asked, looked at apart.
- `large_group`: one text into a group with many members of whom some are connected.
- `reconnects`: clients that connect again every 30 s with nothing new and ask what a Go SDK asks then, each of them watched by 50 others; and how
  long messages of others take meanwhile, and before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import GetConversationsHasReadAndMaxSeqReq
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqReq, GetMaxSeqResp, MsgData, SubUserOnlineStatus
from tests.benchmarks.statements import Statements, counted_api
from tests.e2e.server import Server
from tests.integration.connection import NATIVE, Account, Connection, Push, connect, text_message
from tests.servers.databases import database_servers

TICKS = os.sysconf("SC_CLK_TCK")
AT_ONCE = 50
WATCHED = 50
ROUND_SECONDS = 30.0
PUSH_SECONDS = 60.0
TALK_SECONDS = 0.05
TALK_TEXTS = 400
PING_TEXTS = 100
"""So often the receiver, who says nothing, sends a ping: about every five seconds (OpenIM wire, §2.6)."""

TEXT = 101


class Usage:
    """CPU seconds and memory of all processes of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def cpu_seconds(self) -> float:
        """Return utime and stime of all of them so far."""
        return sum(self._seconds(pid) for pid in [self._server.pid, *self._server.processes()])

    def memory_mb(self) -> float:
        """Return their proportional set sizes."""
        return round(sum(_pss_kb(pid) for pid in [self._server.pid, *self._server.processes()]) / 1024, 1)

    def _seconds(self, pid: int) -> float:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / TICKS


class People:
    """
    Users of a server, made through its API, which is called over a few kept connections.
    """

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self.api_url = server.api_url
        self._admin = server.admin_token()
        self._room = asyncio.Semaphore(AT_ONCE)
        self.bytes_read = 0

    async def call(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        """Call the API; RuntimeError if it refuses."""
        headers = {"operationID": uuid.uuid4().hex, "token": token or self._admin}
        async with self._room, self._session.post(self.api_url + path, json=body, headers=headers) as response:
            data = await response.read()
        self.bytes_read += len(data)
        answer = json.loads(data)
        if answer["errCode"]:
            raise RuntimeError(f"{path}: {answer}")
        return dict(answer.get("data") or {})

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[Statements]:
        """Let calls go to an API over the same stores, which counts the statements; what is asked by WebSocket puts none, as inboxes know it."""
        async with counted_api(self._server) as (self.api_url, statements):
            yield statements
        self.api_url = self._server.api_url

    async def register(self, count: int) -> list[str]:
        """Make accounts and return their ids."""
        prefix = uuid.uuid4().hex[:8]
        ids = [f"{prefix}{number:06d}" for number in range(count)]
        for some in _in_parts(ids, 5_000):
            users = [{"userID": user_id, "nickname": f"user {user_id}", "faceURL": ""} for user_id in some]
            await self.call("/user/user_register", {"users": users})
        return ids

    async def token(self, user_id: str) -> str:
        """Return a token of a user."""
        body = {"userID": user_id, "platformID": int(NATIVE.platform)}
        return str((await self.call("/auth/get_user_token", body))["token"])

    async def group(self, owner: str, members: Sequence[str], invited_at_once: int = 500) -> str:
        """Make a group and return its id."""
        first, rest = members[:500], members[500:]
        info = {"groupName": "bench", "groupType": 2}
        body = {"memberUserIDs": first, "adminUserIDs": [], "ownerUserID": owner, "groupInfo": info}
        group_id = str((await self.call("/group/create_group", body))["groupInfo"]["groupID"])
        for some in _in_parts(rest, invited_at_once):
            body = {"groupID": group_id, "reason": "bench", "invitedUserIDs": some}
            await self.call("/group/invite_user_to_group", body)
        return group_id

    async def connect(self, user_id: str, token: str, on_push: Callable[[Push], None] | None = None) -> Connection:
        """Connect a native client and let it ask its newest seqs, as SDKs do."""
        async with self._room:
            account = Account(user_id, token, int(NATIVE.platform))
            connection = await connect(self._server.ws_port, account, NATIVE, on_push=on_push)
            await connection.ask(RequestIdentifier.GET_NEWEST_SEQ, GetMaxSeqReq(userID=user_id), GetMaxSeqResp)
        return connection


async def create_and_invite(people: People, usage: Usage) -> dict[str, Any]:
    """Make a group of 1,000."""
    ids = await people.register(1_001)
    began, cpu = time.monotonic(), usage.cpu_seconds()
    await people.group(ids[0], ids[1:])
    return {"seconds": round(time.monotonic() - began, 3), "cpu_s": round(usage.cpu_seconds() - cpu, 2)}


async def login_sync(people: People, usage: Usage) -> dict[str, Any]:
    """Sync a user with much."""
    friends, groups = 1_000, 100
    me, *others = await people.register(friends + 1)
    token = await people.token(me)
    for some in _in_parts(others, 100):
        await people.call("/friend/import_friend", {"ownerUserID": me, "friendUserIDs": some})
    connection = await people.connect(me, token)
    for some in _in_parts(others, AT_ONCE):
        await asyncio.gather(*(connection.send_text(friend, "bench") for friend in some))
    await asyncio.gather(
        *(people.group(others[number], [me, *others[number + 1 : number + 10]]) for number in range(groups))
    )
    await _settled(usage)
    first, versions = await _timed(people, usage, lambda: first_sync(people, me, token))
    later, _ = await _timed(people, usage, lambda: nothing_changed(people, token, connection, versions))
    lists, _ = await _timed(people, usage, lambda: lists_unchanged(people, me, token, versions))
    async with people.counted() as statements:
        first["statements"] = await _counted(statements, lambda: first_sync(people, me, token))
        later["statements"] = await _counted(statements, lambda: nothing_changed(people, token, connection, versions))
        lists["statements"] = await _counted(statements, lambda: lists_unchanged(people, me, token, versions))
    await connection.close()
    return {"first": first, "later": later, "of_these_the_three_incremental_lists": lists}


async def large_group(people: People, usage: Usage, members: int, online: int) -> dict[str, Any]:
    """Send one text after the other into a large group."""
    ids = await people.register(members)
    began = time.monotonic()
    group_id = await people.group(ids[0], ids[1:], invited_at_once=1_000)
    made_seconds = time.monotonic() - began
    seen, everybody = [0], asyncio.Event()

    def on_push(push: Push) -> None:
        seen[0] += push.message.contentType == TEXT
        if seen[0] % online == 0:
            everybody.set()

    async def come(user_id: str) -> Connection:
        return await people.connect(user_id, await people.token(user_id), on_push)

    connections = await asyncio.gather(*(come(user_id) for user_id in ids[:online]))
    await _settled(usage)
    memory, texts = usage.memory_mb(), 20
    cpu, began = usage.cpu_seconds(), time.monotonic()
    for number in range(texts):
        everybody.clear()
        await connections[0].send_message(_group_text(ids[0], group_id, str(number)))
        async with asyncio.timeout(PUSH_SECONDS):
            await everybody.wait()
    seconds = time.monotonic() - began
    figures = {
        "members": members,
        "online": online,
        "made_seconds": round(made_seconds, 1),
        "ms_per_text": round(seconds * 1000 / texts, 1),
        "cpu_ms_per_text": round((usage.cpu_seconds() - cpu) * 1000 / texts, 1),
        "delivered": seen[0],
        "expected": texts * online,
        "memory_mb": memory,
    }
    await asyncio.gather(*(one.close() for one in connections))
    return figures


async def reconnects(people: People, usage: Usage, clients: int, rounds: int) -> dict[str, Any]:
    """Let clients come back again and again, with nothing new."""
    ids = await people.register(clients)
    tokens = dict(zip(ids, await asyncio.gather(*map(people.token, ids)), strict=True))

    async def come(number: int) -> Connection:
        connection = await people.connect(ids[number], tokens[ids[number]])
        watched = [ids[(number + step) % clients] for step in range(1, WATCHED + 1)]
        data = SubUserOnlineStatus(subscribeUserID=watched)
        await connection.answer(RequestIdentifier.SUB_USER_ONLINE_STATUS, data.SerializeToString())
        return connection

    async def come_back(number: int) -> Connection:
        connection = await come(number)
        await nothing_changed(people, tokens[ids[number]], connection, versions[ids[number]])
        return connection

    synced = await asyncio.gather(*(first_sync(people, one, tokens[one]) for one in ids))
    versions = dict(zip(ids, synced, strict=True))
    connections = list(await asyncio.gather(*map(come, range(clients))))
    await _settled(usage)
    cpu, began = usage.cpu_seconds(), time.monotonic()
    before = await _talk(people, TALK_TEXTS)
    talking = (usage.cpu_seconds() - cpu) / (time.monotonic() - began)
    memory, cpu, start = [usage.memory_mb()], usage.cpu_seconds(), time.monotonic()
    talk = asyncio.create_task(_talk(people, round(rounds * ROUND_SECONDS / TALK_SECONDS)))
    for _ in range(rounds):
        began = time.monotonic()
        for number in range(clients):
            await connections[number].close()
            connections[number] = await come_back(number)
            due = began + ROUND_SECONDS * number / clients
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        memory.append(usage.memory_mb())
    others = {"before": before, "meanwhile": await talk}
    reconnecting = usage.cpu_seconds() - cpu - talking * (time.monotonic() - start)
    figures = {
        "clients": clients,
        "watched_by_each": WATCHED,
        "rounds": rounds,
        "cpu_ms_per_reconnect": round(reconnecting * 1000 / (clients * rounds), 2),
        "memory_mb": memory,
        "others": others,
    }
    await asyncio.gather(*(one.close() for one in connections))
    return figures


async def _talk(people: People, count: int) -> dict[str, float]:
    """Let somebody send texts, one after the other, and return how long they took to arrive."""
    sender, receiver = await people.register(2)
    arrived: asyncio.Queue[float] = asyncio.Queue(count)
    took = []

    def on_push(push: Push) -> None:
        if push.message.contentType == TEXT:
            arrived.put_nowait(time.monotonic())

    one = await people.connect(sender, await people.token(sender))
    other = await people.connect(receiver, await people.token(receiver), on_push)
    for number in range(count):
        if number % PING_TEXTS == 0:
            other.ping()
        began = time.monotonic()
        await one.send_text(receiver, str(number))
        async with asyncio.timeout(PUSH_SECONDS):
            took.append((await arrived.get() - began) * 1000)
        await asyncio.sleep(max(0.0, began + TALK_SECONDS - time.monotonic()))
    await asyncio.gather(one.close(), other.close())
    took.sort()
    return {"texts": count, "p50_ms": round(took[count // 2], 1), "p99_ms": round(took[count * 99 // 100], 1)}


async def _timed(people: People, usage: Usage, work: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    """Run something twenty times, after a first time, and return what one run costs, and what it returned last."""
    await work()
    runs, read, cpu, began = 20, people.bytes_read, usage.cpu_seconds(), time.monotonic()
    for _ in range(runs):
        result = await work()
    return {
        "ms": round((time.monotonic() - began) * 1000 / runs, 1),
        "cpu_ms": round((usage.cpu_seconds() - cpu) * 1000 / runs, 2),
        "bytes": round((people.bytes_read - read) / runs),
    }, result


async def _counted(statements: Statements, work: Callable[[], Any]) -> int:
    """Return how many statements something puts, which has run before."""
    await work()
    before = statements.count
    await work()
    return statements.count - before


async def first_sync(people: People, me: str, token: str) -> dict[str, tuple[str, int]]:
    """Fetch everything that a fresh installation fetches (OpenIM wire, §6.6.2); returns the versions."""
    versions = {}
    for name, (path, pages, ids) in _LISTS.items():
        answer = await people.call(path, {"userID": me, "versionID": "", "version": 0}, token)
        versions[name] = (str(answer["versionID"]), int(answer["version"]))
        number, more = 1, True
        while more:
            page = {"pageNumber": number, "showNumber": 100}
            rows = await people.call(pages, {"userID": me, "fromUserID": me, "pagination": page}, token)
            more = any(isinstance(value, list) and len(value) == 100 for value in rows.values())
            number += 1
        await people.call(ids, {"userID": me, "idHash": 0}, token)
    return versions


async def nothing_changed(
    people: People, token: str, connection: Connection, versions: dict[str, tuple[str, int]]
) -> None:
    """Ask what a client asks that knows everything (OpenIM wire, §8.3); its connection has asked its newest seqs."""
    me = connection.user_id
    await connection.answer(
        RequestIdentifier.GET_CONV_MAX_READ_SEQ, GetConversationsHasReadAndMaxSeqReq(userID=me).SerializeToString()
    )
    await people.call("/user/get_users_info", {"userIDs": [me]}, token)
    page = {"pageNumber": 1, "showNumber": 200}
    await people.call("/friend/get_black_list", {"userID": me, "pagination": page}, token)
    await lists_unchanged(people, me, token, versions)


async def lists_unchanged(people: People, me: str, token: str, versions: dict[str, tuple[str, int]]) -> None:
    """Ask the three incremental lists of a client that knows everything."""
    for name, (path, _pages, _ids) in _LISTS.items():
        version_id, version = versions[name]
        await people.call(path, {"userID": me, "versionID": version_id, "version": version}, token)


_LISTS = {
    "friends": ("/friend/get_incremental_friends", "/friend/get_friend_list", "/friend/get_full_friend_user_ids"),
    "groups": ("/group/get_incremental_join_groups", "/group/get_joined_group_list", "/group/get_full_join_group_ids"),
    "conversations": (
        "/conversation/get_incremental_conversations",
        "/conversation/get_owner_conversation",
        "/conversation/get_full_conversation_ids",
    ),
}


def _group_text(sender: str, group_id: str, text: str) -> MsgData:
    return text_message(sender, "", text, groupID=group_id, sessionType=3)


def _in_parts(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), size):
        yield ids[first : first + size]


async def _settled(usage: Usage) -> None:
    """Wait until the server is idle, a minute at most."""
    for _ in range(60):
        before = usage.cpu_seconds()
        await asyncio.sleep(1)
        if usage.cpu_seconds() - before < 0.15:
            return


def _pss_kb(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")), 0)


async def measure(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """Return all figures of one server."""
    usage = Usage(server)
    async with aiohttp.ClientSession() as session:
        people = People(server, session)
        return {
            "create_and_invite": await create_and_invite(people, usage),
            "login_sync": await login_sync(people, usage),
            "large_group": await large_group(people, usage, options.members, options.online),
            "reconnects": await reconnects(people, usage, options.reconnecting, options.rounds),
        }


@contextmanager
def started(environment: dict[str, str]) -> Iterator[Server]:
    """Lend a server that admits so many connections of one address."""
    with tempfile.TemporaryDirectory() as folder:
        limits = {"OPENIM_GATEWAY_CONNECTIONS_PER_ADDRESS_MAX": "100000"}
        server = Server(Path(folder), environment={**environment, **limits})
        server.start()
        try:
            yield server
        finally:
            server.stop()


def main() -> None:
    """Measure, print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_people", description=__doc__)
    parser.add_argument("--databases", action="store_true", help="on database servers, too")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--online", type=int, default=1_000)
    parser.add_argument("--reconnecting", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    result: dict[str, Any] = {}
    with started({}) as server:
        result["SQLite"] = asyncio.run(measure(server, options))
    if options.databases:
        with (
            tempfile.TemporaryDirectory() as folder,
            database_servers(Path(folder)) as databases,
            started(databases.environment) as server,
        ):
            result["database servers"] = asyncio.run(measure(server, options))
    json.dump(result, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
