"""
People who change groups and relations over HTTP while a server is killed, and the books of it: what was answered, what was committed to the
outbox, what the directory holds, which lines stand in which chat, and what every device has seen and lists.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import aiohttp

from openim_ray.core.effects import Effect
from openim_ray.domain import errors
from openim_ray.domain.group import GroupStatus
from openim_ray.domain.ids import ConversationID
from openim_ray.domain.message import intact
from openim_ray.ports import MessageReader
from openim_ray.protocol.identifiers import Platform
from openim_ray.storage.open import open_directory_store, open_message_reader
from openim_ray.transactions import DirectoryView
from tests.e2e.server import Server
from tests.integration.changes import Change, Circle, GroupState, State, of_pair
from tests.integration.chat_client import ChatClient
from tests.integration.connection import JS, NATIVE, Account, Kind
from tests.integration.list_sync import FRIENDS, GROUPS, MEMBERS, ListSync, Routes
from tests.integration.outbox_books import OutboxBooks, Recorded, outbox_books

CALL_SECONDS: Final = 15.0
PAUSE_SECONDS: Final = 0.1
TEMPORARY_CODES: Final = frozenset({errors.Unavailable.code, errors.Overloaded.code})
CIRCLE: Final = 8
"""How many people share a group."""

SYNCED_AGAIN: Final = 4
"""One of so many lists is synced after each round, all at the end."""


class Figures(NamedTuple):
    """What was counted."""

    changes: int
    attempts: int
    committed: int
    lines: int
    lines_seen: int
    lists: int


class Changing:
    """
    The callers on a running server, and the books. `faults` must stay empty.

    Args:
        server: the server.
        clients: the devices of those who take part.
        circles: how many groups are changed at a time; as many pairs of people change how they stand to each other.
        seed: of what they do.
    """

    def __init__(self, server: Server, clients: Sequence[ChatClient], circles: int, seed: int) -> None:
        self.books: OutboxBooks = outbox_books(server.places)
        self.faults: list[str] = []
        self._server = server
        self._clients = {client.user_id: client for client in clients}
        self._random = random.Random(seed)
        people = [client.account for client in clients]
        self._circles = [
            Circle([people[(CIRCLE // 2 * number + one) % len(people)] for one in range(CIRCLE)], seed + number)
            for number in range(circles)
        ]
        # Half of the circle apart nobody chats: in these chats stand the lines of friendships alone.
        pairs = [(people[number], people[number + len(people) // 2]) for number in range(circles)]
        self._pairs = [(one.user_id, other.user_id) for one, other in pairs]
        self._programs: list[Iterator[Change]] = [
            *(circle.of_owner() for circle in self._circles),
            *(circle.of_admin() for circle in self._circles),
            *(of_pair(one, other) for one, other in pairs),
        ]
        self._done: list[list[Change]] = [[] for _ in self._programs]
        self._by_operation: dict[str, Change] = {}
        self._lists: dict[tuple[str, Routes, str], ListSync] = {}
        self._to_see: list[tuple[str, ChatClient, set[int]]] = []
        """Chat, device and seqs that this one has to have; what it has is left out."""

        self._pulled = asyncio.Event()
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(CALL_SECONDS))

    @property
    def callers(self) -> int:
        """How many callers there are."""
        return len(self._programs)

    async def open(self) -> None:
        """Record the outbox, and make the groups."""
        await asyncio.to_thread(self.books.begin)
        await asyncio.gather(*(self._step(number) for number in range(len(self._circles))))

    async def close(self) -> None:
        """Let go."""
        await self._session.close()
        await asyncio.to_thread(self.books.close)

    # --- rounds

    async def change(self, caller: int, goes_on: Callable[[], bool]) -> None:
        """Let one caller make changes as long as that is wanted, and one more."""
        while goes_on():
            await self._step(caller)
        await self._step(caller)

    async def settle(self) -> None:
        """Wait until nothing waits in the outbox; then what lines there must be is known. Some lists are synced."""
        while await asyncio.to_thread(self.books.waiting):  # noqa: ASYNC110 - another process deletes them
            await asyncio.sleep(PAUSE_SECONDS)
        chats = _chats(await asyncio.to_thread(self.books.committed))
        self._to_see = [
            (chat.chat_id, client, _seat(chat.effects, client.user_id).to_see)
            for chat in chats
            for client in self._clients.values()
        ]
        lists = self._wanted_lists()
        await asyncio.gather(*(one.sync() for one in self._random.sample(lists, len(lists) // SYNCED_AGAIN)))

    def missing(self) -> str:
        """Say what the first device lacks that lacks a line; empty if none does."""
        while self._to_see:
            chat_id, client, to_see = self._to_see[-1]
            if lacks := to_see - client.seen.get(chat_id, {}).keys():
                return f"{client.kind.name} {client.user_id} lacks {sorted(lacks)[:5]} of {chat_id}"
            self._to_see.pop()
        return ""

    async def _step(self, caller: int) -> None:
        change = next(self._programs[caller])
        self._done[caller].append(change)
        while not change.is_answered:
            operation_id = uuid.uuid4().hex
            change.attempts.append(operation_id)
            self._by_operation[operation_id] = change
            code, _ = await self._call(change.path, change.body, change.caller.token, operation_id)
            if code == 0 or (code == change.refusal and len(change.attempts) > 1):
                change.is_answered = True
            elif code is not None and code not in TEMPORARY_CODES:
                self.faults.append(f"{change.path} of {change.caller.user_id} was refused with {code}: {change.body}")
                return
            else:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _call(
        self, path: str, body: Mapping[str, object], token: str, operation_id: str
    ) -> tuple[int | None, dict[str, Any]]:
        """Return the code of an answer and its data; no code if there was no answer."""
        headers = {"operationID": operation_id, "token": token}
        try:
            async with self._session.post(self._server.api_url + path, json=body, headers=headers) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None, {}
        return int(answer["errCode"]), answer.get("data") or {}

    async def _answer(self, token: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Return the data of an answer, asked for again and again."""
        while True:
            code, data = await self._call(path, body, token, uuid.uuid4().hex)
            if code == 0:
                return data
            if code is not None and code not in TEMPORARY_CODES:
                raise AssertionError(f"{path} was refused with {code}: {body}")
            await asyncio.sleep(PAUSE_SECONDS)

    # --- lists

    def _wanted_lists(self) -> list[ListSync]:
        for circle in self._circles:
            for group in circle.groups:
                for member in (group.owner, *group.steady):
                    self._list(member.user_id, MEMBERS, group.group_id)
            for person in circle.people:
                self._list(person.user_id, GROUPS, person.user_id)
        for pair in self._pairs:
            for user_id in pair:
                self._list(user_id, FRIENDS, user_id)
        return list(self._lists.values())

    def _list(self, user_id: str, routes: Routes, key: str) -> None:
        if (user_id, routes, key) not in self._lists:
            call = partial(self._answer, self._clients[user_id].account.token)
            self._lists[user_id, routes, key] = ListSync(call, routes, key)

    # --- books

    async def audit(self) -> Figures:
        """Compare what was answered, committed, kept, told and seen."""
        await asyncio.gather(*(one.sync() for one in self._wanted_lists()))
        committed = await asyncio.to_thread(self.books.committed)
        if waiting := await asyncio.to_thread(self.books.waiting):
            self.faults.append(f"the outbox still holds {[row[:2] for row in waiting]}")
        state = self._check_changes(committed)
        await self._check_directory(state)
        self._check_lists(state)
        reader = await open_message_reader(self._server.places)
        chats = _chats(committed)
        for chat in chats:
            await self._check_log(reader, chat)
        await reader.aclose()
        seen = self._check_devices(chats)
        await self._check_late_devices(chats)
        changes = [change for done in self._done for change in done]
        return Figures(
            changes=len(changes),
            attempts=sum(len(change.attempts) for change in changes),
            committed=len(committed),
            lines=sum(len(chat.lines) for chat in chats),
            lines_seen=seen,
            lists=len(self._lists),
        )

    def _check_changes(self, committed: Sequence[Recorded]) -> State:
        """Compare the answers with what was committed; return what that makes of the directory."""
        state = State()
        places: dict[str, tuple[str, int]] = {}
        attempts: defaultdict[int, list[str]] = defaultdict(list)
        for row in committed:
            operation_id = row.effect.operation_id
            change = self._by_operation.get(operation_id)
            if change is None or change.content_type != row.effect.content_type:
                self.faults.append(f"{row[:2]} tells of {row.effect.content_type} of {operation_id}: {change}")
                continue
            attempts[id(change)].append(operation_id)
            places[operation_id] = row[:2]
            change.fold(state)
        for done in self._done:
            for change in done:
                self.faults += change.faults(attempts[id(change)])
            self._check_order([change for change in done if change.attempts[-1] in places], places)
        return state

    def _check_order(self, changes: Sequence[Change], places: Mapping[str, tuple[str, int]]) -> None:
        """What one caller did one after the other, of which each was answered before the next, was committed so."""
        last: dict[str, int] = {}
        for change in changes:
            key, number = places[change.attempts[-1]]
            if number <= last.get(key, 0):
                self.faults.append(f"{change.path} is number {number} of {key}, behind {last[key]}")
            last[key] = number

    async def _check_directory(self, state: State) -> None:
        directory = await open_directory_store(self._server.places)
        found = await directory.view(partial(_found, state, list(self._pairs)))
        await directory.aclose()
        if found.friends != state.friends:
            self.faults.append(f"friends: {found.friends ^ state.friends} are only in the directory, or not there")
        if found.blocked != state.blocked:
            self.faults.append(f"blocked: {found.blocked ^ state.blocked} are only in the directory, or not there")
        for group_id, group in state.groups.items():
            if found.groups.get(group_id) != group:
                self.faults.append(f"group {group_id} is {found.groups.get(group_id)}, expected {group}")

    def _check_lists(self, state: State) -> None:
        for (user_id, routes, key), one in self._lists.items():
            expected: dict[str, Any]
            group = None
            if routes is MEMBERS:
                of_group = state.groups[key]
                group = (of_group.name, of_group.is_muted)
                expected = {member: (role, member in of_group.muted) for member, role in of_group.roles.items()}
            elif routes is GROUPS:
                expected = {group_id: None for group_id, joined in state.groups.items() if user_id in joined.roles}
            else:
                expected = {friend: None for owner, friend in state.friends if owner == user_id}
            if (one.entries, one.group) != (expected, group):
                found = f"{user_id} has {one.entries} of {one.group} by {routes.incremental} of {key}"
                self.faults.append(f"{found}, expected {expected} of {group}")

    async def _check_log(self, reader: MessageReader, chat: Chat) -> None:
        rows = intact(await reader.read_range(ConversationID(chat.chat_id), 1, 1 << 40, 1 << 20))
        if [row.seq for row in rows] != list(range(1, len(rows) + 1)):
            self.faults.append(f"{chat.chat_id} holds seqs {[row.seq for row in rows]}")
        stored = [(str(row.client_id), row.content_type) for row in rows]
        expected = [(line.client_id, line.content_type) for line in chat.lines]
        if stored != expected:
            self.faults.append(f"{chat.chat_id} holds {stored}, committed were {expected}")

    def _check_devices(self, chats: Sequence[Chat]) -> int:
        count = 0
        for chat in chats:
            for client in self._clients.values():
                seen = client.seen.get(chat.chat_id, {})
                count += len(seen)
                seat = _seat(chat.effects, client.user_id)
                rows = _rows(chat, seat)
                wrong = seat.to_see - seen.keys() | {seq for seq in seen if seen[seq] != rows.get(seq)}
                what = f"{client.kind.name} {client.user_id}"
                if wrong:
                    self.faults.append(f"{what} saw {chat.chat_id} otherwise at {sorted(wrong)[:5]}")
                self.faults += [
                    f"{what} was pushed {leap}, came with {sorted(seat.comings)}"
                    for leap in client.leaps
                    if leap.chat == chat.chat_id and leap.seq not in seat.comings
                ]
        return count

    async def _check_late_devices(self, chats: Sequence[Chat]) -> None:
        """Who connects a new device now sees on it every line up to the last that is for her."""
        people = [person for circle in self._circles for person in (circle.group.owner, *circle.group.coming)]
        user_ids = list(dict.fromkeys(person.user_id for person in people))
        devices = [await self._late_device(user_id, NATIVE) for user_id in user_ids[::2]]
        devices += [await self._late_device(user_id, JS) for user_id in user_ids[1::2]]
        for device in devices:
            expected = {chat.chat_id: _rows(chat, _seat(chat.effects, device.user_id)) for chat in chats}
            with contextlib.suppress(TimeoutError):  # what it lacks is said below
                async with asyncio.timeout(CALL_SECONDS):
                    while any(len(device.seen.get(chat, ())) < len(rows) for chat, rows in expected.items()):
                        self._pulled.clear()
                        await self._pulled.wait()
            for chat_id, rows in expected.items():
                if (seen := device.seen.get(chat_id, {})) != rows:
                    what = f"new {device.kind.name} {device.user_id} has {sorted(seen)} of {chat_id}"
                    self.faults.append(f"{what}, expected 1 to {len(rows)}")
            self.faults += [f"new {device.user_id}: {fault}" for fault in device.faults]
            await device.close()

    async def _late_device(self, user_id: str, kind: Kind) -> ChatClient:
        token = await asyncio.to_thread(self._server.token, user_id, Platform.IOS)
        account = Account(user_id, token, Platform.IOS)
        return ChatClient(self._server.ws_port, account, kind, self._pulled.set)


