"""Accounts that may not log in for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openim_ray.domain import errors
from openim_ray.protocol.identifiers import Platform
from openim_ray.services.assembly import Services, build_services
from tests.unit.services.memory_world import MemoryWorld

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openim_ray.ports import TokenRecord


@pytest.fixture
def world() -> MemoryWorld:
    """Return a server with two users."""
    world = MemoryWorld()
    world.add_users("ann", "ben")
    return world


def another_process(world: MemoryWorld) -> Services:
    """Return services of another gateway over the same stores."""
    return build_services(
        config=world.config,
        directory=world.directory,
        tokens=world.state,
        messages=world.messages,
        broker=world.broker,
        now_ms=world.clock,
    )


async def test_a_disabled_user_is_out_until_she_is_enabled(world: MemoryWorld) -> None:
    """Her tokens end, her connections are kicked, she gets no new token; afterwards she logs in anew."""
    tokens, accounts = world.services.tokens, world.services.accounts
    old = [(await tokens.issue_user_token("ann", platform)).token for platform in (Platform.WEB, Platform.IOS)]
    other = (await tokens.issue_user_token("ben", Platform.WEB)).token
    await accounts.disable("ann")

    for token in old:
        with pytest.raises(errors.TokenKicked):
            await tokens.authenticate(token)
    assert sorted(world.broker.kicked) == [("ann", platform) for platform in sorted(Platform)]
    with pytest.raises(errors.NoPermission, match="userID: the account is disabled"):
        await tokens.issue_user_token("ann", Platform.WEB)
    assert (await tokens.authenticate(other)).user_id == "ben"

    await accounts.enable("ann")
    with pytest.raises(errors.TokenKicked):
        await tokens.authenticate(old[0])
    fresh = await tokens.issue_user_token("ann", Platform.WEB)
    assert (await tokens.authenticate(fresh.token)).user_id == "ann"


async def test_a_login_during_the_call_does_not_slip_through(world: MemoryWorld) -> None:
    """A token that one process saves after another has ended all that were there is taken back."""
    other = another_process(world)
    save, is_first = world.broker.save_tokens, iter([True])

    async def save_late(records: Sequence[TokenRecord]) -> None:
        if next(is_first, False):
            await other.accounts.disable("ann")
        await save(records)

    world.broker.save_tokens = save_late  # type: ignore[method-assign]
    with pytest.raises(errors.NoPermission, match="disabled"):
        await world.services.tokens.issue_user_token("ann", Platform.WEB)
    (record,) = await world.state.tokens("ann", Platform.WEB)
    assert record.state == 2


async def test_a_call_that_failed_halfway_can_be_made_again(world: MemoryWorld) -> None:
    """The account is marked first; what was left is ended by the second call."""
    tokens = world.services.tokens
    token = (await tokens.issue_user_token("ann", Platform.WEB)).token
    world.broker.fails = True
    with pytest.raises(errors.Unavailable):
        await world.services.accounts.disable("ann")
    world.broker.fails = False
    with pytest.raises(errors.NoPermission):
        await tokens.issue_user_token("ann", Platform.WEB)
    await world.services.accounts.disable("ann")
    with pytest.raises(errors.TokenKicked):
        await tokens.authenticate(token)
    assert sorted(world.broker.kicked) == [("ann", platform) for platform in sorted(Platform)]


async def test_some_accounts_stay(world: MemoryWorld) -> None:
    """1101 for nobody, and administrators can't lock themselves out."""
    for call in (world.services.accounts.disable, world.services.accounts.enable):
        with pytest.raises(errors.UserIDNotFound, match="userID"):
            await call("nobody")
    with pytest.raises(errors.ArgsError, match="administrator"):
        await world.services.accounts.disable("imAdmin")
