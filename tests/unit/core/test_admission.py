"""Who may write to whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openim_ray.core.logs.admission import FactsCache, single_chat_refusal
from openim_ray.core.shard_loads import LoadFacts
from openim_ray.domain.conversation import ReceiveOption
from openim_ray.domain.group import GroupChatFacts, Role
from openim_ray.domain.people import SingleChatFacts


def make_facts(
    *, exists: bool = True, blocked: bool = False, option: int = 0, global_option: int = 0, system: bool = False
) -> SingleChatFacts:
    """Return what is known of a pair."""
    return SingleChatFacts(
        receiver_exists=exists,
        blocked_by_receiver=blocked,
        receiver_global_option=global_option,
        receiver_conversation_option=option,
        sender_is_system=system,
    )


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (make_facts(), 0),
        (make_facts(exists=False), 1004),
        (make_facts(blocked=True), 1302),
        (make_facts(option=ReceiveOption.REFUSE), 1001),
        (make_facts(global_option=ReceiveOption.REFUSE), 1001),
        (make_facts(option=ReceiveOption.SILENT), 0),
        (make_facts(blocked=True, option=ReceiveOption.REFUSE, system=True), 0),
        (make_facts(exists=False, system=True), 1004),
        (replace(make_facts(), friends_only=True), 1303),
        (replace(make_facts(), friends_only=True, are_friends=True), 0),
        (replace(make_facts(blocked=True), friends_only=True), 1302),
        (replace(make_facts(system=True), friends_only=True), 0),
    ],
)
def test_admission(facts: SingleChatFacts, code: int) -> None:
    """Codes are those of the official server (OpenIM wire, §4.6); the system is never refused by a black list."""
    refusal = single_chat_refusal(facts)

    assert (refusal.code if refusal else 0) == code


def test_facts_are_forgotten_in_time() -> None:
    """A changed black list counts after that time at the latest."""
    cache = FactsCache(entries_max=10, seconds=5.0, stale_seconds=60.0)
    cache.put(LoadFacts("alice", "bob"), make_facts(), 1.0)

    assert cache.get(LoadFacts("alice", "bob"), 5.9) == make_facts()
    assert cache.get(LoadFacts("alice", "bob"), 6.0) is None
    assert cache.get(LoadFacts("bob", "alice"), 1.0) is None


def test_facts_are_bounded() -> None:
    """The least recently learnt pair goes first."""
    cache = FactsCache(entries_max=2, seconds=5.0, stale_seconds=60.0)
    for receiver in ("bob", "carol", "dave"):
        cache.put(LoadFacts("alice", receiver), make_facts(), 0.0)

    assert cache.get(LoadFacts("alice", "bob"), 0.0) is None
    assert cache.get(LoadFacts("alice", "dave"), 0.0) is not None


def test_what_a_user_receives_is_forgotten_at_once() -> None:
    """Whoever writes to her; other pairs, and a group of the same id, are not concerned."""
    cache = FactsCache(entries_max=10, seconds=5.0, stale_seconds=60.0)
    pairs = [LoadFacts(*one) for one in (("alice", "bob"), ("carol", "bob"), ("bob", "alice"), ("alice", "dave"))]
    for pair in pairs:
        cache.put(pair, make_facts(), 0.0)
    group, in_group = LoadFacts("alice", "bob", is_group=True), GroupChatFacts(exists=True, role_level=Role.MEMBER)
    cache.put(group, in_group, 0.0)

    cache.forget_receiver("bob")
    cache.forget_receiver("nobody")

    assert [cache.get(pair, 0.0) for pair in pairs] == [None, None, make_facts(), make_facts()]
    assert cache.get(group, 0.0) == in_group
    assert not cache.prolong(pairs[0], 0.0)


def test_a_missing_receiver_is_not_remembered() -> None:
    """She may be registered the next moment."""
    cache = FactsCache(entries_max=2, seconds=5.0, stale_seconds=60.0)
    cache.put(LoadFacts("alice", "bob"), make_facts(exists=False), 0.0)

    assert cache.get(LoadFacts("alice", "bob"), 0.0) is None


def test_facts_that_can_not_be_read_anew_are_prolonged() -> None:
    """Again and again, while the directory is away; but not for ever, and only if they were read."""
    cache = FactsCache(entries_max=10, seconds=5.0, stale_seconds=60.0)
    cache.put(LoadFacts("alice", "bob"), make_facts(), 1.0)
    assert cache.prolonged(LoadFacts("alice", "bob"), 6.0) is None, "first they are read anew"

    assert cache.prolong(LoadFacts("alice", "bob"), 7.0)
    assert cache.get(LoadFacts("alice", "bob"), 11.9) == make_facts()
    assert cache.get(LoadFacts("alice", "bob"), 12.0) is None
    assert cache.prolonged(LoadFacts("alice", "bob"), 12.0) == make_facts()
    assert cache.prolong(LoadFacts("alice", "bob"), 61.0)
    assert not cache.prolong(LoadFacts("alice", "bob"), 61.1)
    assert cache.prolonged(LoadFacts("alice", "bob"), 61.1) is None
    assert not cache.prolong(LoadFacts("bob", "alice"), 7.0)


def test_facts_that_were_read_anew_are_not_prolonged_ones() -> None:
    """A block counts as soon as the directory can be read, and an account that is gone is forgotten."""
    cache = FactsCache(entries_max=10, seconds=5.0, stale_seconds=60.0)
    cache.put(LoadFacts("alice", "bob"), make_facts(), 0.0)
    cache.prolong(LoadFacts("alice", "bob"), 5.0)

    cache.put(LoadFacts("alice", "bob"), make_facts(blocked=True), 6.0)
    assert cache.get(LoadFacts("alice", "bob"), 6.0) == make_facts(blocked=True)
    assert cache.prolonged(LoadFacts("alice", "bob"), 11.0) is None
    cache.put(LoadFacts("alice", "bob"), make_facts(exists=False), 12.0)
    assert not cache.prolong(LoadFacts("alice", "bob"), 12.0)
