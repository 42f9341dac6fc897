"""Items that travel between actors."""

from __future__ import annotations

import typing

from openim_ray.core import items


def kinds(parent: type[items.Item]) -> set[type[items.Item]]:
    """Return the items that are derived from one, at any depth, without those that only hold what others have in common."""
    found = set()
    for kind in parent.__subclasses__():
        found |= kinds(kind) or {kind}
    return found


def test_every_item_can_be_read_from_a_batch() -> None:
    """One that `AnyItem` lacks makes its link fail on a real server, and neither the type checker nor the simulation sees it."""
    assert set(typing.get_args(items.AnyItem)) == kinds(items.Item)
