"""Bodies that no honest client sends: whatever they hold, they are answered, and never as a bug of the server."""

from __future__ import annotations

import json
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from openim_ray.api.bodies import PROTOBUF_TYPE
from openim_ray.api.not_built import NOT_BUILT
from openim_ray.api.route_table import TABLE
from openim_ray.domain.group import Group, Member, Role
from openim_ray.domain.ids import GroupID, UserID
from openim_ray.domain.people import User
from openim_ray.storage.open import open_directory_store
from openim_ray.storage.places import Places
from tests.unit.api.api_client import ApiClient, api_client
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from openim_ray.api.route import Route

BUILT = [route for route in TABLE.values() if route.path not in NOT_BUILT]
BODIES_PER_ROUTE = 60

TEXTS = (
    "",
    "alice",
    "bob",
    "group",
    "si_alice_bob",
    "n_",
    "n_alice_bob",
    "a:b",
    "x" * 300,
    "\0",
    "\u202e",
    "%",
    "'; --",
    "1" * 24,
    "é" * 200,
)
NUMBERS = (0, 1, -1, 5, 1000, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1, 2**70, 10**300)
STRANGE = (None, True, 1.5, 1e308, [], {}, [None], {"": {}}, [[[]]])


@asynccontextmanager
async def served(kind: str, folder: Path) -> AsyncIterator[ApiClient]:
    """Serve alice and bob, and a group of theirs, from a directory of one kind."""
    directory = await open_directory_store(Places.in_memory(folder) if kind == "memory" else Places(folder))
    try:
        await directory.register([User(user_id=UserID(name)) for name in ("alice", "bob")])
        group, members = Group(group_id=GroupID("group")), (("alice", Role.OWNER), ("bob", Role.MEMBER))
        await directory.change(lambda change: change.put_group(group))
        rows = [
            Member(group_id=group.group_id, user=User(user_id=UserID(one)), role_level=role) for one, role in members
        ]
        await directory.change(lambda change: change.put_members(rows))
        async with api_client(MemoryWorld(directory=directory)) as api:
            yield api
    finally:
        await directory.aclose()


def nasty_value(field: FieldDescriptor, chance: random.Random, depth: int) -> Any:
    """Return a value for a field: mostly of its type, at the edge of what it may be; sometimes of no type it could have."""
    if chance.random() < 0.1:
        return chance.choice(STRANGE)
    if field.is_repeated and not chance.random() < 0.1:
        return [nasty_scalar(field, chance, depth) for _ in range(chance.randrange(4))]
    return nasty_scalar(field, chance, depth)


def nasty_scalar(field: FieldDescriptor, chance: random.Random, depth: int) -> Any:
    """Return one value of about the right type."""
    if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
        return nasty_body(field.message_type, chance, depth + 1) if depth < 4 else {}
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return chance.choice(TEXTS)
    return chance.choice(NUMBERS)


def nasty_body(descriptor: Descriptor, chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return a body with most fields of a message."""
    fields = [field for field in descriptor.fields if chance.random() < 0.9]
    return {field.name: nasty_value(field, chance, depth) for field in fields}


def path_of(route: Route[Any]) -> str:
    """Return a test id."""
    return route.path


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("route", BUILT, ids=path_of)
async def test_no_body_is_a_bug(route: Route[Any], kind: str, tmp_path: Path) -> None:
    """Values at the edges of their types and beyond, asked by an administrator, get through to the stores without a 500."""
    chance = random.Random(f"{route.path}{kind}")
    async with served(kind, tmp_path) as api:
        token = await api.admin_token()
        for _ in range(BODIES_PER_ROUTE):
            body = nasty_body(route.request.DESCRIPTOR, chance)
            answer = await api.call(route.path, None, token, data=json.dumps(body).encode())
            assert answer.code != 500, body


@pytest.mark.parametrize("route", [route for route in BUILT if route.takes_protobuf], ids=path_of)
async def test_no_protobuf_is_a_bug(route: Route[Any], tmp_path: Path) -> None:
    """Random bytes, and cut messages, are refused or answered."""
    chance = random.Random(route.path)
    whole = route.request(ownerUserID="alice").SerializeToString()
    async with served("memory", tmp_path) as api:
        token = await api.user_token("alice")
        for length in range(40):
            data = whole[:length] if length < len(whole) else chance.randbytes(length)
            answer = await api.call(route.path, None, token, data=data, headers={"Content-Type": PROTOBUF_TYPE})
            assert answer.code in (0, 1001, 1002)
