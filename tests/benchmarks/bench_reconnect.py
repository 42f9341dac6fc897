"""
Measure what each step of a reconnect with nothing new costs the server, by process: prints JSON.

Run: python -m tests.benchmarks.bench_reconnect [--clients 100] [--times 300]

Each step is repeated by itself, one after the other, with nothing else to do; what the server costs while it idles is taken off.
`whole` is all of them in the order of a Go SDK. CPU milliseconds for one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from openim_ray.protocol.identifiers import RequestIdentifier
from openim_ray.protocol.pb.msg_pb2 import GetConversationsHasReadAndMaxSeqReq
from openim_ray.protocol.pb.sdkws_pb2 import GetMaxSeqReq, SubUserOnlineStatus
from tests.benchmarks.bench_people import WATCHED, People, first_sync, lists_unchanged, nothing_changed, started
from tests.e2e.server import Server
from tests.integration.connection import NATIVE, Account, Connection, connect

IDLE_SECONDS = 4.0
TICKS = os.sysconf("SC_CLK_TCK")

Step = Callable[[int], Awaitable[object]]


class Processes:
    """The CPU seconds of a server's processes, by what they are."""

    def __init__(self, server: Server) -> None:
        self._titles = {server.pid: "up", **server.processes()}

    def used(self) -> Counter[str]:
        """Return utime and stime so far."""
        seconds: Counter[str] = Counter()
        for pid, title in self._titles.items():
            seconds[_name(title)] += _cpu_seconds(pid)
        return seconds


class Steps:
    """Clients of a server, each watched by `WATCHED` others, and what they do when they come back."""

    def __init__(self, server: Server, people: People, ids: list[str], tokens: dict[str, str]) -> None:
        self._server = server
        self._people = people
        self._ids = ids
        self._tokens = tokens
        self._versions: dict[str, dict[str, tuple[str, int]]] = {}
        self._connections: list[Connection] = []

    async def prepare(self) -> None:
        """Let all of them connect."""
        synced = await asyncio.gather(*(first_sync(self._people, one, self._tokens[one]) for one in self._ids))
        self._versions = dict(zip(self._ids, synced, strict=True))
        self._connections = list(await asyncio.gather(*map(self._connect, range(len(self._ids)))))
        for number in range(len(self._ids)):
            await self.newest(number)
            await self.watch(number)

    async def leave(self) -> None:
        """Hang up."""
        await asyncio.gather(*(one.close() for one in self._connections))

    async def connect(self, number: int) -> None:
        """Come back, and ask nothing."""
        await self._connections[number].close()
        self._connections[number] = await self._connect(number)

    async def connect_and_ask(self, number: int) -> None:
        """Come back, and ask the newest seqs."""
        await self.connect(number)
        await self.newest(number)

    async def newest(self, number: int) -> None:
        """Ask 1001."""
        request = GetMaxSeqReq(userID=self._ids[number])
        await self._connections[number].answer(RequestIdentifier.GET_NEWEST_SEQ, request.SerializeToString())

    async def read_seqs(self, number: int) -> None:
        """Ask 1006."""
        request = GetConversationsHasReadAndMaxSeqReq(userID=self._ids[number])
        await self._connections[number].answer(RequestIdentifier.GET_CONV_MAX_READ_SEQ, request.SerializeToString())

    async def watch(self, number: int) -> None:
        """Subscribe to the presence of others."""
        watched = [self._ids[(number + step) % len(self._ids)] for step in range(1, WATCHED + 1)]
        request = SubUserOnlineStatus(subscribeUserID=watched)
        await self._connections[number].answer(RequestIdentifier.SUB_USER_ONLINE_STATUS, request.SerializeToString())

    async def profile(self, number: int) -> None:
        """Fetch the own profile."""
        me = self._ids[number]
        await self._people.call("/user/get_users_info", {"userIDs": [me]}, self._tokens[me])

    async def black_list(self, number: int) -> None:
        """Fetch the black list."""
        me = self._ids[number]
        page = {"pageNumber": 1, "showNumber": 200}
        await self._people.call("/friend/get_black_list", {"userID": me, "pagination": page}, self._tokens[me])

    async def lists(self, number: int) -> None:
        """Ask the three incremental lists."""
        me = self._ids[number]
        await lists_unchanged(self._people, me, self._tokens[me], self._versions[me])

    async def whole(self, number: int) -> None:
        """Come back and ask everything."""
        await self.connect_and_ask(number)
        await self.watch(number)
        me = self._ids[number]
        await nothing_changed(self._people, self._tokens[me], self._connections[number], self._versions[me])

    async def _connect(self, number: int) -> Connection:
        me = self._ids[number]
        return await connect(self._server.ws_port, Account(me, self._tokens[me], int(NATIVE.platform)), NATIVE)


async def measure(server: Server, clients: int, times: int) -> dict[str, Any]:
    """Return what each step costs."""
    async with aiohttp.ClientSession() as session:
        people = People(server, session)
        ids = await people.register(clients)
        tokens = dict(zip(ids, await asyncio.gather(*map(people.token, ids)), strict=True))
        steps = Steps(server, people, ids, tokens)
        await steps.prepare()
        processes = Processes(server)
        await asyncio.sleep(IDLE_SECONDS)
        began, before = time.monotonic(), processes.used()
        await asyncio.sleep(IDLE_SECONDS)
        idle = _each(processes.used(), before, time.monotonic() - began)
        figures: dict[str, Any] = {"idle_ms_per_second": _rounded(idle)}
        measured: list[Step] = [
            steps.connect_and_ask,
            steps.newest,
            steps.read_seqs,
            steps.watch,
            steps.profile,
            steps.black_list,
            steps.lists,
            steps.whole,
        ]
        for step in measured:
            figures[step.__name__] = await _cost(step, processes, idle, clients, times)
        await steps.leave()
        return figures


async def _cost(step: Step, processes: Processes, idle: dict[str, float], clients: int, times: int) -> dict[str, float]:
    for number in range(10):
        await step(number % clients)
    began, before = time.monotonic(), processes.used()
    for number in range(times):
        await step(number % clients)
    seconds, used = time.monotonic() - began, processes.used()
    cost = _each(used, before, times)
    return _rounded({name: cost[name] - idle[name] * seconds / times for name in cost})


def _each(after: Counter[str], before: Counter[str], count: float) -> dict[str, float]:
    return {name: (after[name] - before[name]) * 1000 / count for name in after}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    shown = {name: round(value, 2) for name, value in figures.items() if value >= 0.05}
    return {"all": round(sum(figures.values()), 2), **shown}


def _name(title: str) -> str:
    return title.removeprefix("ray::").split(".")[0].split(":")[0] if title.startswith("ray::") else _program(title)


def _program(title: str) -> str:
    return "up" if title == "up" else "Ray"


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Measure, print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_reconnect", description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--times", type=int, default=300)
    options = parser.parse_args()
    with started({}) as server:
        figures = asyncio.run(measure(server, options.clients, options.times))
    json.dump(figures, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
