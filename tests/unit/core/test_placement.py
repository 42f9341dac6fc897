"""Which actor hosts which inbox and which log."""

from __future__ import annotations

from openim_ray.core.call_numbers import first_number
from openim_ray.core.placement import Placement, log_partition, longest_idle, user_partition
from openim_ray.domain.ids import PARTITIONS

TABLE = Placement(epoch=1, shards=("inbox-0", "inbox-1", "inbox-2"), dedicated={"alice": "inbox-alice"})


def test_every_partition_has_one_owner() -> None:
    """And it is the one that serves what falls into it."""
    owned = [partition for shard in TABLE.shards for partition in TABLE.partitions_of(shard)]

    assert sorted(owned, key=int) == [str(number) for number in range(PARTITIONS)]
    for key in ("bob", "carol", "bob_carol"):
        assert log_partition(key) in TABLE.partitions_of(TABLE.log_of(key))
        assert TABLE.inbox_partition(key) in TABLE.partitions_of(TABLE.inbox_of(key))


def test_a_dedicated_user_is_a_partition_of_her_own() -> None:
    """Her logs stay where they fall."""
    assert TABLE.inbox_of("alice") == "inbox-alice"
    assert TABLE.inbox_partition("alice") == user_partition("alice")
    assert TABLE.partitions_of("inbox-alice") == [user_partition("alice")]
    assert TABLE.log_of("alice") in TABLE.shards


def test_everybody_is_an_actor_once() -> None:
    """Shared and dedicated ones, in a fixed order."""
    assert TABLE.actors() == ["inbox-0", "inbox-1", "inbox-2", "inbox-alice"]


def test_who_is_not_placed_owns_nothing() -> None:
    """It serves nobody."""
    assert TABLE.partitions_of("inbox-9") == []


def test_a_user_who_is_given_back_keeps_her_partition() -> None:
    """So that the position of her inbox does not go backwards."""
    newer = Placement(epoch=2, shards=TABLE.shards)
    home = newer.inbox_of("alice")

    assert newer.returned_since(TABLE, home) == [user_partition("alice")]
    for shard in TABLE.shards:
        if shard != home:
            assert newer.returned_since(TABLE, shard) == []


def test_the_longest_idle_one_is_given_back() -> None:
    """Never one that is in use."""
    assert longest_idle({"alice": 5.0, "bob": 9.0, "carol": None}) == "bob"
    assert longest_idle({"carol": None}) is None


def test_incarnations_count_in_ranges_of_their_own() -> None:
    """Each has two thousand million numbers, and all fit into 63 bits."""
    starts = {first_number(f"incarnation {number}") for number in range(1_000)}

    assert len(starts) == 1_000
    assert all(start % (1 << 31) == 0 and start < 1 << 63 for start in starts)
