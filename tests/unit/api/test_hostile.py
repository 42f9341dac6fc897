"""Bodies that no honest client sends: whatever they hold, they are answered, never as a bug of the server, and a refusal leaves nothing behind."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import pytest
import structlog
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from openim_ray.api.bodies import PROTOBUF_TYPE, parse_json
from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route_table import TABLE
from openim_ray.domain.errors import ArgsError, Overloaded
from openim_ray.services.authority import Authority
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.places import Places
from tests.unit.api.api_client import api_client
from tests.unit.api.direct_calls import DirectCalls
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from openim_ray.api.route import Route

BUILT = [route for route in TABLE.values() if route.path not in NOT_BUILT]
BODIES_PER_ROUTE = 50
LONG = 20_000
"""Entries of the longest lists: more than any route takes (a few thousand)."""

CALLERS = ("alice", "imAdmin")
NAMES = ("alice", "bob", "carol", "dave", "erin", "nobody")
GROUPS = ("open", "closed", "over", "none")
CHATS = ("si_alice_bob", "n_alice_bob", "sg_open", "sg_closed", "sg_none", "n_alice")
TEXTS = (
    "",
    "si_alice_bob",
    "n_",
    "a:b",
    "x" * 300,
    "x" * 70_000,
    "\0",
    "\x1b",
    "\u202e",
    "%",
    "'; --",
    "1" * 24,
    "é" * 200,
    "\ud800",
)
NUMBERS = (-1, 1000, 2**31 - 1, -(2**31), 2**32 - 1, 10**9, 2**63 - 1, -(2**63), 2**64 - 1, 2**70, 10**300)
LIKELY_NUMBERS = {"contentType": (101, 106, 110, 118, 1400), "sessionType": (1, 1, 3, 4), "senderPlatformID": (0, 1, 5)}
STRANGE = (None, True, 1.5, 1e308, [], {}, [None], {"": {}}, [[[]]], "")

CODES = {
    0,
    *range(1001, 1005),
    1101,
    1102,
    *range(1201, 1207),
    *range(1301, 1306),
    *range(1401, 1405),
    *range(1501, 1508),
}
"""What a call may answer for what it holds (OpenIM wire, §6.2); 500 and the codes of a server in distress are none."""


class Fuzz:
    """
    Bodies of one seed: about right, with a fault here and there, or mostly faults.
    """

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)

    def body(self, route: Route[Any], caller: str, faults: float | None = None) -> dict[str, Any]:
        """Return a body for a route; an ordinary caller mostly asks for herself. `faults`: how likely each value is one."""
        faults = self.chance.choice((0.02, 0.1, 0.5)) if faults is None else faults
        body = self._message(route.request.DESCRIPTOR, faults, 0)
        if route.authority is Authority.OWNER and caller == "alice" and self.chance.random() < 0.9:
            *parents, last = route.owner.split(".")
            place = body
            for parent in parents:
                place[parent] = place = place[parent] if isinstance(place.get(parent), dict) else {}
            place[last] = caller
        return body

    def _message(self, descriptor: Descriptor, faults: float, depth: int) -> dict[str, Any]:
        fields = [field for field in descriptor.fields if self.chance.random() >= faults]
        return {field.name: self._value(field, faults, depth) for field in fields}

    def _value(self, field: FieldDescriptor, faults: float, depth: int) -> Any:
        if self.chance.random() < faults / 4:
            return self.chance.choice(STRANGE)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            keys = [self._scalar(field.message_type.fields_by_name["key"], faults) for _ in range(2)]
            return {str(key): self._scalar(field.message_type.fields_by_name["value"], faults) for key in keys}
        if not field.is_repeated:
            return self._one(field, faults, depth)
        values = [self._one(field, faults, depth) for _ in range(self.chance.choice((0, 1, 1, 1, 2, 3)))]
        return values * (2 if self.chance.random() < faults else 1)

    def _one(self, field: FieldDescriptor, faults: float, depth: int) -> Any:
        if field.message_type is None:
            return self._scalar(field, faults)
        if field.message_type.file.package == "google.protobuf":
            return self._scalar(field.message_type.fields_by_name["value"], faults)
        return self._message(field.message_type, faults, depth + 1) if depth < 4 else {}

    def _scalar(self, field: FieldDescriptor, faults: float) -> Any:
        is_wrong = self.chance.random() < faults
        if field.name == "content" and not is_wrong:
            return self._content(faults)
        if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            return self.chance.choice(TEXTS if is_wrong else _likely(field.name))
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self.chance.choice((True, False))
        if field.name in LIKELY_NUMBERS and not is_wrong:
            return self.chance.choice(LIKELY_NUMBERS[field.name])
        return self.chance.choice(NUMBERS if is_wrong else (0, 1, 1, 1, 2, 5, 20, 60, 100))

    def _content(self, faults: float) -> dict[str, Any]:
        """Return what several content types take for theirs, with a fault here and there."""
        good = {
            "content": "text",
            "text": "text",
            "data": "",
            "atUserList": ["bob"],
            "notificationName": "News",
            "mixType": 1,
        }
        chance = self.chance
        return {
            name: chance.choice((*STRANGE, *TEXTS, *NUMBERS)) if chance.random() < faults else one
            for name, one in good.items()
        }


def _likely(name: str) -> tuple[str, ...]:
    lowered = name.lower()
    if "group" in lowered and "id" in lowered:
        return GROUPS
    if "conversation" in lowered:
        return CHATS
    if lowered in ("sendid", "recvid", "recvids"):
        return (*NAMES, "news")
    return NAMES if "user" in lowered else ("", "text", "x" * 200)


def fields_of(descriptor: Descriptor, depth: int = 0) -> set[str]:
    """Return the names of all fields in a body."""
    names = {field.name for field in descriptor.fields}
    for field in descriptor.fields:
        if field.message_type is not None and depth < 4:
            names |= fields_of(field.message_type, depth + 1)
    return names


class Served:
    """
    Alice with friends, a blocked user, applications, chats and groups of each kind, over a directory of one kind.
    """

    def __init__(self, world: MemoryWorld, dump: Callable[[], Any]) -> None:
        self.world = world
        self.calls = DirectCalls(world.services)
        self._dump = dump
        self._before: Any = None

    @classmethod
    @asynccontextmanager
    async def over(cls, kind: str, folder: Path) -> AsyncIterator[Served]:
        """Serve them."""
        if kind == "memory":
            world = MemoryWorld()
            served = cls(world, lambda: _rows_in_memory(world))
            await served.fill()
            yield served
            return
        places = Places(folder)
        directory = await open_directory_store(places)
        try:
            with _RowsInFile(folder) as rows:
                served = cls(MemoryWorld(directory=directory), rows.dump)
                served.world.add_users(*NAMES[:5])
                await served.fill()
                yield served
        finally:
            await directory.aclose()

    async def fill(self) -> None:
        """Make what they have, the way it is made."""
        users = [{"userID": name, "nickname": name} for name in NAMES[:5]]
        await self.done("/user/user_register", {"users": users})
        await self.done("/user/add_notification_account", {"userID": "news", "nickName": "N", "appMangerLevel": 3})
        await self.done("/friend/import_friend", {"ownerUserID": "alice", "friendUserIDs": ["bob"]})
        await self.done("/friend/add_black", {"ownerUserID": "alice", "blackUserID": "dave"})
        await self.done("/friend/add_friend", {"fromUserID": "carol", "toUserID": "alice"})
        self.world.send("alice", "bob", "one", "two")
        for name, verification, others in (("open", 2, ["carol"]), ("closed", 1, ["bob"]), ("over", 2, [])):
            group = {"groupID": name, "groupName": name, "groupType": 2, "needVerification": verification}
            made = {"groupInfo": group, "ownerUserID": "alice", "adminUserIDs": ["dave"], "memberUserIDs": others}
            await self.done("/group/create_group", made)
        await self.done("/group/dismiss_group", {"groupID": "over"})
        await self.done("/group/join_group", {"groupID": "closed"}, "erin")

    async def done(self, path: str, body: dict[str, Any], caller: str = "imAdmin") -> None:
        """Call a route that must not refuse."""
        answer = await self.calls.call(path, body, caller)
        assert answer.code == 0, (path, answer)

    async def judge(self, route: Route[Any], body: dict[str, Any], caller: str) -> int:
        """Call a route, hold its answer to the rules, and return the code."""
        before = self._before or self._dump()
        with structlog.testing.capture_logs() as logged:
            answer = await self.calls.call(route.path, body, caller)

        def said() -> str:
            return f"{route.path} {caller} {answer.code} {answer.detail} {str(body)[:600]}"

        assert not [line for line in logged if line["log_level"] in ("error", "critical")], said()
        allowed = CODES | ({Overloaded.code} if route.path == "/auth/get_admin_token" else set())
        assert answer.code in allowed, said()
        if answer.code == ArgsError.code:
            assert fields_of(route.request.DESCRIPTOR) & set(re.findall(r"\w+", answer.detail)), said()
        self._before = self._dump()
        assert self._before == before or not answer.code, said()
        return answer.code


def _rows_in_memory(world: MemoryWorld) -> str:
    rows = world.tables.directory._rows  # nothing else shows all there is
    kept = {name: table for name, table in vars(rows).items() if name not in ("journal", "versions")}
    lists = rows.versions._lists.items()
    # Who looks at a list begins it.
    stepped = {key: (one.head, one.changes) for key, one in lists if one.changes}
    return repr((kept, stepped))


class _RowsInFile:
    """All rows of the directory in a folder, read again only when something was committed."""

    def __init__(self, folder: Path) -> None:
        (file,) = folder.glob("directory*.db")
        self._connection = sqlite3.connect(file)
        self._version = -1
        self._rows: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self._connection.close()

    def dump(self) -> list[str]:
        """Return them, as statements."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version, self._rows = version, list(self._connection.iterdump())
        return self._rows


