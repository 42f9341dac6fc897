"""Tokens over their life: who gets one, whose it is, and how it ends."""

from __future__ import annotations

import asyncio

import pytest

from openim_ray.config import AuthSection
from openim_ray.domain import errors
from openim_ray.domain.ids import UserID
from openim_ray.domain.people import User
from openim_ray.ports import TokenRecord
from openim_ray.services.tokens import digest_of
from tests.unit.services.memory_world import SECRET, MemoryWorld

DAY_MS = 86_400_000


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with alice and bob."""
    world = MemoryWorld()
    world.add_users("alice", "bob")
    return world


async def log_in(world: MemoryWorld, user_id: str = "alice", platform: int = 5) -> str:
    """Return a fresh token of a user."""
    return (await world.services.tokens.issue_user_token(user_id, platform)).token


# --- issuing


async def test_a_user_token_is_good_for_its_user_and_platform(world: MemoryWorld) -> None:
    """What was issued authenticates as that user, who is no administrator, for the configured time."""
    issued = await world.services.tokens.issue_user_token("alice", 5)
    caller = await world.services.tokens.authenticate(issued.token)
    assert (caller.user_id, caller.platform_id, caller.is_admin) == ("alice", 5, False)
    assert issued.lifetime_seconds == 90 * 86_400
    assert caller.expires_at == world.clock.now_ms // 1000 + issued.lifetime_seconds
    assert caller.digest == digest_of(issued.token)


async def test_the_store_never_holds_a_token(world: MemoryWorld) -> None:
    """Only the digest is kept."""
    token = await log_in(world)
    assert [record.digest for record in await world.state.tokens("alice", 5)] == [digest_of(token)]


async def test_nobody_else_gets_a_user_token(world: MemoryWorld) -> None:
    """1004 for a stranger, 1001 for an unknown platform or a system account, 1002 for the platform of administrators."""
    notes = User(user_id=UserID("notes"), app_manager_level=3)
    world.tables.directory.register([notes])
    await world.services.users.ensure_admins(["imAdmin"])
    tokens = world.services.tokens
    for user_id, platform, expected in [
        ("nobody", 5, errors.RecordNotFound),
        ("alice", 0, errors.ArgsError),
        ("alice", 12, errors.ArgsError),
        ("alice", 10, errors.NoPermission),
        ("notes", 5, errors.ArgsError),
        ("imAdmin", 5, errors.ArgsError),
    ]:
        with pytest.raises(expected):
            await tokens.issue_user_token(user_id, platform)


async def test_a_token_that_could_not_be_stored_is_not_given_out(world: MemoryWorld) -> None:
    """The answer waits for durability, and fails as temporary."""
    world.broker.fails = True
    with pytest.raises(errors.Unavailable):
        await log_in(world)


# --- administrators


async def test_the_secret_makes_an_administrator(world: MemoryWorld) -> None:
    """The token is of platform 10 and counts as an administrator's; another login ends no earlier one."""
    tokens = world.services.tokens
    first = await tokens.issue_admin_token(SECRET, "imAdmin", "10.0.0.1")
    await tokens.issue_admin_token(SECRET, "imAdmin", "10.0.0.1")
    caller = await tokens.authenticate(first.token)
    assert (caller.user_id, caller.platform_id, caller.is_admin) == ("imAdmin", 10, True)


async def test_a_wrong_secret_or_user_makes_none(world: MemoryWorld) -> None:
    """1002 for the secret, 1001 for somebody who is no administrator; the secret is judged first."""
    tokens = world.services.tokens
    with pytest.raises(errors.NoPermission):
        await tokens.issue_admin_token(SECRET + "x", "nobody", "10.0.0.1")
    with pytest.raises(errors.ArgsError):
        await tokens.issue_admin_token(SECRET, "alice", "10.0.0.1")


async def test_guessing_is_slowed_down_where_it_comes_from(world: MemoryWorld) -> None:
    """After ten wrong secrets even the right one is refused for a minute, but only to that address."""
    tokens = world.services.tokens
    for _ in range(10):
        with pytest.raises(errors.NoPermission):
            await tokens.issue_admin_token("guess", "imAdmin", "10.0.0.1")
    with pytest.raises(errors.Overloaded, match=r"try again in 6[01] seconds"):
        await tokens.issue_admin_token(SECRET, "imAdmin", "10.0.0.1")
    assert await tokens.issue_admin_token(SECRET, "imAdmin", "10.0.0.2")
    world.clock.now_ms += 60_001
    assert await tokens.issue_admin_token(SECRET, "imAdmin", "10.0.0.1")


async def test_an_administrator_who_is_taken_out_of_the_configuration_is_one_no_more() -> None:
    """Her token still tells who she is, but gives no rights."""
    world = MemoryWorld(AuthSection(admin_user_ids=("root", "imAdmin")))
    token = (await world.services.tokens.issue_admin_token(SECRET, "root", "")).token
    after = MemoryWorld()
    after.tables.state = world.tables.state
    after.state.tables = world.tables.state
    assert (await after.services.tokens.authenticate(token)).is_admin is False


