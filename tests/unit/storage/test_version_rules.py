from __future__ import annotations

import pytest

from openim_ray.ports import VersionDelta
from openim_ray.storage.version_rules import (
    DELTA_MAX,
    Change,
    ListHead,
    delta_of,
    full_delta,
    has_delta,
    new_version_id,
)

ID = "0123456789abcdef01234567"
HEAD = ListHead(ID, 10, 4, 8)


@pytest.mark.parametrize(
    ("version_id", "version", "known"),
    [
        (ID, 10, True),
        (ID, 9, True),
        (ID, 4, True),
        (ID, 3, False),
        (ID, 11, False),
        (ID, 0, False),
        (ID, -1, False),
        ("", 9, False),
        (ID.upper(), 9, False),
        ("f" * 24, 9, False),
    ],
)
def test_has_delta(version_id: str, version: int, known: bool) -> None:
    """Changes are known to a client with the list's id and a version between what is forgotten and now."""
    assert has_delta(HEAD, version_id, version) is known


def test_version_0_never_has_a_delta() -> None:
    """Version 0 means "nothing yet", also where nothing was forgotten."""
    assert not has_delta(ListHead(ID, 1, 0, 0), ID, 0)


def test_delta_sorts_by_change() -> None:
    """Elements keep the order in which they changed."""
    changes = [("a", Change.UPDATED), ("b", Change.DELETED), ("c", Change.INSERTED), ("d", Change.UPDATED)]

    assert delta_of(HEAD, 7, changes) == VersionDelta(10, ID, False, ["b"], ["c"], ["a", "d"], 8)
    assert delta_of(HEAD, 8, []) == VersionDelta(10, ID, False, [], [], [], 0)


def test_too_many_changes() -> None:
    """More than DELTA_MAX elements send the client to the whole list."""
    changes = [(str(number), Change.UPDATED) for number in range(DELTA_MAX + 1)]

    assert delta_of(HEAD, 5, changes) == full_delta(HEAD) == VersionDelta(10, ID, True, [], [], [], 0)
    assert not delta_of(HEAD, 5, changes[1:]).full


def test_ids_are_24_hex_digits_and_random() -> None:
    """Ids of lists never repeat and are never zero."""
    ids = {new_version_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(len(one) == 24 and int(one, 16) > 0 for one in ids)