class Chat(NamedTuple):
    """What was committed to one log, in its order, and the lines of it that must stand in its chat."""

    chat_id: str
    effects: list[Effect]
    lines: list[Effect]


class Seat(NamedTuple):
    """Which seqs of a chat a user must have seen, with which of them she came, and the last that she may have seen."""

    to_see: set[int]
    comings: set[int]
    last: int


def _chats(committed: Sequence[Recorded]) -> list[Chat]:
    logs: defaultdict[str, list[Effect]] = defaultdict(list)
    for row in committed:
        logs[row.home_key].append(row.effect)
    chats = []
    for effects in logs.values():
        lines = [effect for effect in effects if effect.clone]
        if lines:
            chats.append(Chat(lines[0].clone_id, effects, lines))
    return chats


def _rows(chat: Chat, seat: Seat) -> dict[int, str]:
    """Return what a user may have seen of a chat: who is in sees what was written before, too."""
    return {seq: line.client_id for seq, line in enumerate(chat.lines[: seat.last], 1)}


def _seat(effects: Sequence[Effect], user_id: str) -> Seat:
    """Go through a log; who leaves without a line has seen what was there before, who comes without one begins with the next line."""
    to_see, comings = set(), set()
    is_in = is_coming = False
    seq = last = 0
    for effect in effects:
        seq += bool(effect.clone)
        if not is_in and (user_id in effect.joined or user_id in (effect.receivers or ())):
            is_in = is_coming = True
        if is_in and effect.clone:
            to_see.add(seq)
            if is_coming:
                comings.add(seq)
                is_coming = False
        if is_in:
            last = seq
        if user_id in effect.left:
            is_in = False
    return Seat(to_see, comings, last)


def _found(state: State, pairs: Sequence[tuple[str, str]], view: DirectoryView) -> State:
    """Return what the directory holds of what a state tells of."""
    found = State()
    for one in (*pairs, *((other, one) for one, other in pairs)):
        owner, user = one
        if view.friends_among(owner, [user]):
            found.friends.add(one)
        if view.blacks_among(owner, [user]):
            found.blocked.add(one)
    for group_id, group in view.groups(list(state.groups)).items():
        members = view.members(group_id, view.member_ids(group_id))
        found.groups[group_id] = GroupState(
            group.group_name,
            {user_id: member.role_level for user_id, member in members.items()},
            {user_id for user_id, member in members.items() if member.mute_end_time},
            group.status == GroupStatus.MUTED,
        )
    return found