# --- the policy


async def test_a_new_login_ends_the_older_one_on_its_platform(world: MemoryWorld) -> None:
    """Policy 1: 1506 for the older web token, nothing for the phone or for another user."""
    older, phone, other = await log_in(world), await log_in(world, platform=2), await log_in(world, "bob")
    newer = await log_in(world)
    with pytest.raises(errors.TokenKicked):
        await world.services.tokens.authenticate(older)
    for token in (phone, other, newer):
        assert await world.services.tokens.authenticate(token)


async def test_only_one_of_two_simultaneous_logins_survives(world: MemoryWorld) -> None:
    """Neither may overlook the other."""
    tokens = await asyncio.gather(*(log_in(world) for _ in range(8)))
    results = await asyncio.gather(
        *(world.services.tokens.authenticate(token) for token in tokens), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1


async def test_policy_0_keeps_the_newest_tokens() -> None:
    """At most so many per platform; one more ends the oldest."""
    world = MemoryWorld(AuthSection(multi_login_policy=0, tokens_per_platform_max=2))
    world.add_users("alice")
    first, second, third = [await log_in(world) for _ in range(3)]
    with pytest.raises(errors.TokenKicked):
        await world.services.tokens.authenticate(first)
    assert await world.services.tokens.authenticate(second)
    assert await world.services.tokens.authenticate(third)


async def test_policy_4_ends_the_same_class() -> None:
    """An Android login ends the iPhone's, not the one in the browser."""
    world = MemoryWorld(AuthSection(multi_login_policy=4))
    world.add_users("alice")
    phone, web = await log_in(world, platform=1), await log_in(world, platform=5)
    await log_in(world, platform=2)
    with pytest.raises(errors.TokenKicked):
        await world.services.tokens.authenticate(phone)
    assert await world.services.tokens.authenticate(web)


async def test_policy_5_spares_pcs() -> None:
    """A login in the browser ends the phone's and leaves the PC's."""
    world = MemoryWorld(AuthSection(multi_login_policy=5))
    world.add_users("alice")
    phone, desktop = await log_in(world, platform=1), await log_in(world, platform=3)
    await log_in(world, platform=5)
    with pytest.raises(errors.TokenKicked):
        await world.services.tokens.authenticate(phone)
    assert await world.services.tokens.authenticate(desktop)


# --- checking


async def test_every_fault_of_a_token_has_its_code(world: MemoryWorld) -> None:
    """1501 expired, 1503 garbage, 1505 a strange state, 1507 never issued here."""
    token = await log_in(world)
    stranger = MemoryWorld()
    stranger.add_users("alice")
    for text, expected in [("garbage", errors.TokenMalformed), (await log_in(stranger), errors.TokenNotExist)]:
        with pytest.raises(expected):
            await world.services.tokens.authenticate(text)
    await world.broker.save_tokens([TokenRecord(digest_of(token), "alice", 5, 1, 1 << 40)])
    with pytest.raises(errors.TokenUnknown):
        await world.services.tokens.authenticate(token)
    world.clock.now_ms += 91 * DAY_MS
    with pytest.raises(errors.TokenExpired):
        await world.services.tokens.authenticate(token)


async def test_a_handshake_must_name_the_owner_and_platform_of_its_token(world: MemoryWorld) -> None:
    """1502 for somebody else's token, and for one of another device."""
    token = await log_in(world)
    assert (await world.services.tokens.check(token, "alice", 5)).user_id == "alice"
    for user_id, platform in [("bob", 5), ("alice", 2)]:
        with pytest.raises(errors.TokenInvalid):
            await world.services.tokens.check(token, user_id, platform)


async def test_a_store_that_fails_ends_no_session(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients log out on 1501 to 1507, so a token that can't be looked up is a temporary failure."""
    token = await log_in(world)

    async def fail(*_: object) -> int:
        raise errors.Unavailable("database is locked")

    monkeypatch.setattr(world.state, "token_state", fail)
    with pytest.raises(errors.Unavailable):
        await world.services.tokens.check(token, "alice", 5)


# --- ending


async def test_force_logout_ends_tokens_and_connections_of_one_platform(world: MemoryWorld) -> None:
    """The web token is ended and its connections kicked; the phone goes on."""
    web, phone = await log_in(world), await log_in(world, platform=2)
    await world.services.tokens.force_logout("alice", 5)
    with pytest.raises(errors.TokenKicked):
        await world.services.tokens.authenticate(web)
    assert await world.services.tokens.authenticate(phone)
    assert world.broker.kicked == [("alice", 5)]


async def test_tokens_are_ended_before_connections(world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is kicked and comes back at once is refused."""
    token = await log_in(world)
    states: list[int | None] = []

    async def kick(user_id: str, platform_id: int) -> None:
        states.append(await world.state.token_state(user_id, platform_id, digest_of(token)))

    monkeypatch.setattr(world.broker, "force_logout", kick)
    await world.services.tokens.force_logout("alice", 5)
    assert states == [2]
