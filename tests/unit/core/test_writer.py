"""The order of work of a persistence actor."""

from __future__ import annotations

import pytest

from openim_ray.core import items
from openim_ray.core.persistence import writer as writer_module
from openim_ray.core.persistence.writer import Writer


def store(call: int) -> items.StoreLog:
    """Return a write of a log."""
    return items.StoreLog(call, "0", 1, "a_b", ("a", "b"), [], {})


def test_a_fault_in_a_write_leaves_its_neighbours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner is told that its outcome is unknown; what came with it waits for the next commit."""
    good = writer_module._log_write(store(2))

    def convert(item: items.StoreLog) -> object:
        if item.call == 1:
            raise ValueError("a secret")
        return good

    monkeypatch.setattr(writer_module, "_log_write", convert)
    writer = Writer(rows_max=10, bytes_max=1_000)

    writer.receive("inbox-0", [store(1), store(2)])

    assert writer.take_items() == [("inbox-0", items.StoredLog(1, "unavailable"))]
    assert [job.call for job in writer.take_logs()] == [2]
    assert [one.what for one in writer.failures.take()] == ["StoreLog"]


def test_a_save_whose_handling_failed_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner says it again."""
    writer = Writer(rows_max=10, bytes_max=1_000)
    monkeypatch.setattr(writer, "_handle", lambda _peer, _item: {}["missing"])

    writer.receive("inbox-0", [items.SavePositions(1, "a", {})])

    assert writer.take_items() == [("inbox-0", items.Reply(1, 500, "internal error"))]