def path_of(route: Route[Any]) -> str:
    """Return a test id."""
    return route.path


@pytest.mark.parametrize("route", BUILT, ids=path_of)
async def test_no_body_is_a_bug(route: Route[Any], tmp_path: Path) -> None:
    """Faults of all kinds, asked by a user and by an administrator: an answer of the protocol that names the field, and nothing half-written."""
    fuzz = Fuzz(route.path)
    async with Served.over("memory", tmp_path) as served:
        for number in range(BODIES_PER_ROUTE):
            caller = CALLERS[number % 2]
            await served.judge(route, fuzz.body(route, caller), caller)


HALVES = ("\ud800", "\0")
"""Texts that no store can keep."""


@pytest.mark.parametrize("text", HALVES, ids=ascii)
def test_a_text_that_no_store_keeps_is_refused_by_its_field(text: str) -> None:
    """A half of a surrogate pair is what a browser sends of a text that was cut within a character."""
    body = json.dumps({"userInfo": {"userID": "alice", "nickname": f"a{text}b"}}).encode()
    with pytest.raises(ArgsError, match=r"userInfo\.nickname: "):
        parse_json(TABLE["/user/update_user_info"], body)


@pytest.mark.parametrize("body", [b'{"a": "\\ud800", "b": NaN}', b'{"a": "\\ud800"', b'{"a": "\\ud800", "b": "\xff"}'])
def test_what_is_no_json_stays_refused(body: bytes) -> None:
    """Half of a surrogate pair lets nothing else in."""
    with pytest.raises(ArgsError, match="not JSON"):
        parse_json(TABLE["/user/get_users"], body)


