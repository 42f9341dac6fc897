"""
What every state store promises (`ports.StateStore`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from openim_ray.domain.errors import ArgsError
from openim_ray.domain.ids import ConversationID, UserID
from openim_ray.domain.read_position import ReadPosition
from openim_ray.ports import TokenRecord
from tests.contract.conftest import NOW

if TYPE_CHECKING:
    from openim_ray.storage.stores import OpenStateReader, OpenStateStore

LATER = int(NOW) + 90 * 24 * 3600
ALICE = UserID("alice")
CHAT, OTHER = ConversationID("si_alice_bob"), ConversationID("si_alice_carol")


def token(digest: str, state: int = 0, *, user: str = "alice", platform: int = 5, until: int = LATER) -> TokenRecord:
    """Return a token record."""
    return TokenRecord(digest, user, platform, state, until)


async def test_an_unknown_token(state: OpenStateStore) -> None:
    """A token that was never issued has no state."""
    assert await state.token_state("alice", 5, "d") is None
    assert await state.tokens("alice", 5) == []


async def test_tokens_come_oldest_first(state: OpenStateStore, state_reader: OpenStateReader) -> None:
    """Tokens of a user and platform are listed in the order of their first save, which a later save doesn't change."""
    await state.save([token("b"), token("a"), token("x", user="Alice"), token("y", platform=1)])
    await state.save([token("c"), token("b", until=LATER + 1)])

    assert [token("b", until=LATER + 1), token("a"), token("c")] == await state_reader.tokens("alice", 5)
    assert [token("x", user="Alice")] == await state_reader.tokens("Alice", 5)


async def test_a_token_belongs_to_its_user_and_platform(state: OpenStateStore, state_reader: OpenStateReader) -> None:
    """A digest that was issued to somebody else, or for another platform, is unknown."""
    await state.save([token("d")])

    assert await state_reader.token_state("alice", 5, "d") == 0
    assert await state_reader.token_state("bob", 5, "d") is None
    assert await state_reader.token_state("alice", 1, "d") is None


async def test_a_token_that_was_looked_at_before_is_looked_at_again(
    state: OpenStateStore, state_reader: OpenStateReader
) -> None:
    """What a save has changed is seen by the next look, in the process that saved and in others, whatever is remembered there."""
    # Stores in memory share one place in Redis: the copies of the test before stand until this store has taken its lease.
    readers = (state, state_reader)
    for reader in readers:
        assert [await reader.token_state("alice", 5, "seen") for _ in range(2)] == [None, None]
    await state.save([token("seen")])
    for reader in readers:
        assert [await reader.token_state("alice", 5, "seen") for _ in range(2)] == [0, 0]
    await state.save([token("e", user="bob")])
    await state.save([token("seen", 2)])
    for reader in readers:
        assert [await reader.token_state("alice", 5, "seen") for _ in range(2)] == [2, 2]


async def test_a_kicked_token_stays_kicked(state: OpenStateStore, state_reader: OpenStateReader) -> None:
    """No later save makes a kicked token normal, neither alone nor in one batch with the kick."""
    await state.save([token("d"), token("e")])
    await state.save([token("d", 2)])
    await state.save([token("d", 0), token("d", 1), token("f", 2), token("f", 0)])

    assert await state_reader.token_state("alice", 5, "d") == 2
    assert await state_reader.token_state("alice", 5, "e") == 0
    assert await state_reader.token_state("alice", 5, "f") == 2


async def test_expired_tokens_are_forgotten_at_a_save(state: OpenStateStore) -> None:
    """A save forgets what expired before the store's clock, and nothing that is still valid."""
    await state.save([token("old", until=int(NOW) - 1), token("edge", until=int(NOW)), token("new")])
    await state.save([])

    assert [record.digest for record in await state.tokens("alice", 5)] == ["edge", "new"]
    assert await state.token_state("alice", 5, "old") is None


async def test_a_batch_is_saved_whole(state: OpenStateStore, state_reader: OpenStateReader) -> None:
    """Tokens and positions of several users go together; of what comes twice the later one counts."""
    bob = UserID("bob")
    await state.save(
        [token("a"), token("b", user="bob"), token("a", until=LATER + 1)],
        [
            (ALICE, {CHAT: ReadPosition(1), OTHER: ReadPosition(2)}),
            (bob, {CHAT: ReadPosition(3)}),
            (ALICE, {CHAT: ReadPosition(4)}),
        ],
    )

    assert [token("a", until=LATER + 1)] == await state_reader.tokens("alice", 5)
    assert [token("b", user="bob")] == await state_reader.tokens("bob", 5)
    assert {CHAT: ReadPosition(4), OTHER: ReadPosition(2)} == await state_reader.read_positions(ALICE)
    assert {CHAT: ReadPosition(3)} == await state_reader.read_positions(bob)


async def test_a_batch_that_is_refused_saves_nothing(state: OpenStateStore) -> None:
    """What one of a batch can't have, none of it gets."""
    with pytest.raises(ArgsError):
        await state.save([token("good")], [(ALICE, {CHAT: ReadPosition(1)}), (UserID("\0"), {CHAT: ReadPosition(1)})])
    with pytest.raises(ArgsError):
        await state.save([token("good"), token("\0")], [(ALICE, {CHAT: ReadPosition(1)})])

    assert await state.tokens("alice", 5) == []
    assert await state.read_positions(ALICE) == {}


async def test_saves_at_the_same_time(state: OpenStateStore, state_reader: OpenStateReader) -> None:
    """Batches that touch the same tokens and positions in different orders are all saved."""
    users = [UserID(f"u{number}") for number in range(8)]

    async def save(number: int) -> None:
        order = users if number % 2 else users[::-1]
        await state.save(
            [token(user, user=user) for user in order], [(user, {CHAT: ReadPosition(number)}) for user in order]
        )

    await asyncio.gather(*(save(number) for number in range(6)))

    found = [(await state_reader.read_positions(user))[CHAT].has_read_seq for user in users]
    assert len(set(found)) == 1, "batches are mixed"
    assert [len(await state_reader.tokens(user, 5)) for user in users] == [1] * len(users)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_cannot_be_kept(state: OpenStateStore, text: str) -> None:
    """A NUL and half a surrogate pair are the caller's fault, and nothing of the call is kept."""
    with pytest.raises(ArgsError):
        await state.save([token("good"), token(text)])
    with pytest.raises(ArgsError):
        await state.save(positions=[(ALICE, {CHAT: ReadPosition(1), ConversationID(text): ReadPosition(2)})])

    assert await state.tokens("alice", 5) == []
    assert await state.read_positions(ALICE) == {}


async def test_positions_are_replaced_one_by_one(state: OpenStateStore, state_reader: OpenStateReader) -> None:
    """A saved position replaces the earlier one of its conversation, also with a lower one, and leaves the others."""
    assert await state_reader.read_positions(ALICE) == {}
    await state.save(positions=[(ALICE, {CHAT: ReadPosition(7, 3, 1), OTHER: ReadPosition(1)})])
    await state.save(positions=[(ALICE, {CHAT: ReadPosition(2, 9, 4)})])
    await state.save(positions=[(UserID("bob"), {CHAT: ReadPosition(5)})])
    await state.save(positions=[(ALICE, {})])

    assert {CHAT: ReadPosition(2, 9, 4), OTHER: ReadPosition(1)} == await state_reader.read_positions(ALICE)
    assert {CHAT: ReadPosition(5)} == await state_reader.read_positions(UserID("bob"))
    assert await state_reader.read_positions(UserID("ALICE")) == {}
