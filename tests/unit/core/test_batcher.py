"""Group commit."""

from __future__ import annotations

from openim_ray.core.persistence.batcher import Batcher


def make_batcher(entries: int, size: int = 10) -> Batcher[int]:
    """Return a batcher in which entries of this size wait."""
    batcher: Batcher[int] = Batcher(count_max=3, size_max=25, waiting_max=5)
    for entry in range(entries):
        batcher.add(entry, size)
    return batcher


def test_one_batch_is_in_work_at_a_time() -> None:
    """What arrives meanwhile forms the next one."""
    batcher = make_batcher(1)

    assert batcher.take() == [0]
    batcher.add(1, 10)
    assert batcher.take() == []
    batcher.done()
    assert batcher.take() == [1]


def test_a_batch_is_bounded_in_entries_and_bytes() -> None:
    """The rest waits, in order."""
    many, large = make_batcher(5, 1), make_batcher(5, 10)

    assert many.take() == [0, 1, 2]
    assert large.take() == [0, 1]
    large.done()
    assert large.take() == [2, 3]


def test_an_entry_that_is_too_large_goes_alone() -> None:
    """It is not left waiting for ever."""
    assert make_batcher(2, 1_000).take() == [0]


def test_a_full_queue_refuses() -> None:
    """The caller is told."""
    assert not make_batcher(5).add(5, 1)


def test_too_many_bytes_are_refused() -> None:
    """What leaves makes room again."""
    batcher: Batcher[int] = Batcher(count_max=3, size_max=25, waiting_max=5, waiting_bytes_max=20)

    assert [batcher.add(1, 15), batcher.add(2, 10)] == [True, False]
    batcher.take()
    assert batcher.add(2, 10)


def test_entries_count_for_what_is_in_them() -> None:
    """A batch of writes is bounded by their rows; a write of more rows than that goes alone."""
    batcher: Batcher[str] = Batcher(count_max=3, size_max=100, waiting_max=9)
    for entry, count in (("two", 2), ("one", 1), ("another", 1), ("four", 4), ("none", 0)):
        assert batcher.add(entry, 1, count)
    batches = []
    while batch := batcher.take():
        batches.append(batch)
        batcher.done()
    assert batches == [["two", "one"], ["another"], ["four"], ["none"]]