async def test_no_body_is_a_bug_of_files(tmp_path: Path) -> None:
    """The same in a data directory, a few bodies for each route, in any order."""
    fuzz = Fuzz("files")
    routes = [route for route in BUILT for _ in range(8)]
    fuzz.chance.shuffle(routes)
    async with Served.over("sqlite", tmp_path) as served:
        for number, route in enumerate(routes):
            caller = CALLERS[number % 2]
            await served.judge(route, fuzz.body(route, caller), caller)


@pytest.mark.parametrize("route", [route for route in BUILT if route.takes_protobuf], ids=path_of)
async def test_no_protobuf_is_a_bug(route: Route[Any]) -> None:
    """Random bytes, and cut messages, are refused or answered."""
    chance = random.Random(route.path)
    whole = route.request(ownerUserID="alice").SerializeToString()
    world = MemoryWorld()
    world.add_users("alice", "bob")
    async with api_client(world) as api:
        token = await api.user_token("alice")
        for length in range(40):
            data = whole[:length] if length < len(whole) else chance.randbytes(length)
            answer = await api.call(route.path, None, token, data=data, headers={"Content-Type": PROTOBUF_TYPE})
            assert answer.code in (0, 1001, 1002)


def repeated_fields(route: Route[Any]) -> list[FieldDescriptor]:
    """Return the lists and maps of a body."""
    return [field for field in route.request.DESCRIPTOR.fields if field.is_repeated]


def long_value(field: FieldDescriptor) -> Any:
    """Return a list or map that no client needs."""
    if field.message_type is None:
        is_text = field.type == FieldDescriptor.TYPE_STRING
        return [f"u{number}" for number in range(LONG)] if is_text else list(range(1, LONG))
    if field.message_type.GetOptions().map_entry:
        return {f"k{number}": "v" for number in range(LONG)}
    ids = [one.name for one in field.message_type.fields if one.name in ("groupID", "conversationID", "userID")]
    return [dict.fromkeys(ids, f"x{number}") for number in range(LONG)]


async def test_the_longest_lists(tmp_path: Path) -> None:
    """Twenty thousand entries are refused by the name of their field, or need no look at each."""
    fuzz = Fuzz("lists")
    async with Served.over("memory", tmp_path) as served:
        for route in BUILT:
            for field in repeated_fields(route):
                body = fuzz.body(route, "imAdmin", faults=0.0) | {field.name: long_value(field)}
                assert await served.judge(route, body, "imAdmin") == 1001 or field.name == "seqs"
