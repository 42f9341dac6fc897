"""
Kills of real processes while 50 clients chat: `python -m tests.integration.kill_test --kills 20 --everything 5`; with `--circles 4 --aimed 5`
also while people change groups and relations.

In a round all clients write as fast as they are answered; at a seeded moment one actor, or every process of the server, is ended by
`kill -9`. It is over when all messages are answered and every client has seen all of its chats, each in the way of its kind. At the end the
store is read. Nothing is left out of the books: what was answered is in the store once, under dense seqs, as it was answered; every client saw exactly that; on a
connection that lived nothing was repeated or skipped. With circles (`change_books.py`) every change is in the books, too, and kills can be aimed
at what a change does after its commit: "InboxActor behind the append" is killed when a line is in the chat and its row in the outbox.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import select
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from openim_ray.domain.conversation import single_chat_id
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import intact
from openim_ray.storage.open import open_message_reader
from tests.e2e.server import Server
from tests.integration.change_books import Changing
from tests.integration.chat_client import ChatClient
from tests.integration.connection import KINDS, Account
from tests.integration.measures import until
from tests.integration.outbox_books import MOMENTS
from tests.servers.databases import HISTORY, MONGOD, POSTGRES, REDIS, DatabaseServers, database_servers

ACTORS: Final = ("GatewayActor", "InboxActor", "PersistenceActor", "SupervisorActor")
EVERYTHING: Final = "everything"
BOTH: Final = " and "
BEHIND: Final = " behind the "
AIMED_AT: Final = ("GatewayActor", "InboxActor", "PersistenceActor", EVERYTHING)
"""Who has to do with what follows a commit."""

STOPPED: Final = "stopped "
STOPPED_SECONDS_MAX: Final = 15.0
"""Longer than any call between actors may take: it is given up, and the actor comes back to life with what it had begun."""

DATABASES: Final = (MONGOD, POSTGRES, HISTORY, REDIS)
DATABASE_AWAY_SECONDS_MAX: Final = 3.0
UNANSWERED_MIN: Final = 50
DISTANCES: Final = (1, 1, 2, 5)
"""How far apart in the circle of clients those stand who write to each other, the nearest twice as often."""

WINDOW: Final = 6
"""Messages of one client that are on their way at once, where nothing else is said."""

KILL_WITHIN_SECONDS: Final = 0.5
"""When in a round the kill comes, at the latest."""

LOG_LINES: Final = 400

ROUND_SECONDS: Final = 90.0
"""Far above what a round takes; one that takes longer has stopped for ever."""


@dataclass
class Report:
    """What a run did and found; `faults` is empty or the run failed."""

    seed: int
    clients: int
    unanswered_at_kill: dict[str, list[int]] = field(default_factory=dict)
    answered: int = 0
    stored: int = 0
    kills: int = 0
    seen: int = 0
    chats: int = 0
    connects: int = 0
    made_to_sync: int = 0
    gap_pulls: int = 0
    long_gaps: int = 0
    temporary_errors: int = 0
    late_answers: int = 0
    in_time: dict[str, int] = field(default_factory=dict)
    """How many of the aimed kills came at the moment that they were aimed at."""

    changes: int = 0
    """Changes of groups and relations that were asked for until they were answered."""

    attempts: int = 0
    effects: int = 0
    lines: int = 0
    lines_seen: int = 0
    lists: int = 0
    round_seconds: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class KillTest:
    """A running server, its clients, and the books."""

    def __init__(
        self,
        server: Server,
        clients: int,
        seed: int,
        databases: DatabaseServers | None = None,
        circles: int = 0,
        window: int = WINDOW,
    ) -> None:
        self._server = server
        self._window = window
        self._databases = databases
        self._circles = circles
        self._changing: Changing | None = None
        self._random = random.Random(seed)
        self._changed = asyncio.Event()
        self._writing = asyncio.Event()
        self._clients: list[ChatClient] = []
        self._count = clients
        self._sent: Counter[str] = Counter()
        self.report = Report(seed, clients)

    async def open(self) -> None:
        """Connect the clients, of every kind."""
        for number in range(self._count):
            kind = KINDS[number % len(KINDS)]
            user_id = await asyncio.to_thread(self._server.add_user, f"user{number}")
            token = await asyncio.to_thread(self._server.token, user_id, kind.platform)
            account = Account(user_id, token, kind.platform)
            self._clients.append(ChatClient(self._server.ws_port, account, kind, self._changed.set))
        await asyncio.gather(*(client.connected() for client in self._clients))
        if self._circles:
            self._changing = Changing(self._server, self._clients, self._circles, self.report.seed)
            await self._changing.open()

    async def close(self) -> None:
        """End the clients."""
        if self._changing is not None:
            await self._changing.close()
        for client in self._clients:
            await client.close()

    # --- rounds

    async def round(self, victim: str) -> None:
        """Let all clients write, kill the victim meanwhile, and wait until everything has arrived."""
        loop = asyncio.get_running_loop()
        who, _, moment = victim.partition(BEHIND)
        pids = [await self._pid_of(one) for one in who.removeprefix(STOPPED).split(BOTH)]
        begin = loop.time()
        ends_before = self._ends()
        writers = [
            asyncio.create_task(self._write(index)) for index in range(len(self._clients)) for _ in range(self._window)
        ]
        callers = self._changing.callers if self._changing is not None else 0
        writers += [asyncio.create_task(self._change(caller)) for caller in range(callers)]
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                await self._kill(victim, pids, moment)
                self._writing.clear()
                await asyncio.gather(*writers)
                if self._changing is not None:
                    await self._changing.settle()
                await self._until(lambda: not self._missing())
        except TimeoutError:
            self.report.faults.append(f"after a kill of {victim}: {self._missing()}")
        if "GatewayActor" not in who and who != EVERYTHING and self._ends() != ends_before:
            self.report.faults.append(f"a kill of {victim} ended {self._ends() - ends_before} connections")
        self.report.round_seconds.setdefault(victim, []).append(round(loop.time() - begin, 1))

    async def _pid_of(self, victim: str) -> int:
        if victim == EVERYTHING or victim in DATABASES:
            return self._server.pid
        pids: list[int] = []

        def look() -> int:
            pids[:] = self._server.actors(victim)
            return len(pids)

        await until(look, lambda count: count > 0, f"{victim} that runs")
        return self._random.choice(pids)

    async def _write(self, index: int) -> None:
        """Send to neighbours, one after the other, until the kill and once more."""
        self._writing.set()
        while True:
            is_last = not self._writing.is_set()
            client = self._clients[index]
            peer = self._clients[(index + self._random.choice(DISTANCES)) % len(self._clients)]
            self._sent[single_chat_id(client.user_id, peer.user_id)] += 1
            await client.send(peer.user_id, "text")
            if is_last:
                return

    async def _change(self, caller: int) -> None:
        """Change groups or relations until the kill, and once more."""
        assert self._changing is not None
        await self._changing.change(caller, self._writing.is_set)
        self._changed.set()

    async def _kill(self, victim: str, pids: list[int], moment: str) -> None:
        await asyncio.sleep(self._random.uniform(0.02, KILL_WITHIN_SECONDS))
        await self._until(lambda: self._unanswered() >= UNANSWERED_MIN)
        self.report.unanswered_at_kill.setdefault(victim, []).append(self._unanswered())
        if moment:
            await self._kill_at(victim, pids, moment)
        elif victim == EVERYTHING:
            await asyncio.to_thread(self._server.kill_everything)
            await asyncio.to_thread(self._server.restart)
        elif victim in DATABASES:
            assert self._databases is not None
            self._databases.kill(victim)
            await asyncio.sleep(self._random.uniform(0, DATABASE_AWAY_SECONDS_MAX))
            await asyncio.wrap_future(self._databases.starting(victim))
        elif victim.startswith(STOPPED):
            os.kill(pids[0], signal.SIGSTOP)
            await asyncio.sleep(self._random.uniform(1.0, STOPPED_SECONDS_MAX))
            os.kill(pids[0], signal.SIGCONT)
        else:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)

    async def _kill_at(self, victim: str, pids: list[int], moment: str) -> None:
        assert self._changing is not None, "kills are aimed at changes"
        is_everything = victim.startswith(EVERYTHING)
        kill = self._server.kill_everything if is_everything else partial(_end, pids[0])
        is_in_time = await asyncio.to_thread(self._changing.books.strike, moment, kill)
        self.report.in_time[victim] = self.report.in_time.get(victim, 0) + is_in_time
        if is_everything:
            await asyncio.to_thread(self._server.restart)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _unanswered(self) -> int:
        return sum(client.unanswered for client in self._clients)

    def _ends(self) -> int:
        return sum(len(client.ends) for client in self._clients)

    def _missing(self) -> str:
        """Say what the first client lacks that lacks something; empty if none does."""
        if (unanswered := self._unanswered()) > 0:
            return f"{unanswered} messages are not answered"
        for client in self._clients:
            for chat, count in self._sent.items():
                if client.user_id in chat and len(client.seen.get(chat, ())) < count:
                    have = sorted(client.seen.get(chat, ()))
                    return f"{client.kind.name} {client.user_id} has {have[-5:]} of {chat}, which holds {count}"
        return self._changing.missing() if self._changing is not None else ""

    # --- books

    async def audit(self) -> None:
        """Compare the store with what was answered and seen."""
        report = self.report
        answered = {key: one for client in self._clients for key, one in client.answered.items()}
        reader = await open_message_reader(self._server.places)
        stored: Counter[str] = Counter()
        for chat, count in self._sent.items():
            rows = intact(await reader.read_range(ConversationID(chat), 1, 1 << 40, 1 << 20))
            if [row.seq for row in rows] != list(range(1, count + 1)):
                report.faults.append(f"{chat} holds seqs {[row.seq for row in rows][-5:]}…, {count} messages were sent")
            for row in rows:
                stored[row.client_id] += 1
                said = answered.get(row.client_id)
                if said is None or (said.chat, said.server_id, said.send_time) != (chat, row.server_id, row.send_time):
                    report.faults.append(f"stored {row.client_id} at {row.seq} of {chat} was answered as {said}")
            self._compare(chat, {row.seq: str(row.client_id) for row in rows})
        await reader.aclose()
        report.faults += [f"{key} is stored {count} times" for key, count in stored.items() if count > 1]
        report.faults += [f"answered {key} is not stored" for key in answered if key not in stored]
        report.faults += [f"{client.user_id}: {fault}" for client in self._clients for fault in client.faults]
        report.kills = sum(map(len, report.unanswered_at_kill.values()))
        report.answered, report.stored, report.chats = len(answered), stored.total(), len(self._sent)
        report.connects = sum(client.connects for client in self._clients)
        report.made_to_sync = sum(client.made_to_sync for client in self._clients)
        report.gap_pulls = sum(client.gap_pulls for client in self._clients)
        report.long_gaps = sum(client.long_gaps for client in self._clients)
        report.temporary_errors = sum(client.temporary_errors for client in self._clients)
        report.late_answers = sum(client.late_answers for client in self._clients)
        if self._changing is not None:
            await self._audit_changes(self._changing)

    async def _audit_changes(self, changing: Changing) -> None:
        report = self.report
        figures = await changing.audit()
        report.faults += changing.faults
        report.changes, report.attempts, report.effects = figures.changes, figures.attempts, figures.committed
        report.lines, report.lines_seen, report.lists = figures.lines, figures.lines_seen, figures.lists

    def _compare(self, chat: str, rows: dict[int, str]) -> None:
        for client in self._clients:
            if client.user_id in chat:
                seen = client.seen.get(chat, {})
                self.report.seen += len(seen)
                if seen != rows:
                    wrong = sorted(seq for seq in {*rows, *seen} if rows.get(seq) != seen.get(seq))
                    self.report.faults.append(f"{client.user_id} saw {chat} otherwise at {wrong[:5]}")


def _end(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)


async def run(
    server: Server,
    *,
    clients: int,
    kills: int,
    everything: int,
    seed: int,
    pairs: int = 0,
    stops: int = 0,
    databases: DatabaseServers | None = None,
    circles: int = 0,
    aimed: Sequence[str] = (),
    window: int = WINDOW,
    is_over: asyncio.Event | None = None,
) -> Report:
    """
    Run on a server that is up; `kills` of each actor and database server, `pairs` of each two actors at once, `stops` of each, in
    seeded order. With `circles` groups and relations are changed meanwhile, and `aimed` names kills at their moments. Each client has `window`
    messages on their way. Set, `is_over` ends it after the round that it is in.
    """
    test = KillTest(server, clients, seed, databases, circles, window)
    victims = [actor for actor in ACTORS for _ in range(kills)] + [EVERYTHING] * everything
    victims += [database for database in (databases.names if databases else ()) for _ in range(kills)]
    victims += [BOTH.join(two) for two in itertools.combinations(ACTORS, 2) for _ in range(pairs)]
    victims += [STOPPED + actor for actor in ACTORS for _ in range(stops)]
    victims += aimed
    random.Random(seed).shuffle(victims)
    try:
        await test.open()
        for victim in victims:
            await test.round(victim)
            if test.report.faults or (is_over is not None and is_over.is_set()):
                break
        await test.audit()
    finally:
        await test.close()
    return test.report


async def _run_until_interrupted(
    server: Server, databases: DatabaseServers | None, arguments: Mapping[str, Any]
) -> Report:
    """Run; Ctrl-C ends it with the round that it is in, and the report tells of the rounds that were."""
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, is_over.set)
    return await run(server, databases=databases, is_over=is_over, **arguments)


def main() -> int:
    """Run by hand, print the report as JSON, and return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20, help="of each actor")
    parser.add_argument("--everything", type=int, default=5, help="kills of all processes at once")
    parser.add_argument("--pairs", type=int, default=0, help="kills of each two actors at once")
    parser.add_argument("--stops", type=int, default=0, help="of each actor, for some seconds (SIGSTOP)")
    parser.add_argument("--circles", type=int, default=0, help="groups that are changed meanwhile, and pairs of people")
    parser.add_argument(
        "--aimed", type=int, default=0, help="kills at each moment of a change's effect, of each who has to do with it"
    )
    parser.add_argument(
        "--servers", action="store_true", help="on MongoDB, PostgreSQL and Redis, which are killed, too"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    arguments = vars(options)
    if options.aimed and not options.circles:
        parser.error("--aimed needs --circles")
    arguments["aimed"] = [who + BEHIND + moment for who in AIMED_AT for moment in MOMENTS] * options.aimed
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        databases = None
        if arguments.pop("servers"):
            databases = stack.enter_context(database_servers(Path(folder)))
        server = Server(Path(folder) / "server", environment=databases.environment if databases else None)
        server.start()
        try:
            report = asyncio.run(_run_until_interrupted(server, databases, arguments))
            if report.faults:
                print(server.log_tail(), server.actor_logs(LOG_LINES), sep="\n", file=sys.stderr)
        finally:
            if server.running:
                server.kill_everything()
    print(json.dumps(asdict(report)))
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
