"""Accounts: made, looked up, changed."""

from __future__ import annotations

import pytest

from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User
from openim_ray.services import paging, users
from tests.unit.services.memory_world import START_MS, MemoryWorld


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with alice and bob."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    return world


async def test_an_account_is_created_now(world: MemoryWorld) -> None:
    """The time of creation is the server's, whatever the caller says."""
    await world.services.users.register([User(user_id=UserID("carol"), nickname="Carol", create_time=5)])
    assert await world.services.users.find(["carol"]) == [
        User(user_id=UserID("carol"), nickname="Carol", create_time=START_MS)
    ]


@pytest.mark.parametrize(
    "accounts",
    [
        [],
        [User(user_id=UserID(""))],
        [User(user_id=UserID("a:b"))],
        [User(user_id=UserID("carol")), User(user_id=UserID("carol"))],
        [User(user_id=UserID("carol"), nickname="x" * 1025)],
        [User(user_id=UserID("carol"), nickname="é" * 513)],
        [User(user_id=UserID("carol"), app_manager_level=9)],
        [User(user_id=UserID("carol"), global_recv_msg_opt=3)],
    ],
)
async def test_a_bad_registration_creates_nobody(world: MemoryWorld, accounts: list[User]) -> None:
    """1001 for nobody, bad ids, repetitions, long texts and unknown levels."""
    with pytest.raises(errors.ArgsError):
        await world.services.users.register(accounts)
    assert await world.services.users.find(["carol"]) == []


async def test_one_taken_id_refuses_all(world: MemoryWorld) -> None:
    """1102, and the others of the call aren't created."""
    with pytest.raises(errors.RegisteredAlready):
        await world.services.users.register([User(user_id=UserID("carol")), User(user_id=UserID("bob"))])
    assert await world.services.users.find(["carol"]) == []


async def test_a_registration_has_a_limit(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """More accounts than allowed are refused with the number that is."""
    monkeypatch.setattr(users, "USERS_PER_REGISTRATION_MAX", 1)
    with pytest.raises(errors.ArgsError, match="more than 1 accounts"):
        await world.services.users.register([User(user_id=UserID("c")), User(user_id=UserID("d"))])


async def test_lookups_keep_the_order_asked_for(world: MemoryWorld) -> None:
    """Unknown ids are left out, and repetitions answered once."""
    found = await world.services.users.find(["bob", "nobody", "alice", "bob"])
    assert [user.user_id for user in found] == ["bob", "alice"]
    assert await world.services.users.existing(["nobody", "bob"]) == [("nobody", False), ("bob", True)]


async def test_lookups_have_a_limit(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many ids are refused."""
    monkeypatch.setattr(paging, "IDS_MAX", 2)
    with pytest.raises(errors.ArgsError, match="userIDs holds more than 2"):
        await world.services.users.find(["a", "b", "c"])


@pytest.mark.parametrize(("number", "size"), [(0, 10), (1, 0), (-1, 10), (1, 1001)])
async def test_a_bad_page_is_refused(world: MemoryWorld, number: int, size: int) -> None:
    """1001, because a page that is silently shorter would look like the last one."""
    with pytest.raises(errors.ArgsError, match="pagination"):
        await world.services.users.page(number, size)


async def test_accounts_can_be_searched_by_page(world: MemoryWorld) -> None:
    """Total and page, filtered by a part of the id or the nickname."""
    total, page = await world.services.users.page(2, 1)
    assert (total, [user.user_id for user in page]) == (2, ["bob"])
    total, page = await world.services.users.page(1, 10, nickname="lic")
    assert (total, [user.user_id for user in page]) == (1, ["alice"])


async def test_administrators_have_accounts(world: MemoryWorld) -> None:
    """They are created at start, once, with the level that says what they are."""
    for _ in range(2):
        await world.services.users.ensure_admins(["imAdmin"])
    (admin,) = await world.services.users.find(["imAdmin"])
    assert admin.app_manager_level == 2
